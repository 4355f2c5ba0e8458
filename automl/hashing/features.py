"""Features of functions as data: what they are, and how they are written down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from automl.errors import InvalidInput, brief
from automl.jsontext import canonical

FEATURES_VERSION = 1
"""Stands beside stored features. It changes whenever a feature of any kind is computed otherwise."""

Features = Mapping[str, np.ndarray]
"""Numbers that say what a function is like, by group; NaN where one could not be had. Never part of a key."""

MOST_GROUPS, MOST_NUMBERS = 64, 4096
"""What may be stored of one class, at most: foreign files are read, too."""

_FEW = 4
"""A group is written place by place if at most one number in so many is not 0."""


def written(features: Features) -> str:
    """Returns features as canonical JSON. Of a group that is nearly empty only what is not 0 is written.

    Example:
        >>> written({"shape": np.array([2.0, math.nan]), "paths": np.eye(1, 9)[0]})
        '{"paths":{"0":1.0,"of":9},"shape":[2.0,null]}'
    """
    found: dict[str, Any] = {}
    for name, values in features.items():
        numbers = [None if math.isnan(one) else one for one in values.tolist()]
        if np.count_nonzero(values) * _FEW <= len(numbers):
            found[name] = {"of": len(numbers)} | {str(at): one for at, one in enumerate(numbers) if one != 0.0}
        else:
            found[name] = numbers
    return canonical(found)


def read(data: Any) -> dict[str, np.ndarray]:
    """Returns features from parsed JSON, which may be anybody's.

    Raises:
        InvalidInput: they are not as `written` writes them.

    Example:
        >>> read({"paths": {"0": 1.0, "of": 3}, "shape": [2.0, None]})
        {'paths': array([1., 0., 0.]), 'shape': array([ 2., nan])}
    """
    if not isinstance(data, dict) or len(data) > MOST_GROUPS:
        raise InvalidInput(f"features are a JSON object of at most {MOST_GROUPS} groups, not {brief(data)}")
    return {name: _group(name, group) for name, group in data.items()}


def _group(name: str, group: Any) -> np.ndarray:
    if isinstance(group, list) and len(group) <= MOST_NUMBERS:
        return np.array([_number(name, one) for one in group], dtype=np.float64)
    size = group.get("of") if isinstance(group, dict) else None
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MOST_NUMBERS:
        raise InvalidInput(
            f"the features {brief(name)} are {brief(group)}: they must be {MOST_NUMBERS} numbers or fewer"
        )
    found = np.zeros(size)
    for place, one in group.items():
        if place != "of":
            if not (place.isascii() and place.isdecimal() and len(place) < 6 and int(place) < size):
                raise InvalidInput(f"the features {brief(name)} have no place {brief(place)} among {size}")
            found[int(place)] = _number(name, one)
    return found


def _number(name: str, value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        raise InvalidInput(f"a feature of {brief(name)} is {brief(value)}: it must be a number")
    return float(value)
