"""Canonical JSON text: equal values have equal text, on every platform and in every process."""

import json
from typing import Any

from automl.errors import InvalidInput

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def canonical(value: Any) -> str:
    """Returns `value` as JSON text with sorted keys and no spaces.

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
