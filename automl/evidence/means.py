"""Means of figures of any size: also where their sum is larger than numbers can be."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


def mean(values: Iterable[float]) -> float:
    """Returns the mean of finite figures, which is finite: it lies among them, wherever their sum lies.

    Args:
        values: at least one.

    Example:
        >>> mean([1.0, 2.0, 6.0])
        3.0
        >>> mean([1e308, 1.5e308])
        1.25e+308
    """
    figures = list(values)
    try:
        found = math.fsum(figures) / len(figures)
    except OverflowError:
        found = 2.0 * math.fsum(figure / (2 * len(figures)) for figure in figures)
    return min(max(found, min(figures)), max(figures))  # rounding may lead beyond all of them


def exponent_of(*samples: np.ndarray) -> int:
    """Returns the power of two that brings the largest figure of all samples between 1/2 and 1; 0 for zeros only.

    `np.ldexp(sample, -exponent)` changes no digit, and the squares of what it returns neither overflow nor vanish.

    Example:
        >>> exponent_of(np.array([3.0, -5.0]))
        3
    """
    return max((math.frexp(float(np.abs(sample).max()))[1] for sample in samples if sample.any()), default=0)


def times_two_to(value: float, exponent: int) -> float:
    """Returns value · 2^exponent, an infinity where it is larger than numbers can be.

    Example:
        >>> times_two_to(0.75, 3), times_two_to(-1.0, 5000)
        (6.0, -inf)
    """
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)
