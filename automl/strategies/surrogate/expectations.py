"""What the surrogate's model expects of candidates that were evaluated, whoever proposed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.spaces.space import Candidate, Space
from automl.strategies.base import Hashes
from automl.strategies.surrogate.kernels import fitted
from automl.strategies.surrogate.learned import account_of, representative
from automl.strategies.surrogate.pool import Columns
from automl.strategies.surrogate.process import Process
from automl.strategies.surrogate.warping import warped

OBSERVED, FITTED, SCALED = 600, 150, 200
"""Candidates that the model observes, those that its weights are fitted to, and those that its columns are scaled by,
at most."""


@dataclass(frozen=True)
class Expectations:
    """What the model expects.

    Attributes:
        order: places of the candidates that it observes, the one that it expects most of first.
        account: how far it can be trusted, as `Surrogate.account()`.
    """

    order: Sequence[int]
    account: dict[str, Any]


def expectations(
    space: Space, hashes: Hashes | None, candidates: Sequence[Candidate], worth: Sequence[float]
) -> Expectations:
    """Fits the model of the strategy `surrogate` to candidates, each of another function, and returns what it expects
    of them: their value without the luck of their few evaluations.

    Of many candidates it observes the best and a spread of the others.

    Args:
        space: of the candidates.
        hashes: knows keys and features; None takes fields alone.
        candidates: that were evaluated.
        worth: of each, larger is better; minus infinity for one that failed.

    Example:
        >>> import automl
        >>> class Bowl(automl.Space):
        ...     x = automl.Real(-1.0, 1.0)
        >>> rng = np.random.default_rng(0)
        >>> tried = [Bowl().decode({"x": x}) for x in np.linspace(-1.0, 1.0, 41)]
        >>> lucky = [-((one.x - 0.3) ** 2) + rng.normal(0.0, 0.05) for one in tried]
        >>> found = expectations(Bowl(), None, tried, lucky)
        >>> abs(tried[found.order[0]].x - 0.3) < 0.2
        True
    """
    values = np.asarray(worth, dtype=np.float64)
    observed = representative(values, OBSERVED)
    values = values[observed]
    if np.unique(values).size < 2:
        return Expectations(observed.tolist(), {})
    chosen = [candidates[place] for place in observed]
    columns = Columns(space, hashes, chosen[:SCALED], features=True)
    rows = columns.rows(chosen)
    fit = representative(values, FITTED)
    if np.unique(values[fit]).size < 2:
        fit = np.arange(len(values))
    kernel, length = fitted(columns.groups, rows[fit], values[fit])
    process = Process(kernel, columns.width, len(rows), 1)
    process.restart(rows)
    _, means = process.means(warped(values, length)[:, None])
    order = np.lexsort((np.arange(len(values)), -values, -np.round(means[:, 0], 9)))
    return Expectations(observed[order].tolist(), account_of(process, values, length))
