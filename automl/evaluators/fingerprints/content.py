"""The content of objects, in 16 bytes: equal in every process, whatever the order of sets and the addresses."""

from __future__ import annotations

import abc
import array
import collections
import contextlib
import enum
import functools
import io
import logging
import os
import queue
import random
import re
import sys
import threading
import types
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol

import numpy as np

from automl.evaluators.fingerprints.arrays import of_array
from automl.evaluators.fingerprints.origin import of_class
from automl.evaluators.fingerprints.refusal import NoContent, Token, at
from automl.evaluators.fingerprints.written import bytecode, mixed
from automl.spaces.space import Candidate, Space

PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented), range, slice)
_PLAIN = frozenset(PLAIN)
_FLAT = frozenset({bool, int, float, str, type(None)})

_LEFT_OUT = (
    logging.Logger,
    logging.LoggerAdapter,
    logging.Handler,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Semaphore,
    threading.Event,
    threading.Barrier,
)
"""What changes no result."""

_NO_CONTENT: Mapping[Any, str] = {
    io.IOBase: "an open file",
    threading.Thread: "a thread",
    threading.local: "data of one thread",
    types.GeneratorType: "a generator",
    types.CoroutineType: "a coroutine",
    types.AsyncGeneratorType: "a generator",
    types.FrameType: "a frame of running code",
    types.TracebackType: "a traceback",
    queue.SimpleQueue: "a queue",
}

_LIVE = frozenset({"asyncio", "concurrent", "multiprocessing", "selectors", "socket", "sqlite3", "ssl", "subprocess"})
"""Modules of Python whose objects stand for something outside this process or under way."""


def is_left_out(value: Any) -> bool:
    """Tells whether something captured changes no result: a lock, a logger, an output stream of this process.

    Environment variables count where code reads them by name, not as a whole.
    """
    if isinstance(value, _LEFT_OUT) or value is os.environ:
        return True
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return any(value is stream for stream in streams) or type(value).__module__ == "multiprocessing.synchronize"


def of_plain(value: Any) -> bytes | None:
    """Returns the content of a number, a text and the like, None for anything else."""
    kind = type(value)
    return mixed(kind.__name__, value if kind is bytes else repr(value)) if kind in _PLAIN else None


def of_data(value: Any, token: Token) -> bytes | None:
    """Returns the content of containers, arrays and values of Python's own types, None for other objects.

    Raises:
        NoContent: there is none, as for an open file.
    """
    if is_left_out(value):
        return mixed("left out")
    found = of_array(value, token)
    if found is None:
        found = _container(value, token)
    return _value(value, token) if found is None else found


def _container(value: Any, token: Token) -> bytes | None:
    kind = type(value)
    if kind in (list, tuple):
        if _FLAT.issuperset(map(type, value)):
            return mixed(kind.__name__, "flat", repr(value))
        return mixed(kind.__name__, *(at(f"[{place}]", item, token) for place, item in enumerate(value)))
    if kind in (dict, collections.defaultdict, collections.Counter, types.MappingProxyType):
        extra = [token(value.default_factory)] if kind is collections.defaultdict else []
        return mixed("dict" if not extra else "defaultdict", *extra, *_items(value, token))
    if kind in (set, frozenset):
        return mixed("set", *map(token, sorted(value, key=token.alone)))
    if kind is collections.OrderedDict:
        pairs = (mixed(token(key), at(f"[{key!r}]", item, token)) for key, item in value.items())
        return mixed("ordered", *pairs)
    if kind is collections.deque:
        return mixed("deque", repr(value.maxlen), *(at(f"[{place}]", item, token) for place, item in enumerate(value)))
    if kind is types.SimpleNamespace:
        return mixed("namespace", *_items(vars(value), token))
    if kind in (bytearray, memoryview, array.array):
        return mixed(kind.__name__, getattr(value, "typecode", ""), bytes(value))
    return None


def _items(value: Mapping[Any, Any], token: Token) -> list[bytes]:
    if all(type(key) is str for key in value):
        if _FLAT.issuperset(map(type, value.values())):
            return [repr(sorted(value.items())).encode("utf-8", "surrogatepass")]
        return [mixed(key, at(f"[{key!r}]", value[key], token)) for key in sorted(value)]
    keys = sorted(value, key=token.alone)
    return [mixed(token(key), at(f"[{key!r}]", value[key], token)) for key in keys]


