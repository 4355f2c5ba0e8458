"""Paired bootstrap of correlations: all figures from the same resampled architectures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from automl.evidence.intervals import LEVEL, Estimate

RESAMPLES, OF_MANY = 2_000, 100
"""Numbers of resamples; the smaller one for more than `_LARGE` architectures, whose intervals are narrow anyway."""

_LARGE = 1_000
_LEAST = 8
"""With fewer architectures no interval is given: too few of them differ in a resample."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One figure of all architectures, and of each resample; differences of two are paired.

    Attributes:
        value: Figure of all architectures; NaN if it cannot be computed.
        resampled: float64 array of shape (resamples,).
        units: Number of architectures.

    Example:
        >>> one, other = Figures(0.8, np.array([0.7, 0.9]), 20), Figures(0.5, np.array([0.4, 0.6]), 20)
        >>> round((one - other).value, 2)
        0.3
    """

    value: float
    resampled: np.ndarray
    units: int

    def __sub__(self, other: Figures) -> Figures:
        return Figures(self.value - other.value, self.resampled - other.resampled, self.units)

    def estimate(self) -> Estimate:
        """Returns the figure with its 95 % percentile interval."""
        size = (self.units, self.units)
        if not math.isfinite(self.value):
            return Estimate(None, method="no figure: a constant series", units=size)
        known = self.resampled[np.isfinite(self.resampled)]
        if self.units < _LEAST or len(known) < len(self.resampled) / 2:
            return Estimate(self.value, method="no interval: too few architectures", units=size)
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(self.value, float(low), float(high), f"bootstrap of {self.units} architectures", size)


class Resamples:
    """Resamples of so many architectures, the same for every figure.

    Args:
        n: Number of architectures.

    Example:
        >>> x, y = np.arange(30.0), np.arange(30.0)
        >>> x[3] = 25.0
        >>> found = Resamples(30).spearman(x, y)
        >>> found.value > 0.8, found.estimate().low < found.value
        (True, True)
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._chosen = np.random.default_rng(0).integers(n, size=(RESAMPLES if n <= _LARGE else OF_MANY, n))

    def spearman(self, one: np.ndarray, other: np.ndarray) -> Figures:
        """Returns Spearman's rank correlation."""
        return self._each(lambda a, b: _correlation(_ranks(a), _ranks(b)), one, other)

    def pearson(self, one: np.ndarray, other: np.ndarray) -> Figures:
        """Returns Pearson's correlation."""
        return self._each(_correlation, one, other)

    def kendall(self, one: np.ndarray, other: np.ndarray) -> Figures:
        """Returns Kendall's tau-b."""
        if self.n <= _LARGE:
            return self._kendall_by_pairs(one, other)
        from scipy import stats

        def tau(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return np.array([stats.kendalltau(x, y).statistic for x, y in zip(a, b, strict=True)])

        return self._each(tau, one, other)

    def partial(self, one: np.ndarray, other: np.ndarray, given: Sequence[np.ndarray]) -> Figures:
        """Returns the rank correlation of two series with the ranks of others held fixed."""

        def figure(*series: np.ndarray) -> np.ndarray:
            ranks = np.stack([_ranks(item) for item in series], axis=1)
            ranks = ranks - ranks.mean(-1, keepdims=True)
            products = ranks @ ranks.transpose(0, 2, 1)
            scale = np.sqrt(np.einsum("bii->bi", products))
            with np.errstate(invalid="ignore", divide="ignore"):
                matrix = products / (scale[:, :, None] * scale[:, None, :])
            found = np.full(len(matrix), np.nan)
            regular = np.isfinite(matrix).all((1, 2))
            regular[regular] = np.linalg.cond(matrix[regular]) < 1e12
            inverse = np.linalg.inv(matrix[regular])
            found[regular] = -inverse[:, 0, 1] / np.sqrt(inverse[:, 0, 0] * inverse[:, 1, 1])
            return found

        return self._each(figure, one, other, *given)

    def _each(self, figure: Callable[..., np.ndarray], *series: np.ndarray) -> Figures:
        whole = figure(*(item[None, :] for item in series))[0]
        parts = [figure(*(item[some] for item in series)) for some in np.array_split(self._chosen, 20)]
        return Figures(float(whole), np.concatenate(parts), self.n)

    def _kendall_by_pairs(self, one: np.ndarray, other: np.ndarray) -> Figures:
        """Counts pairs once for all resamples: each is a vector of how often an architecture stands in it."""
        a, b = (np.sign(item[:, None] - item[None, :]) for item in (one, other))
        weights = np.ones((len(self._chosen) + 1, self.n))
        weights[1:] = 0.0
        np.add.at(weights, (np.arange(1, len(weights))[:, None], self._chosen), 1.0)
        alike, apart_a, apart_b = (((weights @ m) * weights).sum(1) for m in (a * b, a * a, b * b))
        with np.errstate(invalid="ignore", divide="ignore"):
            tau = alike / np.sqrt(apart_a * apart_b)
        return Figures(float(tau[0]), tau[1:], self.n)


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy import stats  # takes most of a second to load

    return np.asarray(stats.rankdata(values, axis=-1))


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns Pearson's correlation along the last axis; NaN for a constant series."""
    a, b = one - one.mean(-1, keepdims=True), other - other.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)))
