"""Random numbers by address instead of by turn: any number of any stream is a function of where it stands.

SplitMix64's finaliser (Steele et al. 2014) over 64-bit counters, with our own transforms, so that the numbers stay
the same in every version of numpy, in compiled code and in exported files.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_UNIT = 1.0 / 9007199254740992.0


@njit(cache=True, inline="always")
def mix(x: np.uint64) -> np.uint64:
    """Scatters 64 bits over 64 bits, one to one."""
    x = np.uint64(x) + np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_FIRST)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_SECOND)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, inline="always")
def unit(bits: np.uint64) -> float:
    """Turns 64 bits into a number strictly between 0 and 1."""
    return (np.float64(bits >> np.uint64(11)) + 0.5) * _UNIT


@njit(cache=True, error_model="numpy")
def fill_uniform(out: np.ndarray, stream: np.uint64, low: float, high: float) -> None:
    """Fills `out` with numbers between `low` and `high`: element n is number n of the stream."""
    for n in range(out.size):
        out[n] = low + (high - low) * unit(mix(stream + np.uint64(n)))


@njit(cache=True, error_model="numpy")
def fill_gaussian(out: np.ndarray, stream: np.uint64, mean: float, deviation: float) -> None:
    """Fills `out` with normal numbers (Box and Muller); element n takes numbers 2n and 2n + 1 of the stream."""
    for n in range(out.size):
        radius = math.sqrt(-2.0 * math.log(unit(mix(stream + np.uint64(2 * n)))))
        out[n] = mean + deviation * radius * math.cos(2.0 * math.pi * unit(mix(stream + np.uint64(2 * n + 1))))


@njit(cache=True)
def stream_of(seed: np.uint64, a: np.uint64, b: np.uint64, c: np.uint64) -> np.uint64:
    """Returns the stream that belongs to a seed and three numbers."""
    return mix(mix(mix(mix(np.uint64(seed)) ^ np.uint64(a)) ^ np.uint64(b)) ^ np.uint64(c))


def normals(shape: tuple[int, ...], *address: int) -> np.ndarray:
    """Returns normal numbers of the given shape that depend on nothing but `address`, up to four whole numbers."""
    parts = [np.uint64(part) for part in (*address, 0, 0, 0, 0)[:4]]
    out = np.empty(int(np.prod(shape)))
    fill_gaussian(out, np.uint64(stream_of(*parts)), 0.0, 1.0)
    return out.reshape(shape)


def uniforms(shape: tuple[int, ...], *address: int) -> np.ndarray:
    """Returns numbers between 0 and 1 of the given shape that depend on nothing but `address`."""
    parts = [np.uint64(part) for part in (*address, 0, 0, 0, 0)[:4]]
    out = np.empty(int(np.prod(shape)))
    fill_uniform(out, np.uint64(stream_of(*parts)), 0.0, 1.0)
    return out.reshape(shape)
