"""Where two pieces of JSON data differ, for sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.jsontext import canonical
from automl.spaces.options import shown


def difference(given: Any, read: Any, path: str = "candidate") -> str:
    """Returns the first place where two pieces of JSON data differ, such as "candidate.width: 8 became 16".

    Example:
        >>> difference({"width": 8, "depth": 2}, {"width": 16, "depth": 2})
        'candidate.width: 8 became 16'
    """
    if isinstance(given, Mapping) and isinstance(read, Mapping):
        for name in sorted({*map(str, given), *map(str, read)}):
            if name not in given or name not in read:
                return f"{path}.{name} {'is lost' if name in given else 'appears'}"
            if canonical(given[name]) != canonical(read[name]):
                return difference(given[name], read[name], f"{path}.{name}")
    if isinstance(given, list | tuple) and isinstance(read, list | tuple) and len(given) == len(read):
        for place, (one, other) in enumerate(zip(given, read, strict=True)):
            if canonical(one) != canonical(other):
                return difference(one, other, f"{path}[{place}]")
    return f"{path}: {shown(given)} became {shown(read)}"
