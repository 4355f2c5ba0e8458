"""How objects of a user's program travel to another process of this machine or another: pickled by cloudpickle."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable
from typing import Any

import cloudpickle

from automl.errors import InvalidInput


def pack(thing: Any, *holders: Any) -> bytes:
    """Pickles `thing`; classes from files that another process cannot import by name travel by value.

    Args:
        thing: travels.
        holders: objects inside it whose classes, and the classes of whose fields, may be such.

    Raises:
        InvalidInput: it cannot be pickled; the message says why.

    Example:
        >>> import pickle
        >>> pickle.loads(pack(lambda x: x + 1))(2)
        3
    """
    own = [module for module in _modules_of(holders) if module in sys.modules and not _importable(module)]
    for module in own:
        cloudpickle.register_pickle_by_value(sys.modules[module])
    try:
        return bytes(cloudpickle.dumps(thing))
    except Exception as error:  # whatever a user's object raises
        message = " ".join(str(error).split())
        raise InvalidInput(f"{type(error).__name__}: {message}"[:500]) from error
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(sys.modules[module])


def _modules_of(holders: Iterable[Any]) -> set[str]:
    """Returns the modules that the classes of these objects, their bases and their fields come from."""
    held: list[Any] = []
    for holder in holders:
        held += type(holder).__mro__
        if dataclasses.is_dataclass(holder):
            for field in dataclasses.fields(holder):
                value = getattr(holder, field.name)
                held += [value, *type(value).__mro__]
    return {str(module) for item in held if (module := getattr(item, "__module__", None))} - {"__main__", "builtins"}


def _importable(module: str) -> bool:
    """Returns whether a module could be imported anew; `importlib.util.find_spec` would answer for what is loaded."""
    package = module.partition(".")[0]
    return any(finder.find_spec(package, None) is not None for finder in sys.meta_path)
