"""Features of a plain function: what it gives at the points that the hash calls it on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from automl.hashing.features import FUNCTION_VALUES
from automl.hashing.mixing import MANTISSA_BITS, rounded

_SETS_BEFORE_RANGES = 3
"""Generic points, large and tiny ones; then near, small and far ones for each argument."""


def function_features(
    points: Sequence[tuple[np.ndarray, ...]], found: Sequence[Sequence[np.ndarray]]
) -> dict[str, np.ndarray]:
    """Returns the features by group, with names as in `automl.hashing.features.NAMES`; NaN where there is nothing.

    Args:
        points: sets of points, each with an array for each argument, as `automl.hashing.functions` makes them.
        found: what the function gives on each set, one array an output.
    """
    first = found[0][0].ravel() if found[0] else np.zeros(0)
    values = np.full(FUNCTION_VALUES, math.nan)
    # half of the values from generic points, half from the round ones that stand behind these
    half = FUNCTION_VALUES // 2
    chosen = np.concatenate([first[:half], first[-half:]]) if first.size > FUNCTION_VALUES else first
    with np.errstate(invalid="ignore"):
        values[: chosen.size] = np.where(np.isfinite(chosen), np.arcsinh(chosen), math.nan)
    outline = _outline(points, found, first)
    return {"values": rounded(values, MANTISSA_BITS), "outline": rounded(np.array(outline), MANTISSA_BITS)}


def _outline(
    points: Sequence[tuple[np.ndarray, ...]], found: Sequence[Sequence[np.ndarray]], first: np.ndarray
) -> list[float]:
    finite = np.isfinite(first)
    known = np.arcsinh(first[finite])
    count = max(1, known.size)
    middle = float(known.sum()) / count if known.size else math.nan
    small, far = (_line(points, found, _SETS_BEFORE_RANGES + place) for place in (1, 2))
    return [
        float(len(found[0])),
        middle,
        math.sqrt(max(0.0, float(known @ known) / count - middle**2)) if known.size else math.nan,
        1.0 - np.count_nonzero(known) / count,
        np.count_nonzero(known < 0.0) / count,
        1.0 - known.size / max(1, first.size),
        *_growth(far),
        *_growth(small),
        _oddness(small),
    ]


def _line(
    points: Sequence[tuple[np.ndarray, ...]], found: Sequence[Sequence[np.ndarray]], place: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns a function of one argument along it, as points and values: positive points, then as many negative."""
    if len(points) <= place or len(points[place]) != 1 or not found[place]:
        return None
    [x], y = points[place], found[place][0]
    return (x, y) if x.shape == y.shape else None


def _growth(line: tuple[np.ndarray, np.ndarray] | None) -> list[float]:
    """Returns how steep a function is from zero to the middle of the positive points, and of the negative ones."""
    if line is None:
        return [math.nan] * 2
    x, y = line
    half = len(x) // 2
    steep = [float(y[place]) / abs(float(x[place])) for place in (half // 2, half + half // 2)]
    return [math.asinh(one) if math.isfinite(one) else math.nan for one in steep]


def _oddness(line: tuple[np.ndarray, np.ndarray] | None) -> float:
    """Returns 1 for odd functions, -1 for even ones, something between for others."""
    if line is None:
        return math.nan
    half = len(line[1]) // 2
    above, below = line[1][:half], line[1][half:]
    even, odd = float(np.abs(above + below).sum()), float(np.abs(above - below).sum())
    if not math.isfinite(even + odd):
        return math.nan
    return (odd - even) / (odd + even) if odd + even > 0.0 else 0.0
