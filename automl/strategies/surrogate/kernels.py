"""Covariances of groups of numbers, added up, and their weights by marginal likelihood.

Each group has a variance, each of its components a weight: the covariance of two rows is the sum over groups of
variance times `exp(-s/2)`, where `s` is the weighted sum of squared distances in the components (Rasmussen and Williams
2006, Gaussian Processes for Machine Learning, chapters 4 and 5). All weights have log-normal priors, so that few points
leave them where they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize

from automl.strategies.surrogate.warping import SPREAD, Warp

ITERATIONS = 30
"""Of the search for the weights, at most."""

JITTER = 1e-6

DIGITS = 9
"""To which candidates are compared, so that the last bits of another machine's arithmetic decide nothing."""


@dataclass(frozen=True)
class Group:
    """Columns that one covariance is made of.

    Attributes:
        name: for readers.
        start, stop: of its columns in a row.
        components: of each column, from 0.
    """

    name: str
    start: int
    stop: int
    components: np.ndarray

    @property
    def count(self) -> int:
        """How many components it has."""
        return int(self.components.max()) + 1


@dataclass(frozen=True)
class Kernel:
    """Groups with their weights.

    Attributes:
        groups: of columns.
        variances: of each group.
        weights: of each group's components.
        noise: variance of one observation.
    """

    groups: tuple[Group, ...]
    variances: tuple[float, ...]
    weights: tuple[np.ndarray, ...]
    noise: float

    @classmethod
    def prior(cls, groups: Sequence[Group]) -> Kernel:
        """Returns the kernel before anything is known: groups alike, random candidates nearly unrelated."""
        weights = tuple(np.full(group.count, 2.0 / group.count) for group in groups)
        return cls(tuple(groups), (1.0 / len(groups),) * len(groups), weights, 0.1)

    @property
    def variance(self) -> float:
        """The variance of every point before anything is known."""
        return float(sum(self.variances))

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Returns rows whose plain squared distances, group by group, are the weighted ones."""
        factors = [np.sqrt(weight[group.components]) for group, weight in zip(self.groups, self.weights, strict=True)]
        return np.asarray(rows * np.concatenate(factors))

    def between(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Returns the covariances of scaled rows, shape [len(one), len(other)]."""
        total = np.zeros((len(one), len(other)))
        for group, variance in zip(self.groups, self.variances, strict=True):
            columns = slice(group.start, group.stop)
            distance = squared(one[:, columns], other[:, columns])
            distance *= -0.5
            np.exp(distance, out=distance)
            distance *= variance
            total += distance
        return total


def squared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns squared distances of rows, shape [len(one), len(other)]."""
    found = one @ other.T
    found *= -2.0
    found += np.einsum("ij,ij->i", one, one)[:, None]
    found += np.einsum("ij,ij->i", other, other)[None]
    return np.asarray(np.maximum(found, 0.0, out=found))


def fitted(groups: Sequence[Group], rows: np.ndarray, values: np.ndarray) -> tuple[Kernel, float]:
    """Returns the kernel, and the logarithm of the warp's length, that make the values most likely, priors included.

    Args:
        groups: of columns.
        rows: [points, columns].
        values: [points], as they were measured; larger is better, what is not finite has failed.
    """
    problem = _Likelihood(Kernel.prior(groups), rows, values)
    found = minimize(
        problem, problem.centre, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}, bounds=problem.bounds
    )
    return problem.kernel(found.x), float(found.x[-1])


class _Likelihood:
    """Minus the logarithm of marginal likelihood times prior, with its gradient, over the logarithms of all weights and
    of the warp's length, which comes last.
    """

    def __init__(self, prior: Kernel, rows: np.ndarray, values: np.ndarray) -> None:
        self._groups = prior.groups
        self._warp = Warp(values)
        self._distances = [
            np.stack([_of(rows[:, group.start : group.stop], group.components == one) for one in range(group.count)])
            for group in prior.groups
        ]
        logs = [
            np.log(prior.variances),
            *(np.log(weight) for weight in prior.weights),
            [np.log(prior.noise), self._warp.centre],
        ]
        self.centre = np.concatenate(logs)
        self._spread = np.concatenate([np.ones(len(self.centre) - 2), [1.5, SPREAD]])
        self.bounds = [
            (centre - 4.0 * spread, centre + 4.0 * spread)
            for centre, spread in zip(self.centre[:-1], self._spread[:-1], strict=True)
        ] + [self._warp.bounds]

    def kernel(self, logs: np.ndarray) -> Kernel:
        variances, weights, noise = self._split(logs)
        return Kernel(self._groups, tuple(variances.tolist()), tuple(weights), noise)

    def _split(self, logs: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], float]:
        values, at, weights = np.exp(logs), len(self._groups), []
        for group in self._groups:
            weights.append(values[at : at + group.count])
            at += group.count
        return values[: len(self._groups)], weights, float(values[at])

    def __call__(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        variances, weights, noise = self._split(logs)
        parts = []
        for distances, variance, weight in zip(self._distances, variances, weights, strict=True):
            parts.append(variance * np.exp(-0.5 * np.tensordot(weight, distances, 1)))
        total = sum(parts)
        assert isinstance(total, np.ndarray)
        n = len(total)
        total[np.diag_indices(n)] += noise + JITTER
        lower = cholesky(total, lower=True, check_finite=False)
        inverse = cho_solve((lower, True), np.eye(n), check_finite=False)
        warped = self._warp.at(float(logs[-1]))
        solved = inverse @ warped.values
        value = 0.5 * float(warped.values @ solved) + float(np.log(np.diag(lower)).sum()) - warped.density
        slope = 0.5 * (inverse - np.outer(solved, solved))  # of the value by the covariances
        of_variances, of_weights = [], []
        for distances, part, weight in zip(self._distances, parts, weights, strict=True):
            product = slope * part
            of_variances.append(float(product.sum()))
            of_weights.append(-0.5 * weight * np.tensordot(distances, product, 2))
        of_noise = float(np.trace(slope)) * noise
        off = (logs - self.centre) / self._spread
        of_length = float(solved @ warped.slopes) - warped.density_slope
        gradient = np.concatenate([of_variances, *of_weights, [of_noise, of_length]]) + off / self._spread
        return value + 0.5 * float(off @ off), gradient


def _of(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return squared(rows[:, columns], rows[:, columns])
