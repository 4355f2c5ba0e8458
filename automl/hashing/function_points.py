"""The points at which functions are called: generic ones, round numbers, and sizes from 1e-12 to 1e4 of both signs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.hashing.mixing import mix
from automl.hashing.weights import uniform, whole

_ROUND = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0)
_LARGE = (40.5, -40.5)
_TINY = (1.5 * 2.0**-20, -1.25 * 2.0**-20, 1.25 * 2.0**-7, -1.5 * 2.0**-7)
_STEPS = (1.0, 1.140625, 1.328125, 1.546875, 1.78125)
"""Five to an octave, of seven bits each; powers of two times these are the points between zero and the far ones."""

_SCALES = {"near": (-40, -20), "small": (-20, 0), "far": (0, 14)}
"""Sets of points by the exponents of two that they cover, low ones included."""

_GENERIC = 2048
_APART = (1.0, 1.375, 0.8125)
_COARSE = ((2.0**-20, 0.9 * 2.0**-22), (2.0**-4, 0.9 * 2.0**-27))
"""Where an argument is smaller than the first number, values are rounded to multiples of the second: what is small
there is mostly rounding noise of what was large before, and a guard gives large values. No result is exactly between
two multiples of such a number.
"""

FAR = 8.0
"""Points further out than this are looked at with fewer bits."""


@functools.lru_cache(maxsize=64)
def points(arity: int, seed: int) -> tuple[tuple[np.ndarray, ...], ...]:
    """Returns the sets of points: for each, one float64 array for each argument."""
    turn = np.arange(_GENERIC) % (2 * arity)
    generic = [  # at most one argument is far out, or sums of several would make sin(exp(.)) of them pure noise
        uniform(mix("points", str(seed), str(place)), _GENERIC) * np.where(turn == 2 * place, 3.5, 2.0)
        for place in range(arity)
    ]
    rounds = _columns(_ROUND, arity, seed)
    sets = [tuple(np.concatenate(pair) for pair in zip(generic, rounds, strict=True))]
    # equal large or tiny arguments would cancel down to their rounding errors, so each argument has its own
    sets += [
        tuple(column * _APART[place % 3] for place, column in enumerate(_columns(base, arity, seed)))
        for base in (_LARGE, _TINY)
    ]
    sets += [  # of two large arguments nobody expects sin(exp(x)) and the like, so the others are generic
        tuple(base if other == place else generic[other][: len(base)].copy() for other in range(arity))
        for place in range(arity)
        for base in map(_range, _SCALES)
    ]
    for one in itertools.chain.from_iterable(sets):
        one.flags.writeable = False
    return tuple(sets)


def _range(name: str) -> np.ndarray:
    """Returns the points of a set, of both signs."""
    low, high = _SCALES[name]
    sizes = np.array([step * 2.0**exponent for exponent in range(low, high) for step in _STEPS])
    return np.concatenate([sizes, -sizes])


def _columns(base: Sequence[float], arity: int, seed: int) -> tuple[np.ndarray, ...]:
    """Returns the base points for one argument, all their pairs for two, and 48 drawn combinations for more."""
    if arity == 1:
        return (np.array(base),)
    if arity == 2:
        return tuple(np.array(column) for column in zip(*itertools.product(base, repeat=2), strict=True))
    drawn = [
        whole(mix("columns", str(seed), str(place), repr(base)), (48,), 0, len(base) - 1) for place in range(arity)
    ]
    return tuple(np.array(base)[numbers] for numbers in drawn)


@dataclass(frozen=True, eq=False)
class Sheet:
    """Points that a function is called on, and what its values are compared to there.

    Attributes:
        arrays: one for each argument.
        scale: the size of each point, or one.
        far: points further out than `FAR`; `has_far` tells whether there are any.
        step: what values are rounded to multiples of where an argument is small, zero elsewhere.
    """

    arrays: tuple[np.ndarray, ...]

    @functools.cached_property
    def scale(self) -> np.ndarray:
        sizes = (np.abs(np.where(np.isfinite(array), array, 0.0)) for array in self.arrays)
        return np.maximum(functools.reduce(np.fmax, sizes), 1.0)

    @functools.cached_property
    def far(self) -> np.ndarray:
        return functools.reduce(np.maximum, (np.abs(array) for array in self.arrays)) > FAR

    @functools.cached_property
    def has_far(self) -> bool:
        return bool(self.far.any())

    @functools.cached_property
    def step(self) -> np.ndarray:
        smallest = functools.reduce(np.fmin, (np.where(array == 0.0, 1.0, np.abs(array)) for array in self.arrays))
        step = np.zeros(self.scale.shape)
        for below, share in _COARSE[::-1]:
            step = np.where(smallest < below, share * self.scale, step)
        return step


@functools.lru_cache(maxsize=16)
def sheets(arity: int, seed: int) -> tuple[Sheet, tuple[Sheet, ...]]:
    """Returns all points in one sheet, and each set in its own."""
    sets = points(arity, seed)
    joined = tuple(np.concatenate(column) for column in zip(*sets, strict=True))
    for array in joined:
        array.flags.writeable = False
    return Sheet(joined), tuple(map(Sheet, sets))
