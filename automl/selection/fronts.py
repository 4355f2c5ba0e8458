"""Pareto fronts: what no other candidate matches or beats in every objective."""

from __future__ import annotations

import operator
from typing import Generic, TypeVar

import numpy as np

from automl.selection.objectives import Objectives
from automl.storage.records import TrialRecord
from automl.storage.studies import StudyStore

T = TypeVar("T")


class Front(Generic[T]):
    """Keeps the items that no other matches or beats in every figure (larger is better); the first of equals stays."""

    def __init__(self) -> None:
        self._items: list[tuple[tuple[float, ...], T]] = []

    def wants(self, figures: tuple[float, ...]) -> bool:
        """Tells whether an item with these figures would be kept."""
        return not any(_covers(other, figures) for other, _ in self._items)

    def add(self, figures: tuple[float, ...], item: T) -> None:
        """Takes one item and drops those that it beats."""
        if self.wants(figures):
            self._items = [one for one in self._items if not _covers(figures, one[0])]
            self._items.append((figures, item))

    def items(self) -> list[T]:
        """Returns what was kept, the best in the last figure first."""
        return [item for _, item in self._sorted()]

    def apart(self, most: int) -> list[T]:
        """Returns at most so many items that lie far apart, in the order of `items`.

        The first is the best in the first figure, each further one the farthest from those chosen (Gonzalez 1985).
        Distances are between ranks, so that a cost on whatever scale counts as much as an accuracy.
        """
        items = self._sorted()
        if len(items) <= most:
            return [item for _, item in items]
        ranks = np.argsort(np.argsort([figures for figures, _ in items], axis=0, kind="stable"), axis=0)
        chosen: list[int] = []
        nearest = ranks[:, 0].astype(float)
        for _ in range(most):
            chosen.append(int(nearest.argmax()))
            distances = np.linalg.norm(ranks - ranks[chosen[-1]], axis=1)
            nearest = distances if len(chosen) == 1 else np.minimum(nearest, distances)
        return [items[place][1] for place in sorted(chosen)]

    def _sorted(self) -> list[tuple[tuple[float, ...], T]]:
        return sorted(self._items, key=lambda one: one[0][::-1], reverse=True)


def _covers(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(map(operator.ge, one, other))


def front_of(store: StudyStore, study: int, objectives: Objectives) -> Front[TrialRecord]:
    """Returns the front of a study's trials that keep the constraints; empty where there is one objective only."""
    front: Front[TrialRecord] = Front()
    if len(objectives.all) > 1:
        for trial in store.trials(study):
            worth = objectives.worth(trial)
            if worth is not None and objectives.allows(trial):
                front.add(worth, trial)
    return front
