"""What a study has spent of its budget, and whether that is enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from automl.cache.policy import ReplicatePlan
from automl.rules import LoopSettings
from automl.selection.effort import FullCost
from automl.strategies.base import FULL, Told


class Meter:
    """Counts evaluations and seconds.

    Args:
        settings: of the loop.
        clock: seconds on the pool's clock.

    Attributes:
        evaluations: counted so far, whether paid for or found in the cache. In units of one full evaluation: a cheaper
            one counts by its budget fraction.
        exhausted: True where the strategy has nothing more to propose, or no new function was found for a long time.
        reached: True once the strategy was told of a fitness that is enough.
        seconds_before: that earlier runs of the study took.
    """

    def __init__(self, settings: LoopSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._budget = settings.budget
        self._clock = clock
        self._opened = clock() - settings.spent
        self._cost = FullCost(settings.resumable)
        self._last_new = 0  # the trial that last added an evaluation
        self.evaluations: float = 0
        self.exhausted = False
        self.reached = False
        self.seconds_before = 0.0

    def seconds(self) -> float:
        """Returns the seconds since the study began, on the pool's clock."""
        return self.seconds_before + self._clock() - self._opened

    def plan(self, key: bytes, number: int, asked: int, candidate: str, share: float) -> ReplicatePlan:
        """Plans one more trial of a class, and counts the evaluations that it adds.

        Args:
            key: of the class.
            number: of the trial.
            asked: number of trials proposed before.
            candidate: canonical JSON.
            share: budget fraction of the trial.
        """
        counted = key if share == FULL else self._settings.counted_key(key, share)
        plan = self._settings.plans.plan(counted, number)
        if plan.adds:
            new = range(plan.replicates - plan.adds, plan.replicates)
            self.evaluations += self._cost.cost(candidate, new, share) if self._settings.rungs else plan.adds
            self._last_new = asked
        return plan

    def rested(self, seconds: float) -> None:
        """Takes the seconds of a pause, which are none of the study's."""
        self._opened += seconds

    def seconds_left(self) -> float | None:
        """Returns the seconds left of the budget; None where it sets no limit of time."""
        return None if self._budget.seconds is None else self._budget.seconds - self.seconds()

    def out_of_time(self) -> bool:
        """Tells whether the budget of time is spent."""
        left = self.seconds_left()
        return left is not None and left <= 0

    def spent(self) -> bool:
        """Tells whether the budget of evaluations is spent."""
        return self._budget.evaluations is not None and self.evaluations >= self._budget.evaluations

    def ended(self, asked: int) -> bool:
        """Tells whether nothing more is to be proposed after so many trials."""
        if self._budget.evaluations is not None and asked - self._last_new > max(2000, 20 * self.evaluations):
            self.exhausted = True
        return self.exhausted or self.spent() or self.out_of_time()

    def left(self, trials: int) -> float | None:
        """Returns the share of the budget that is left after so many trials; None where it sets no limit."""
        budget = self._budget
        spent = [
            done / limit
            for done, limit in (
                (trials, budget.trials),
                (self.evaluations, budget.evaluations),
                (self.seconds(), budget.seconds),
            )
            if limit
        ]
        return max(0.0, 1.0 - max(spent)) if spent else None

    def told(self, trials: Iterable[Told]) -> None:
        """Looks whether one of the trials that the strategy is told of has a fitness that is enough."""
        if self._budget.until is not None:
            enough = self._settings.objective.worth(self._budget.until)
            full = [one.fitness for one in trials if one.fitness is not None and one.fidelity == FULL]
            self.reached = self.reached or max(full, default=-math.inf) >= enough
