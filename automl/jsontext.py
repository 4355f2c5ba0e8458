"""Canonical JSON text: equal values have equal text, on every platform and in every process."""

import json
import sys
from typing import Any

from automl.errors import InvalidInput

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


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def canonical(value: Any) -> str:
    """Returns `value` as JSON text with sorted keys and no spaces; numbers and arrays of numpy and torch are written
    as Python's are.

    Raises:
        InvalidInput: the value is not JSON, or holds NaN or an infinity (JSON has no text for them).
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{value!r} cannot be written as JSON ({error}); use numbers, strings, lists and dicts"
        ) from error


def parse(text: str) -> Any:
    """Reads JSON text, refusing the NaN and Infinity that Python would let through.

    Raises:
        InvalidInput: the text is not JSON.
    """
    try:
        return _DECODER.decode(text)
    except ValueError as error:
        raise InvalidInput(f"not valid JSON: {error}") from error
