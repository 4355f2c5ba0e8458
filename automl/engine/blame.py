"""Whose fault it is when a user's space or strategy raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from automl.errors import AutoMLError, InvalidSpace
from automl.isolation.limits import OutOfTime, OwnExit, alarm, no_exit


@contextmanager
def blaming(what: str | Callable[[], str], seconds: float | None = None) -> Iterator[None]:
    """Turns whatever a user's space or strategy does into one sentence that names it: raise, exit, or never return.

    Args:
        what: failed; asked for only then, where it takes time to say.
        seconds: allowed in the body (in the main thread); None sets no limit.

    Raises:
        InvalidSpace: something was raised that is no error of ours, or the time is over.
    """
    try:
        with no_exit(), alarm(seconds):
            yield
    except AutoMLError:
        raise
    except OutOfTime as error:
        what = what if isinstance(what, str) else what()
        raise InvalidSpace(f"{what}: it {error} and was broken off (--hash-timeout)") from error
    except (Exception, SystemExit, OwnExit) as error:
        what = what if isinstance(what, str) else what()
        raise InvalidSpace(f"{what}: {type(error).__name__}: {error}; `automl check` finds such faults") from error
