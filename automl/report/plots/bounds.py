"""Figures that can be drawn: beyond 1e100 an axis has no ends, and differences overflow."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeVar

T = TypeVar("T")

LARGEST = 1e100
SMALLEST = 1e-200


def bounded(data: T) -> tuple[T, str]:
    """Returns a report's data for drawing, and a sentence about what was changed, empty where nothing had to be.

    Args:
        data: dataclasses, lists, tuples and dicts of figures; other objects are left alone.

    Example:
        >>> bounded([1.5, -1.7e308, 5e-324])[0]
        [1.5, -1e+100, 0.0]
    """
    found = _bounded(data)
    if found is data:
        return data, ""
    return found, f"Figures beyond ±{LARGEST:g}, and nearer to 0 than {SMALLEST:g}, are drawn as these."


def _bounded(data: Any) -> Any:
    """Returns the very same object where nothing has to be changed."""
    if isinstance(data, float):
        if not math.isfinite(data) or (SMALLEST <= abs(data) <= LARGEST) or data == 0.0:
            return data
        return math.copysign(LARGEST, data) if abs(data) > LARGEST else 0.0
    if isinstance(data, dict):
        items = {name: _bounded(value) for name, value in data.items()}
        return items if any(items[name] is not value for name, value in data.items()) else data
    if isinstance(data, list | tuple):
        values = [_bounded(value) for value in data]
        if all(one is other for one, other in zip(values, data, strict=True)):
            return data
        return values if isinstance(data, list) else tuple(values)
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        given = {item.name: getattr(data, item.name) for item in dataclasses.fields(data)}
        changed = {name: new for name, value in given.items() if (new := _bounded(value)) is not value}
        return dataclasses.replace(data, **changed) if changed else data
    return data
