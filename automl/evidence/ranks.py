"""Rank agreement: how far two seeds, or two fidelities, put the same architectures into the same order."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from automl.errors import InvalidInput

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two rankings of the same architectures.

    Attributes:
        tau: Kendall's tau-b, from -1 to 1, ties allowed; None if one of the series is constant or has fewer than two
            values.
        rho: Spearman's rank correlation, from -1 to 1; None in the same cases.
        pairs: Number of architectures that have both values.

    Example:
        >>> rank_agreement([0.1, 0.2, 0.3], [1.0, 2.0, 3.0])
        Agreement(tau=1.0, rho=1.0, pairs=3)
    """

    tau: float | None
    rho: float | None
    pairs: int


def rank_agreement(one: Sequence[float], other: Sequence[float]) -> Agreement:
    """Returns how far two series of scores, of the same architectures in the same order, rank them alike.

    Returns:
        `Agreement`; tau and rho are None for a constant series or fewer than two values.

    Raises:
        InvalidInput: the lengths differ, or a value is not finite.

    Example:
        >>> found = rank_agreement([0.91, 0.93, 0.92, 0.94], [0.81, 0.85, 0.86, 0.88])  # after 12 epochs, and after 200
        >>> round(found.tau, 2), round(found.rho, 2)
        (0.67, 0.8)
    """
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise InvalidInput(f"rank statistics need two lists of one length; these have {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InvalidInput("rank statistics need finite numbers; leave failed evaluations out")
    if len(a) < 2 or a.min() == a.max() or b.min() == b.max():
        return Agreement(None, None, len(a))
    from scipy import stats  # as in `intervals`

    return Agreement(float(stats.kendalltau(a, b).statistic), float(stats.spearmanr(a, b).statistic), len(a))


def agreement_between(one: Mapping[Key, float], other: Mapping[Key, float]) -> Agreement:
    """Returns how far two sets of scores rank the same architectures alike: two seeds, two fidelities or two contexts.

    Only architectures with both scores are compared. Both scores must have the same better direction.

    Args:
        one: Mapping from architecture (any hashable key) to score.
        other: Mapping from architecture to the other score.

    Returns:
        `Agreement`; tau and rho are None if fewer than two architectures have both scores.

    Raises:
        InvalidInput: a score of a compared architecture is not finite.

    Example:
        >>> found = agreement_between({"a": 0.91, "b": 0.93, "c": 0.92}, {"a": 0.81, "b": 0.85})
        >>> found.tau, found.pairs  # "c" has one score only
        (1.0, 2)
    """
    both = [key for key in one if key in other]
    return rank_agreement([one[key] for key in both], [other[key] for key in both])
