"""Local search: climb from one candidate by mutants that are no worse, and start again elsewhere when it gets stuck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from automl.errors import InvalidInput
from automl.strategies.base import Proposal, Strategy, Told
from automl.strategies.parts import fitness_of


@dataclass
class LocalSearch(Strategy):
    """Hill climbing with restarts; the baseline of White et al. 2021 (arXiv 2005.02960).

    Results that arrive after their climb has ended are ignored. Between climbs only random candidates count, during a
    climb only descendants of its start, and towards `patience` only mutants of its best.

    Attributes:
        starts: Number of random candidates of which the fittest starts a climb.
        patience: Number of mutants of a climb's best trial, none of them better, after which the climb ends.

    Raises:
        InvalidInput: a setting is out of range.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 1000)
        >>> strategy, rng = LocalSearch(starts=4), np.random.default_rng(0)
        >>> strategy.bind(Line())
        >>> asked = strategy.ask(4, rng)
        >>> strategy.tell([Told(i, one.candidate, float(one.candidate.x)) for i, one in enumerate(asked)])
        >>> fittest = max(range(4), key=lambda i: asked[i].candidate.x)
        >>> strategy.ask(1, rng)[0].parents == (fittest,)  # a neighbour of the best of the four
        True
    """

    name: ClassVar[str] = "local_search"

    starts: int = 10
    patience: int = 50

    def __post_init__(self) -> None:
        for setting in ("starts", "patience"):
            if getattr(self, setting) < 1:
                raise InvalidInput(f"{setting}={getattr(self, setting)}: local search needs at least 1")

    def reset(self) -> None:
        self._current: Told | None = None
        self._seen = self._stuck = 0
        self._climb: set[int] = set()  # trials that this climb led to; empty while starts are drawn
        self._summit: set[int] = set()  # those among them that are as good as the current one

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        current = self._current
        if current is None or not self._climb:
            return [Proposal(candidate) for candidate in self.space.guess_many(n, rng)]
        children = self.space.mutate_many([current.candidate] * n, rng)
        return [Proposal(child, "mutate", (current.number,)) for child in children]

    def begin(self, known: Sequence[Told]) -> None:
        """Takes the best of what is known for its starts."""
        self.tell(known[-self.starts :])

    def tell(self, trials: Sequence[Told]) -> None:
        for trial in trials:
            if self._climb:
                self._step(trial)
            elif not trial.parents:
                self._start(trial)

    def _start(self, trial: Told) -> None:
        self._seen += 1
        if trial.fitness is not None and trial.fitness >= self._best():
            self._current = trial
        if self._seen >= self.starts and self._current is not None:
            self._climb.add(self._current.number)
            self._summit.add(self._current.number)

    def _step(self, trial: Told) -> None:
        if self._climb.isdisjoint(trial.parents):
            return
        self._climb.add(trial.number)
        fitness, best = fitness_of(trial), self._best()
        if fitness > best:
            self._stuck = 0
            self._summit.clear()
        elif not self._summit.isdisjoint(trial.parents):
            self._stuck += 1
        if fitness >= best and trial.fitness is not None:
            # Of equals the younger one, so that a plateau (a mutant with the same function) can be crossed.
            self._current = trial
            self._summit.add(trial.number)
        if self._stuck >= self.patience:
            self.reset()

    def _best(self) -> float:
        return -np.inf if self._current is None else fitness_of(self._current)
