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

    Attributes:
        starts: random candidates of which the fittest begins a climb.
        patience: trials without a better one after which a climb ends.
        settle: trials after the end of a climb that may still be mutants of it and so begin no new one; the study's
            window is enough. Random candidates are proposed meanwhile.

    Raises:
        InvalidInput: a setting out of range.
    """

    name: ClassVar[str] = "local_search"

    starts: int = 10
    patience: int = 50
    settle: int = 8

    def __post_init__(self) -> None:
        for setting, least in (("starts", 1), ("patience", 1), ("settle", 0)):
            if getattr(self, setting) < least:
                raise InvalidInput(f"{setting}={getattr(self, setting)}: local search needs at least {least}")

    def reset(self) -> None:
        self._settling = 0
        self._restart()

    def _restart(self) -> None:
        self._current: Told | None = None
        self._seen = self._stuck = 0

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        current = self._current
        if current is None or self._seen < self.starts:
            return [Proposal(candidate) for candidate in self.space.sample_many(n, rng)]
        children = self.space.mutate_many([current.candidate] * n, rng)
        return [Proposal(child, "mutate", (current.number,)) for child in children]

    def tell(self, trials: Sequence[Told]) -> None:
        for trial in trials:
            if self._settling:
                self._settling -= 1
            else:
                self._step(trial)

    def _step(self, trial: Told) -> None:
        climbing = self._current is not None and self._seen >= self.starts
        best = -np.inf if self._current is None else fitness_of(self._current)
        self._seen += 1
        self._stuck = self._stuck + 1 if climbing and fitness_of(trial) <= best else 0
        # Of equals the younger one, so that a plateau (a mutant with the same function) can be crossed.
        if trial.fitness is not None and trial.fitness >= best:
            self._current = trial
        if self._stuck >= self.patience:
            self._restart()
            self._settling = self.settle
