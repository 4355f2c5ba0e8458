"""Evolution as select · vary · survive; the algorithms here differ in who survives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from automl.errors import InvalidInput
from automl.strategies.base import Proposal, Strategy, Told
from automl.strategies.parts import Fittest, Survivors, Youngest, vary


@dataclass
class _Evolution(Strategy):
    """Random candidates until `population` trials have been told, then children of tournament winners.

    Attributes:
        population: number of trials that can be parents.
        tournament: number of members drawn for each selection.
        crossover: share of children that have two parents.

    Raises:
        InvalidInput: a setting out of range.
    """

    population: int = 100
    tournament: int = 10
    crossover: float = 0.0

    def __post_init__(self) -> None:
        if self.population < 2:
            raise InvalidInput(f"population={self.population}: an evolution needs at least 2 members")
        if self.tournament < 1:
            raise InvalidInput(f"tournament={self.tournament}: a tournament needs at least 1 member")
        if not 0.0 <= self.crossover <= 1.0:
            raise InvalidInput(f"crossover={self.crossover}: a share lies between 0 and 1")

    def survivors(self) -> Survivors:
        return Youngest(self.population)

    def reset(self) -> None:
        self._survivors = self.survivors()
        self._told = 0

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        if self._told < self.population:
            return [Proposal(candidate) for candidate in self.space.sample_many(n, rng)]
        return vary(self.space, self._survivors.members(), n, self.tournament, self.crossover, rng)

    def tell(self, trials: Sequence[Told]) -> None:
        self._told += len(trials)
        self._survivors.add(trials)


@dataclass
class RegularizedEvolution(_Evolution):
    """Regularized evolution: the oldest member dies, not the worst (Real et al. 2019, arXiv 1802.01548)."""

    name: ClassVar[str] = "regularized_evolution"


@dataclass
class ElitistEvolution(_Evolution):
    """The same with elitism: the fittest survive for ever."""

    name: ClassVar[str] = "elitist_evolution"

    def survivors(self) -> Survivors:
        return Fittest(self.population)
