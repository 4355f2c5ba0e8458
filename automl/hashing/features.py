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

PLACES = 256
"""Places into which a graph's sequences of operations are hashed."""

FUNCTION_VALUES = 32
"""Values of a plain function that are features."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "shape": ("depth", "shortest", "width", "operations", "weighted", "path_count", "parameters", "macs"),
    "paths": tuple(f"place {place}" for place in range(PLACES)),
    "weights": (
        *("tensors", "parameters", "largest_share", "shapes", "untrained", "without_gradient", "gradient_norm"),
        *("gradient_spread", "synflow"),
    ),
    "outputs": (
        *("training", "evaluation", "training_far", "evaluation_far", "training_near", "count", "mean", "zeros"),
        *("evaluation_against_training", "alike"),
    ),
    "gradients": ("size", "zeros", "covariance"),
    "outline": (
        *("outputs", "mean", "spread", "zeros", "negative", "not_finite", "growth", "growth_below", "slope"),
        *("slope_below", "odd"),
    ),
    "values": tuple(f"value {place}" for place in range(FUNCTION_VALUES)),
}
"""Names of the features of the built-in hashers, by group.

`shape` and `paths` are a graph's. Of its pruned form: longest and shortest path in operations, the most operations at
one depth, live operations, those among them with weights, the logarithms (plus one) of the number of paths from inputs
to outputs and of weights and multiply-accumulates at the size of the probe; and how often each sequence of operations
occurs, hashed into places.

`weights`, `outputs` and `gradients` are a module's. Of the weights that the outputs depend on: logarithms of the
numbers of tensors and of weights, the largest tensor's share, the logarithms of the numbers of shapes and of tensors
that are not trained, the share without a gradient, the logarithm of the gradient's norm, the spread of gradients over
tensors, and the logarithm of the sum of weights times gradients. Of the outputs: the logarithms of their size in each
run, how many there are, their mean, the share of zeros, how far evaluation is from training, and the correlation of two
examples. Of the input gradients: the logarithm of their size, the share of zeros, and the score of their covariance.

`outline` and `values` are a plain function's: how many outputs, mean, spread and shares of its values, how fast it
grows far from and close to zero, on both sides, whether it is odd (1) or even (-1); and its values at fixed points."""

SHAPE = NAMES["shape"]

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
