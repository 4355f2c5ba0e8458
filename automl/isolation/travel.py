"""How objects of a user's program travel to another process of this machine or another: pickled by cloudpickle."""

from __future__ import annotations

import dataclasses
import io
import pickle
import sys
from collections.abc import Callable, Iterable
from typing import Any

import cloudpickle
import numpy as np

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
    return _packed(thing, holders, None, _itself)


LARGE = 1 << 20
"""Bytes from which an array travels apart."""


def _itself(thing: Any) -> Any:
    return thing


def pack_apart(thing: Any, *holders: Any, instead: Callable[[Any], Any] = _itself) -> tuple[bytes, list[np.ndarray]]:
    """Pickles `thing` as `pack` does, and leaves the memory of large arrays apart, uncopied.

    Args:
        thing: travels.
        holders: as for `pack`.
        instead: Function that returns what travels in the place of an object, however deep it lies inside `thing`: the
            object itself, or another one of its class.

    Returns:
        What `pickle.loads(packed, buffers=arrays)` reads: the pickle, and the arrays as bytes. Whoever maps these into
        its memory shares them with others; arrays over memory that cannot be written are read-only.

    Raises:
        InvalidInput: it cannot be pickled; the message says why.

    Example:
        >>> import pickle
        >>> data = np.ones(LARGE // 8)
        >>> packed, arrays = pack_apart({"large": data, "small": np.ones(3)})
        >>> len(packed) < 1000, len(arrays), bool(np.shares_memory(arrays[0], data))
        (True, 1, True)
        >>> float(pickle.loads(packed, buffers=arrays)["large"].sum()) == float(data.sum())
        True
    """
    arrays: list[np.ndarray] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE:
            return True  # stays in the pickle
        arrays.append(np.frombuffer(raw, np.uint8))
        return False

    return _packed(thing, holders, keep, instead), arrays


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles other objects in the place of some."""

    def __init__(self, file: io.BytesIO, keep: Callable[[pickle.PickleBuffer], bool] | None, instead: Any) -> None:
        super().__init__(file, buffer_callback=keep)
        self._instead = instead

    def reducer_override(self, thing: Any) -> Any:
        found = self._instead(thing)
        return super().reducer_override(thing) if found is thing else found.__reduce_ex__(pickle.HIGHEST_PROTOCOL)


def _packed(
    thing: Any,
    holders: Iterable[Any],
    keep: Callable[[pickle.PickleBuffer], bool] | None,
    instead: Callable[[Any], Any],
) -> bytes:
    own = [module for module in _modules_of(holders) if module in sys.modules and not _importable(module)]
    for module in own:
        cloudpickle.register_pickle_by_value(sys.modules[module])
    try:
        file = io.BytesIO()
        _Pickler(file, keep, instead).dump(thing)
        return file.getvalue()
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
