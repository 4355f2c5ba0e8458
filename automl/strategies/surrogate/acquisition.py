"""What a candidate is worth: targets that a process can learn, and the gain that it expects of one more evaluation."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr


def log_expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: float) -> np.ndarray:
    """Returns the logarithm of the expected improvement over `best`.

    It stays apart from minus infinity where the improvement itself underflows (Ament et al. 2023, arXiv 2310.20708).

    Example:
        >>> log_expected_improvement(np.array([0.0, -100.0]), np.array([1.0, 1.0]), 0.0).round(2).tolist()
        [-0.92, -5010.13]
    """
    u = (mean - best) / deviation
    density = -0.5 * u * u - 0.5 * np.log(2.0 * np.pi)
    near = np.clip(u, -8.0, 8.0)
    # φ(u) + u Φ(u), as a product with φ(u) so that it keeps its digits
    ratio = np.exp(log_ndtr(near) + 0.5 * near * near + 0.5 * np.log(2.0 * np.pi))
    inside = density + np.log(np.maximum(1.0 + near * ratio, 1e-300))
    tail = density - 2.0 * np.log(np.maximum(-u, 8.0))
    gain = np.where(u > 8.0, np.log(np.maximum(u, 8.0)), np.where(u > -8.0, inside, tail))
    return np.asarray(np.log(deviation) + gain)


def log_feasible(mean: np.ndarray, deviation: np.ndarray, bound: float, most: bool) -> np.ndarray:
    """Returns the logarithm of the probability that a value keeps its bound."""
    return np.asarray(log_ndtr((bound - mean if most else mean - bound) / deviation))


def scalarised(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns several objectives as one: augmented Chebyshev (ParEGO; Knowles 2006, IEEE TEVC 10(1), section III).

    Args:
        values: [points, objectives], larger being better; rows with a value that is not finite come out as minus
            infinity.
        weights: of the objectives, together 1.
    """
    finite = np.isfinite(values).all(axis=1)
    result = np.full(len(values), -np.inf)
    if finite.any():
        known = values[finite]
        low, high = known.min(axis=0), known.max(axis=0)
        lost = (high - known) / np.where(high > low, high - low, 1.0) * weights  # 0 is the best
        result[finite] = -(lost.max(axis=1) + 0.05 * lost.sum(axis=1))
    return result
