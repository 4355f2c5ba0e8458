"""The three parts of an evolutionary algorithm: select parents, vary them, let some survive. Each part is one verb."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from automl.spaces.space import Space
from automl.strategies.base import Proposal, Told


def fitness_of(trial: Told) -> float:
    """Returns a trial's fitness; minus infinity for a trial that failed.

    Example:
        >>> from automl.spaces.space import Candidate
        >>> fitness_of(Told(0, Candidate({"x": 3}), fitness=None))
        -inf
    """
    return -np.inf if trial.fitness is None else trial.fitness


def tournaments(population: Sequence[Told], n: int, size: int, rng: np.random.Generator) -> list[Told]:
    """Returns `n` parents, each the fittest of `size` members drawn with replacement; ties go to the first drawn.

    Example:
        >>> from automl.spaces.space import Candidate
        >>> population = [Told(i, Candidate({"x": i}), fitness=float(i)) for i in range(10)]
        >>> [winner.number for winner in tournaments(population, n=4, size=5, rng=np.random.default_rng(0))]
        [8, 8, 9, 9]
    """
    drawn = rng.integers(len(population), size=(n, size))
    fitness = np.array([fitness_of(member) for member in population])
    winners = drawn[np.arange(n), fitness[drawn].argmax(axis=1)]
    return [population[place] for place in winners.tolist()]


def vary(
    space: Space, population: Sequence[Told], n: int, size: int, crossover: float, rng: np.random.Generator
) -> list[Proposal]:
    """Returns `n` children of tournament winners: mutants, a fraction `crossover` of them after crossing two winners.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> population = [Told(i, Line().decode({"x": i}), fitness=float(i)) for i in range(10)]
        >>> [child] = vary(Line(), population, n=1, size=3, crossover=0.0, rng=np.random.default_rng(0))
        >>> child.origin, child.parents
        ('mutate', (8,))
    """
    first = tournaments(population, n, size, rng)
    crossed = rng.random(n) < crossover if crossover else np.zeros(n, dtype=bool)
    seconds = iter(tournaments(population, int(crossed.sum()), size, rng)) if crossed.any() else iter(())
    couples = [(one, next(seconds) if cross else None) for one, cross in zip(first, crossed.tolist(), strict=True)]
    return children(space, couples, rng)


def children(space: Space, couples: Sequence[tuple[Told, Told | None]], rng: np.random.Generator) -> list[Proposal]:
    """Returns one proposal for each couple: a mutant of the first parent, or of the crossover of both if there is a
    second.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> one, other = (Told(i, Line().decode({"x": i}), fitness=float(i)) for i in (3, 9))
        >>> made = children(Line(), [(one, None), (one, other)], np.random.default_rng(0))
        >>> [(child.origin, child.parents) for child in made]
        [('mutate', (3,)), ('crossover', (3, 9))]
    """
    bases = [space.crossover(one.candidate, other.candidate, rng) if other else one.candidate for one, other in couples]
    return [
        Proposal(child, "crossover", (one.number, other.number)) if other else Proposal(child, "mutate", (one.number,))
        for child, (one, other) in zip(space.mutate_many(bases, rng), couples, strict=True)
    ]


class Survivors(Protocol):
    """Protocol of a population that decides which trials stay in it.

    Example:
        >>> from automl.spaces.space import Candidate
        >>> class Everybody:
        ...     def __init__(self):
        ...         self.all = []
        ...     def add(self, trials):
        ...         self.all.extend(trials)
        ...     def members(self):
        ...         return self.all
        >>> survivors: Survivors = Everybody()
        >>> survivors.add([Told(0, Candidate({"x": 3}), fitness=1.0)])
        >>> len(survivors.members())
        1
    """

    def add(self, trials: Sequence[Told]) -> None: ...

    def members(self) -> Sequence[Told]: ...


class Youngest:
    """Population of the last `capacity` trials, whatever their fitness (aging; Real et al. 2019, section 3).

    Example:
        >>> from automl.spaces.space import Candidate
        >>> survivors = Youngest(capacity=2)
        >>> survivors.add([Told(i, Candidate({"x": i}), fitness) for i, fitness in enumerate([9.0, 1.0, 5.0])])
        >>> [one.number for one in survivors.members()]
        [1, 2]
    """

    def __init__(self, capacity: int) -> None:
        self._members: deque[Told] = deque(maxlen=capacity)

    def add(self, trials: Sequence[Told]) -> None:
        self._members.extend(trials)

    def members(self) -> Sequence[Told]:
        return self._members


class Fittest:
    """Population of the `capacity` fittest trials (elitism); among equals the younger ones, so that plateaus can be
    crossed.

    Example:
        >>> from automl.spaces.space import Candidate
        >>> survivors = Fittest(capacity=2)
        >>> survivors.add([Told(i, Candidate({"x": i}), fitness) for i, fitness in enumerate([9.0, 1.0, 5.0])])
        >>> [one.number for one in survivors.members()]
        [0, 2]
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._members: list[Told] = []

    def add(self, trials: Sequence[Told]) -> None:
        pool = self._members + list(trials)
        pool.sort(key=lambda trial: (fitness_of(trial), trial.number), reverse=True)
        self._members = pool[: self._capacity]

    def members(self) -> Sequence[Told]:
        return self._members
