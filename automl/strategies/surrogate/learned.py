"""What a Gaussian process has learned: which points it is fitted to, and how far it can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from automl.strategies.surrogate.process import Process
from automl.strategies.surrogate.warping import warped

LEAST = 10
"""Trials from which a model gives an account of itself."""

HALF, NINETY_FIVE = 0.6745, 1.96
"""Standard deviations within which one half, and 95 %, of measurements are expected."""


def representative(worth: np.ndarray, most: int) -> np.ndarray:
    """Returns the places of at most so many points, in order: the best half, and others spread over the rest.

    Args:
        worth: [points], larger is better.
        most: how many.
    """
    if len(worth) <= most:
        return np.arange(len(worth))
    best = np.argsort(-worth, kind="stable")
    others = best[most // 2 :]
    spread = others[np.linspace(0, len(others) - 1, most - most // 2).round().astype(int)]
    return np.sort(np.concatenate([best[: most // 2], spread]))


def account_of(process: Process, worth: np.ndarray, length: float | None) -> dict[str, Any]:
    """Returns how well each measurement is foretold by the others, and which groups of columns carry the model; empty
    with too few.

    Args:
        process: has observed the points.
        worth: of each point, as measured; what is not finite has failed.
        length: of the warp.
    """
    finite = np.isfinite(worth)
    if finite.sum() < LEAST or np.unique(worth[finite]).size < 2:
        return {}
    measured = warped(worth, length)
    expected, deviation = process.left_out(measured)
    off = np.abs(measured - expected)[finite] / deviation[finite]
    order = [rankdata(values[finite]) for values in (expected, worth)]
    kernel = process.kernel
    total = kernel.variance + kernel.noise
    return {
        "trials": int(finite.sum()),
        "rank_correlation": round(float(np.corrcoef(*order)[0, 1]), 3),
        "within_half": round(float(np.mean(off <= HALF)), 3),
        "within_95": round(float(np.mean(off <= NINETY_FIVE)), 3),
        "shares": {
            group.name: round(variance / total, 3)
            for group, variance in zip(kernel.groups, kernel.variances, strict=True)
        },
        "noise": round(kernel.noise / total, 3),
    }
