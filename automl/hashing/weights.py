"""Content-addressed numbers: what a digest stands for decides the values, on every platform and in every process.

Raw bits come from Philox 4x64 (Salmon et al. 2011), whose stream numpy promises to keep; the transform to real
numbers is our own and uses exact arithmetic only, because distributions such as numpy's normal may change between
releases.
"""

from __future__ import annotations

import math

import numpy as np

_WIDTH = 2.0 * math.sqrt(3.0)


def uniform(seed: bytes, count: int) -> np.ndarray:
    """Returns `count` float64 values, uniform with mean 0 and variance 1, that `seed` (16 bytes) alone determines."""
    raw = np.random.Philox(key=int.from_bytes(seed, "little")).random_raw(count)
    return ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5) * _WIDTH


_LARGE = 2**15
_PERIODS = (16_381, 16_369)


def many(seed: bytes, count: int, factor: float = 1.0) -> np.ndarray:
    """Returns `count` values like `uniform`, times a factor.

    Beyond 32,768 they are the sums of two short rows, whose lengths share no factor, laid end to end: a fifth of the
    time, and no value is met twice in the same company before 268 million.
    """
    if count <= _LARGE:
        values = uniform(seed, count)
        values *= factor
        return values
    values = np.empty(count)
    pour(values, seed, factor)
    return values


def pour(values: np.ndarray, seed: bytes, factor: float, *more: float) -> None:
    """Writes what `many` gives for more than 32,768 values into an array, one factor after the other taken in."""
    factors = (factor * math.sqrt(0.5), *more)
    drawn = uniform(seed, sum(_PERIODS))
    one, other = drawn[: _PERIODS[0]], drawn[_PERIODS[0] :]
    longer = np.resize(other, len(other) + len(one))
    for start in range(0, len(values), len(one)):  # a piece at a time, which stays in the processor's cache
        piece = values[start : start + len(one)]
        begin = start % len(other)
        np.add(one[: len(piece)], longer[begin : begin + len(piece)], out=piece)
        for one_factor in factors:
            piece *= one_factor


def spread(shape: tuple[int, ...]) -> float:
    """Returns the factor that keeps variance: the first axis counts outputs, all others are summed over."""
    count = math.prod(shape)
    return 1.0 / math.sqrt(max(1, count // shape[0]) if len(shape) > 1 and shape[0] else 1)


def weight(seed: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a weight tensor scaled to keep variance."""
    return many(seed, math.prod(shape), spread(shape)).reshape(shape)


def whole(seed: bytes, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    """Returns int64 values from `low` to `high`, both included, that `seed` determines."""
    raw = np.random.Philox(key=int.from_bytes(seed, "little")).random_raw(math.prod(shape))
    return (low + (raw >> np.uint64(11)) % np.uint64(high - low + 1)).astype(np.int64).reshape(shape)
