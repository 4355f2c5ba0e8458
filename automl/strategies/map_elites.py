"""MAP-Elites: an archive of good candidates that differ (Mouret and Clune 2015, arXiv 1504.04909)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from automl.errors import InvalidInput
from automl.strategies.base import FULL, Proposal, Strategy, Told
from automl.strategies.descriptors import FEATURES, MOST_CELLS, Descriptor, read_descriptors, values_of
from automl.strategies.parts import children

ARCHIVE = "archive"
"""Name under which a study notes its archive."""

_USUAL = 2
"""Costs that are descriptors where the user names none, at most."""


@dataclass
class MAPElites(Strategy):
    """MAP-Elites (Mouret and Clune 2015): the best candidate of each cell of a grid, whose axes the user names.

    The first trials are samples. Then each proposal varies the elite of a cell that is drawn uniformly, so that rare
    kinds of candidates are varied as often as common ones. A candidate takes a cell that is empty, or whose elite it
    beats.

    Attributes:
        descriptors: Axes such as "parameters=1e3..1e6:10:log,features.shape.depth:6": metrics of the evaluator, costs
            of the space ("fitness" is the objective), or features of functions as `automl features` prints them. Ends
            that are left out are those of the first trials; values beyond the ends belong to the outermost cells. If
            empty, the first two costs of the space.
        initial: Trials before elites are varied. Unless it is given, a fifth of the budget at most.
        crossover: Fraction of children that have two parents, from 0 to 1.

    Raises:
        InvalidInput: a setting cannot be read or is out of range; in `tell`, no trial has one of the descriptors.

    Example:
        >>> import automl
        >>> class Square(automl.Space):
        ...     x, y = automl.Real(0, 1), automl.Real(0, 1)
        >>> strategy, rng = MAPElites("left=0..1:4", initial=10), np.random.default_rng(0)
        >>> strategy.bind(Square())
        >>> for start in range(0, 300, 10):
        ...     asked = [one.candidate for one in strategy.ask(10, rng)]
        ...     strategy.tell([Told(start + i, c, c.y, {"left": c.x}) for i, c in enumerate(asked)])
        >>> found = strategy.account()
        >>> [cell["place"] for cell in found["cells"]], min(cell["fitness"] for cell in found["cells"]) > 0.9
        ([[0], [1], [2], [3]], True)
    """

    name: ClassVar[str] = "map_elites"
    accounts: ClassVar[str] = ARCHIVE

    descriptors: str = ""
    initial: int = 50
    crossover: float = 0.0

    def __post_init__(self) -> None:
        if self.initial < 1:
            raise InvalidInput(f"initial={self.initial}: give at least 1")
        if not 0.0 <= self.crossover <= 1.0:
            raise InvalidInput(f"crossover={self.crossover}: a share lies between 0 and 1")
        self._read = read_descriptors(self.descriptors)
        if any(one.name.startswith(FEATURES) for one in self._read):
            self.wants = ("hashes", "own code")

    def fitted(self, trials: int, given: Collection[str]) -> Strategy:
        """Returns the strategy with a fifth of the budget as its first samples, at most."""
        if "initial" in given or self.initial <= (most := max(10, trials // 5)):
            return self
        return replace(self, initial=most)

    def reset(self) -> None:
        self._told = 0
        self._first: list[Told] = []  # trials that wait for the ends of the axes
        self._axes: tuple[Descriptor, ...] = ()
        self._elites: dict[tuple[int, ...], tuple[Told, list[float]]] = {}

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        if not self._elites:
            return [Proposal(candidate) for candidate in self.space.sample_many(n, rng)]
        elites = [self._elites[cell][0] for cell in sorted(self._elites)]
        drawn = rng.integers(len(elites), size=(n, 2)).tolist()
        crossed = (rng.random(n) < self.crossover).tolist()
        couples = [
            (elites[one], elites[other] if cross else None) for (one, other), cross in zip(drawn, crossed, strict=True)
        ]
        return children(self.space, couples, rng)

    def tell(self, trials: Sequence[Told]) -> None:
        for trial in trials:
            self._told += 1
            if trial.fitness is None or trial.fidelity != FULL:
                pass
            elif self._axes:
                self._place(trial)
            else:
                self._first.append(trial)
            if self._told >= self.initial and self._first and not self._axes:
                self._begin()

    def _begin(self) -> None:
        """Fixes the ends of the axes, and lets the first trials take their cells."""
        axes = self._read or self._usual()
        values = [self._values(trial, axes) for trial in self._first]
        for place, one in enumerate(axes):
            if all(row[place] is None for row in values):
                raise self._missing(one.name)
        self._axes = tuple(
            one.over([value for row in values if (value := row[place]) is not None]) for place, one in enumerate(axes)
        )
        waiting, self._first = self._first, []
        for trial in waiting:
            self._place(trial)

    def _usual(self) -> tuple[Descriptor, ...]:
        names = sorted({name for trial in self._first for name in trial.costs})[:_USUAL]
        if not names:
            raise InvalidInput(
                "map_elites: the space has no costs, so say what candidates are told apart by: "
                "--set descriptors=NAME,NAME, of metrics, costs or features (`automl features TARGET --json`)"
            )
        return tuple(Descriptor(name) for name in names)

    def _missing(self, name: str) -> InvalidInput:
        if name.startswith(FEATURES):
            return InvalidInput(
                f"map_elites: no function here has {name}; `automl features TARGET --json` prints those that there are"
            )
        known = sorted({name for trial in self._first for name in (*trial.costs, *trial.metrics)} | {"fitness"})
        return InvalidInput(f"map_elites: there is no metric or cost {name!r}; this search has {', '.join(known)}")

    def _values(self, trial: Told, axes: Sequence[Descriptor]) -> list[float | None]:
        def features() -> Mapping[str, np.ndarray]:
            return {} if self.hashes is None else self.hashes.features([trial.candidate])[0]

        return values_of(trial, [one.name for one in axes], features)

    def _place(self, trial: Told) -> None:
        """Lets a trial take its cell, where that is empty or its elite is worse; what lacks a value has no cell."""
        values = [value for value in self._values(trial, self._axes) if value is not None]
        if len(values) < len(self._axes):
            return
        cell = tuple(one.cell(value) for one, value in zip(self._axes, values, strict=True))
        known = self._elites.get(cell)
        if known is None or _fitness(trial) > _fitness(known[0]):
            self._elites[cell] = trial, values

    def account(self) -> dict[str, Any]:
        """Returns axes and elites of the archive, as JSON data.

        An elite that is a known result, and no trial of this search, has its candidate instead of a trial.
        """
        if not self._axes:
            return {}
        cells = [
            {"place": list(cell), "values": values, "fitness": trial.fitness, **_named(trial)}
            for cell, (trial, values) in sorted(self._elites.items(), key=lambda item: item[0])
        ]
        total = math.prod(one.bins for one in self._axes)
        assert len(cells) <= total <= MOST_CELLS
        return {"descriptors": [one.to_json() for one in self._axes], "cells": cells, "of": total}


def _named(trial: Told) -> dict[str, Any]:
    return {"trial": trial.number} if trial.number >= 0 else {"trial": None, "known": trial.candidate.json}


def _fitness(trial: Told) -> float:
    assert trial.fitness is not None
    return trial.fitness
