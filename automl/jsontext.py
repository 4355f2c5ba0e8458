"""Canonical JSON text: equal values have equal text, on every platform and in every process.

What comes from a file is read by `parse_foreign` and `decoded`, which refuse what the engine's own text never holds;
what comes from a database by `stored`.
"""

from __future__ import annotations

import codecs
import json
import math
import sys
from collections.abc import Callable
from typing import Any

from automl.errors import InvalidInput, StorageError, brief

MAX_DEPTH = 200
"""Lists and objects inside each other, at most: whoever walks a value may use the stack for it."""

MAX_TEXT = 1 << 20
"""Characters of one foreign JSON text, at most; an exported cache has no longer rows either."""

LARGEST_ARRAY = 10_000
"""Numbers of an array that is written as JSON, at most: larger ones are data, and are refused."""


def plain(value: Any) -> Any:
    """Returns numbers and arrays of numpy and torch as Python's numbers and lists, and anything else as it is.

    Neither library is imported for it: where one is not loaded, nothing can be of it.

    Example:
        >>> import numpy as np
        >>> plain(np.int64(5)), plain(np.array([0.5, 1.0])), plain("text")
        (5, [0.5, 1.0], 'text')
    """
    if type(value) in _PYTHON:
        return value
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        if isinstance(value, numpy.bool_):
            return bool(value)
        if isinstance(value, numpy.integer):
            return int(value)
        if isinstance(value, numpy.floating):
            return float(value)
        if isinstance(value, numpy.str_):
            return str(value)
        if isinstance(value, numpy.ndarray):
            return value.tolist() if value.size <= LARGEST_ARRAY else value
    if torch is not None and isinstance(value, torch.Tensor):
        return value.tolist() if value.numel() <= LARGEST_ARRAY else value
    return value


_PYTHON = frozenset({int, float, str, bool, dict, list, tuple, type(None)})


def _default(value: Any) -> Any:
    """Says what the encoder writes for a value that it does not know."""
    found = plain(value)
    if found is value:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return found


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_default
)


