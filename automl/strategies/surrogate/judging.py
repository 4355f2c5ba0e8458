"""What a trial is worth to a strategy: one number to make large from one objective or several, and its constraints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from automl.errors import InvalidInput
from automl.selection.objectives import FITNESS, Constraint, Objective
from automl.spaces.contract import costs_of
from automl.spaces.space import Candidate, Space
from automl.strategies.base import Told


class Judge:
    """Reads objectives and constraints off trials.

    Args:
        space: knows costs.
        objectives: none stands for the fitness alone.
        constraints: on metrics or costs.
    """

    def __init__(self, space: Space, objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> None:
        self._space = space
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self.width = max(1, len(self.objectives))
        self._named = {one.metric for one in self.objectives} | {one.metric for one in self.constraints}
        self._named -= {FITNESS}

    def values(self, trial: Told) -> np.ndarray:
        """Returns objectives, larger being better, and then the figures that are bounded; NaN where a trial has none.

        Raises:
            InvalidInput: there is no such metric.
        """
        if trial.fitness is None:
            return np.full(self.width + len(self.constraints), math.nan)
        known, complaint = {FITNESS: trial.fitness, **trial.metrics, **trial.costs}, ""
        if self._named - known.keys():
            costs, complaint = costs_of(self._space, trial.candidate)
            known = {**known, **costs}
        missing = self._named - known.keys()
        if missing and not complaint:
            raise InvalidInput(
                f"surrogate: there is no metric {min(missing)!r}; this search has {', '.join(sorted(known))}"
            )
        objectives = [one.worth(_of(known, one.metric)) for one in self.objectives] or [trial.fitness]
        return np.array([*objectives, *(_of(known, one.metric) for one in self.constraints)])

    def keeps(self, candidate: Candidate) -> bool:
        """Tells whether a candidate keeps the bounds on its costs, which are known before it is evaluated."""
        if not self.constraints:
            return True
        costs, _ = costs_of(self._space, candidate)
        return all(one.excess(costs[one.metric]) == 0.0 for one in self.constraints if one.metric in costs)


def _of(known: Mapping[str, float], metric: str) -> float:
    return float(known.get(metric, math.nan))
