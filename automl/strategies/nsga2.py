"""NSGA-II: several objectives at once, and constraints (Deb et al. 2002, IEEE TEVC 6(2), sections III and VI)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from automl.errors import InvalidInput
from automl.selection.objectives import read_constraints, read_objectives
from automl.spaces.contract import costs_of
from automl.strategies.base import Proposal, Strategy, Told
from automl.strategies.parts import children


@dataclass
class NSGA2(Strategy):
    """NSGA-II (Deb et al. 2002) for several objectives.

    Parents win binary tournaments by front, then by crowding distance. The better half of parents and children
    survives.

    Attributes:
        objectives: Text such as "accuracy:maximize,parameters:minimize", of metrics of the evaluator and costs of the
            space. If empty, the study's own objective is the only one.
        constraints: Text such as "parameters<1e6,latency<=20". Feasible candidates rank before infeasible ones, and
            these by the sum of their violations, each relative to its bound. A value equal to its bound is feasible.
        population: Number of survivors.
        crossover: Fraction of children that have two parents, from 0 to 1.

    Raises:
        InvalidInput: a setting cannot be read or is out of range; in `tell`, a metric does not exist.

    Example:
        >>> strategy = NSGA2(objectives="accuracy:maximize,parameters:minimize", constraints="parameters<1e6")
        >>> strategy.settings()["objectives"]
        'accuracy:maximize,parameters:minimize'
        >>> NSGA2(objectives="accuracy")
        Traceback (most recent call last):
        automl.errors.InvalidInput: objectives: 'accuracy' is no objective; write it like accuracy:maximize
    """

    name: ClassVar[str] = "nsga2"

    objectives: str = ""
    constraints: str = ""
    population: int = 50
    crossover: float = 0.5

    def __post_init__(self) -> None:
        if self.population < 2:
            raise InvalidInput(f"population={self.population}: an evolution needs at least 2 members")
        if not 0.0 <= self.crossover <= 1.0:
            raise InvalidInput(f"crossover={self.crossover}: a share lies between 0 and 1")
        self._objectives = read_objectives(self.objectives)
        self._constraints = read_constraints(self.constraints)

    def reset(self) -> None:
        self._members: list[Told] = []
        self._values = np.empty((0, max(1, len(self._objectives))))
        self._violations = np.empty(0)
        self._told = 0
        self._order()

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        if self._told < self.population:
            return [Proposal(candidate) for candidate in self.space.guess_many(n, rng)]
        drawn = rng.integers(len(self._members), size=(n, 2, 2))
        # lower place = better: by front, then by crowding
        winners = np.where(self._places[drawn[..., 0]] <= self._places[drawn[..., 1]], drawn[..., 0], drawn[..., 1])
        crossed = rng.random(n) < self.crossover
        couples = [
            (self._members[one], self._members[other] if cross else None)
            for (one, other), cross in zip(winners.tolist(), crossed.tolist(), strict=True)
        ]
        return children(self.space, couples, rng)

    def tell(self, trials: Sequence[Told]) -> None:
        # One at a time, so that the order counts and not how the history was cut into batches.
        for trial in trials:
            values, violation = self._judge(trial)
            self._told += 1
            self._members.append(trial)
            self._values = np.vstack([self._values, values])
            self._violations = np.append(self._violations, violation)
            if len(self._members) >= 2 * self.population:
                self._survive()
        self._order()

    def _judge(self, trial: Told) -> tuple[list[float], float]:
        """Returns the values to maximize and the total violation of the constraints (infinite for a failure)."""
        if trial.fitness is None:
            return [-math.inf] * self._values.shape[1], math.inf
        wanted = {one.metric for one in self._objectives} | {one.metric for one in self._constraints}
        known, complaint = {"fitness": trial.fitness, **trial.metrics, **trial.costs}, ""
        if not known.keys() >= wanted:
            costs, complaint = costs_of(self.priced or self.space, trial.candidate)
            known = {**known, **costs}
        if complaint and not known.keys() >= wanted:
            return [-math.inf] * self._values.shape[1], math.inf  # its costs are missing, and the search compares them
        values = [one.worth(_of(known, one.metric)) for one in self._objectives] or [trial.fitness]
        if not all(map(math.isfinite, values)):
            return [-math.inf] * self._values.shape[1], math.inf
        return values, sum(one.excess(_of(known, one.metric)) for one in self._constraints)

    def _survive(self) -> None:
        kept = np.sort(np.argsort(_places(self._values, self._violations))[: self.population])
        self._members = [self._members[place] for place in kept.tolist()]
        self._values, self._violations = self._values[kept], self._violations[kept]

    def _order(self) -> None:
        self._places = _places(self._values, self._violations)


def fronts(values: np.ndarray) -> np.ndarray:
    """Returns the number of the Pareto front that each row belongs to, 0 for the best.

    Args:
        values: Array of shape (rows, objectives), larger being better.

    Returns:
        int array of shape (rows,).

    Example:
        >>> fronts(np.array([[1.0, 4.0], [3.0, 3.0], [4.0, 1.0], [2.0, 2.0]]))  # the second beats the last in both
        array([0, 0, 0, 1])
    """
    one, other = values[:, None], values[None]
    better = np.all(one >= other, axis=2) & np.any(one > other, axis=2)
    number = np.full(len(values), -1)
    level = 0
    while (number < 0).any():
        left = number < 0
        number[left & ~(better[left].any(axis=0))] = level
        level += 1
    return number


def crowding(values: np.ndarray) -> np.ndarray:
    """Returns the crowding distance of each row within one front, with infinity for the ends.

    Args:
        values: Array of shape (rows, objectives).

    Returns:
        float array of shape (rows,).

    Example:
        >>> crowding(np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]]))
        array([inf,  2., inf])
    """
    distance = np.zeros(len(values))
    for column in values.T:
        column = column / max(1.0, float(np.abs(column).max()))  # differences of the largest numbers are none
        order = np.argsort(column, kind="stable")
        low, high = column[order[0]], column[order[-1]]
        distance[order[[0, -1]]] = np.inf
        if math.isfinite(high - low) and high > low:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / (high - low)
    return distance


def _places(values: np.ndarray, violations: np.ndarray) -> np.ndarray:
    """Returns each row's rank, 0 the best: feasible rows by front and crowding, then the others by violation."""
    if not len(values):
        return np.empty(0, dtype=int)
    front = np.zeros(len(values), dtype=int)
    spread = np.zeros(len(values))
    feasible = np.flatnonzero(violations == 0)
    if len(feasible):
        front[feasible] = fronts(values[feasible])
        for level in range(int(front[feasible].max()) + 1):
            these = feasible[front[feasible] == level]
            spread[these] = crowding(values[these])
    order = np.lexsort((-spread, front, violations))
    places = np.empty(len(values), dtype=int)
    places[order] = np.arange(len(values))
    return places


def _of(known: Mapping[str, float], metric: str) -> float:
    if metric not in known:
        raise InvalidInput(f"nsga2: there is no metric {metric!r}; this search has {', '.join(sorted(known))}")
    return float(known[metric])