def _c_encoder() -> Callable[[Any, int], tuple[str, ...]] | None:
    """Returns the encoder in C that `_ENCODER` makes anew for each value, which takes half of the time of a short text.

    It does not look for circles: where it fails, `_ENCODER` says why.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return None
    quoted = json.encoder.encode_basestring
    found: Callable[[Any, int], tuple[str, ...]] = make(None, _default, quoted, None, ":", ",", True, False, False)
    return found


_IN_C = _c_encoder()


def _encoded(value: Any) -> str:
    if _IN_C is not None and not isinstance(value, str):  # a text has a way of its own
        try:
            return "".join(_IN_C(value, 0))
        except (TypeError, ValueError, RecursionError):
            pass
    return _ENCODER.encode(value)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {brief(next(name for name in names if names.count(name) > 1))} stands there twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{brief(text)} is larger than numbers can be")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_FOREIGN = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)


def canonical(value: Any) -> str:
    """Returns `value` as canonical JSON text: sorted keys, no spaces, numbers and arrays of numpy and torch written as
    Python's.

    Raises:
        InvalidInput: the value is not JSON, is nested too deeply, or holds NaN, an infinity or a lone surrogate (JSON
            has no text for these).

    Example:
        >>> canonical({"b": [1, 2.0], "a": None})
        '{"a":null,"b":[1,2.0]}'
    """
    try:
        text = _encoded(value)
        if not text.isascii():
            text.encode()
    except RecursionError:
        raise InvalidInput(_too_deep()) from None
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{brief(value)} cannot be written as JSON ({_why(error)}); use numbers, strings, lists and dicts"
        ) from error
    if len(text) > 2 * MAX_DEPTH:  # a shorter one has too few brackets
        _check_depth(text, value)
    return text


def parse(text: str) -> Any:
    """Reads JSON text, refusing the NaN and Infinity that Python would let through.

    Raises:
        InvalidInput: the text is not JSON, or is nested too deeply.

    Example:
        >>> parse('{"a": [1, null]}')
        {'a': [1, None]}
    """
    return _read(_DECODER, text)


def stored(text: str) -> Any:
    """Reads JSON text that a database kept.

    Raises:
        StorageError: it is none: the database is damaged.

    Example:
        >>> stored('{"score":1.5}')
        {'score': 1.5}
    """
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise StorageError(
            f"the database is damaged: it holds {brief(text, 60)} where JSON belongs; restore it from a copy"
        ) from error


def parse_foreign(text: str) -> Any:
    """Reads JSON text that comes from a file or a command line.

    Raises:
        InvalidInput: as `parse`; or it is longer than `MAX_TEXT`, names something twice in one object, or holds a
            number that is larger than numbers can be.

    Example:
        >>> parse_foreign('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        ...
        automl.errors.InvalidInput: not valid JSON: the name 'a' stands there twice
    """
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"a JSON text of {len(text):,} characters; at most {MAX_TEXT:,} are read")
    return _read(_FOREIGN, text)


def _read(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        value = decoder.decode(text)
        if "\\u" in text:
            _ENCODER.encode(value).encode()  # an escape may stand for half a character
    except RecursionError:
        raise InvalidInput(_too_deep()) from None
    except ValueError as error:
        raise InvalidInput(f"not valid JSON: {_why(error)}") from error
    if len(text) > 2 * MAX_DEPTH:  # a shorter one has too few brackets
        _check_depth(text, value)
    return value


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it holds half of a character of two halves (a lone surrogate)"
    return str(error)


def _too_deep() -> str:
    return f"lists and objects are nested more than {MAX_DEPTH} deep; write it flatter"


def _check_depth(text: str, value: Any) -> None:
    """Insists on `MAX_DEPTH`; a text with fewer brackets than that need not be walked."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner = [
            item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list | tuple)
        ]
        if not inner:
            return
        level = [item for items in inner for item in items]
    raise InvalidInput(_too_deep())


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""How a file that other programs wrote says what it is encoded in."""


def encoding_of(beginning: bytes) -> str:
    """Returns the encoding that a text file's first bytes announce; UTF-8 where they announce none.

    Example:
        >>> encoding_of("{}".encode("utf-16")), encoding_of(b"{}")
        ('utf-16', 'utf-8')
    """
    return next((name for mark, name in _MARKS if beginning.startswith(mark)), "utf-8")


def decoded(data: bytes, what: str) -> str:
    """Returns the text of a file: UTF-8, with or without a byte order mark, or UTF-16 or UTF-32 with one.

    Args:
        data: the bytes of the file.
        what: how a message names it.

    Raises:
        InvalidInput: it is none of these; the line is named.
    """
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        kind = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise InvalidInput(
            f"{what}, line {line}: byte 0x{data[error.start]:02x} is not {kind} text; save the file as UTF-8"
        ) from error


def check_names(value: Any, what: str) -> None:
    """Insists that all names in a user's dicts are texts: JSON would write `1` and `"1"` alike.

    Args:
        value: a value that is to be written as JSON.
        what: how a message names it.

    Raises:
        InvalidInput: a name is no text; it is shown.

    Example:
        >>> check_names({"a": [{1: "x"}]}, "the key")
        Traceback (most recent call last):
        ...
        automl.errors.InvalidInput: the key has the name 1 (int) in a dict; JSON knows texts as names only: write '1'
    """
    waiting, met = [value], 0
    while waiting and met < MAX_TEXT:
        item = waiting.pop()
        met += 1
        if isinstance(item, dict):
            for name in item:
                if not isinstance(name, str):
                    raise InvalidInput(
                        f"{what} has the name {brief(name)} ({type(name).__name__}) in a dict; "
                        f"JSON knows texts as names only: write {brief(str(name))}"
                    )
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
