"""Whose fault it is when a user's space or strategy raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from automl.errors import AutoMLError, InvalidSpace


@contextmanager
def blaming(what: str | Callable[[], str]) -> Iterator[None]:
    """Turns whatever a user's space or strategy raises into one sentence that names it.

    Args:
        what: failed; asked for only then, where it takes time to say.

    Raises:
        InvalidSpace: something was raised that is no error of ours.
    """
    try:
        yield
    except AutoMLError:
        raise
    except Exception as error:
        what = what if isinstance(what, str) else what()
        raise InvalidSpace(f"{what}: {type(error).__name__}: {error}; `automl check` finds such faults") from error
