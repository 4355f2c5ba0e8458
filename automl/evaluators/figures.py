"""Which of the things that an evaluation returns are figures."""

from __future__ import annotations

from typing import Any


def as_number(value: Any) -> float | None:
    """Returns a number of any library's as a float, and None for what is none: texts, None, lists, dicts.

    A boolean counts as 0 or 1, and an array or tensor of one number as that number.

    Example:
        >>> as_number(3), as_number(True), as_number("ok"), as_number([0.5])
        (3.0, 1.0, None, None)
    """
    if isinstance(value, str | bytes):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else -float("inf")
    except (TypeError, ValueError, RuntimeError):  # torch raises the last one for a tensor of several numbers
        pass
    try:
        return float(value.item())  # an array of one number
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return None