_VALUES: Sequence[tuple[Any, Callable[[Any], Sequence[Any]]]] = (
    (np.generic | np.dtype, lambda value: (str(getattr(value, "dtype", "")), repr(value))),
    (np.random.Generator, lambda value: (value.bit_generator.state,)),
    (np.random.BitGenerator, lambda value: (value.state,)),
    (np.random.RandomState, lambda value: (value.get_state(legacy=False),)),
    (random.SystemRandom, lambda _: ()),
    (random.Random, lambda value: (value.getstate(),)),
    (re.Pattern, lambda value: (value.pattern, value.flags)),
    (enum.Enum, lambda value: (type(value), value.name, value.value)),
    (types.CodeType, lambda value: (bytecode(value),)),
    (types.CellType, lambda value: (value.cell_contents,)),
    (weakref.ReferenceType, lambda value: (value(),)),
    (io.StringIO | io.BytesIO, lambda value: (value.getvalue(), value.tell())),
    (types.GenericAlias, lambda value: (value.__origin__, value.__args__)),
    (types.UnionType, lambda value: value.__args__),
)
"""Types of which an object is what some of its attributes say."""


def _value(value: Any, token: Token) -> bytes | None:
    for kind, parts in _VALUES:
        if isinstance(value, kind):
            return mixed(type(value).__name__, *map(token, parts(value)))
    module = str(type(value).__module__).partition(".")[0].lstrip("_")
    if module == "typing":
        return mixed("type", repr(value))
    if module in _LIVE:
        raise NoContent(f"a live {type(value).__qualname__}")
    for kind, what in _NO_CONTENT.items():
        if isinstance(value, kind):
            raise NoContent(what)
    return None


def of_object(value: Any, token: Token) -> bytes:
    """Returns the content of an instance: its class, and what it holds.

    An instance of a user's class is what stands in its attributes, without values of cached properties, which follow
    from the rest. An instance of a library's class is what it would be pickled as.

    Raises:
        NoContent: it cannot be pickled, or holds something that has no content.
    """
    if isinstance(value, Candidate):
        return mixed("candidate", value.json)
    kind = type(value)
    pythonic = all(_is_pythonic(base) for base in kind.__mro__)
    its_own = _says_what_it_is(kind)
    if pythonic or not its_own:
        if not pythonic:
            _pickled(value)  # what cannot be pickled holds more than its attributes
        try:
            return mixed("object", token(kind), *_held(value, token))
        except NoContent:
            if not its_own:
                raise
    elif of_class(kind) == "user":
        with contextlib.suppress(NoContent):
            return mixed("object", token(kind), *_held(value, token), _reduced(value, token))
    return mixed("object", token(kind), _reduced(value, token))


_BUILTIN = (list, tuple, dict, set, frozenset, str, int, float, bytes, complex, collections.deque)
_ATTRIBUTES_ONLY = frozenset({object, BaseException, Exception, abc.ABC, Generic, Protocol, enum.Enum})


def _is_pythonic(kind: type) -> bool:
    """Tells whether all that an instance holds stands in attributes, or in a container of Python's own."""
    return kind in _BUILTIN or kind in _ATTRIBUTES_ONLY or of_class(kind) in ("user", "ours")


def _says_what_it_is(kind: type) -> bool:
    names = ("__getstate__", "__reduce__", "__reduce_ex__")
    return any(name in vars(base) for base in kind.__mro__ if base not in _ATTRIBUTES_ONLY for name in names)


def _held(value: Any, token: Token) -> list[bytes]:
    state = object.__getstate__(value)
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    found = {**(attributes or {}), **(slots or {})}
    for base in type(value).__mro__:
        for name, item in vars(base).items():
            if isinstance(item, functools.cached_property):
                found.pop(item.attrname or name, None)
    if isinstance(value, Space):
        found.pop("_record", None)  # made of the fields when it is first asked for
    parts = [mixed(name, at(f".{name}", found[name], token)) for name in sorted(found)]
    inner: Any = next((one for one in _BUILTIN if isinstance(value, one)), None)
    if inner is not None:
        parts.append(token(dict(dict.items(value)) if inner is dict else inner(value)))
    return parts


def _pickled(value: Any) -> Any:
    try:
        return value.__reduce_ex__(4)
    except Exception as error:
        what = f"an object of type {type(value).__module__}.{type(value).__qualname__} that has no content to compare"
        raise NoContent(what) from error


def _reduced(value: Any, token: Token) -> bytes:
    reduced = _pickled(value)
    if isinstance(reduced, str):
        return mixed("named", reduced)
    maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    return mixed(
        "reduced",
        token(maker),
        token(arguments),
        token(state),
        token(list(items) if items is not None else None),
        token(dict(pairs) if pairs is not None else None),
    )
