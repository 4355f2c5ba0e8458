"""What a display of a search shows, in numbers and in words."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.observers import Observer
from automl.storage.records import OUTCOMES

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.records import TrialRecord

PHASES = {
    "search": "search",
    "baseline": "random search, equal evaluations",
    "confirmation": "the best again on validation",
    "ensemble": "networks for an ensemble",
    "test": "the winners and a random sample, with fresh seeds",
    "ablation": "the same under another protocol",
}


class Counts(Observer):
    """Counts what every display shows: trials by outcome, evaluations, the best fitness, the share of the budget."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.best: float | None = None
        self.evaluations: float = 0
        self.in_flight = self.at_start = self.trials = 0
        self.hashed = self.by_json = 0
        self.began = time.monotonic()
        self.phase = ""

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        self.outcomes.clear()
        self.best, self.evaluations, self.trials, self.at_start = None, evaluations, trials, trials
        self.began, self.phase = time.monotonic(), phase

    def went_on(self, settings: LoopSettings, best: float | None) -> None:
        self.best = best

    def keyed(self, settings: LoopSettings, candidates: int, by_json: int) -> None:
        self.hashed, self.by_json = candidates, by_json

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        self.trials += len(trials)
        self.in_flight, self.evaluations = in_flight, evaluations
        worth = settings.objective.worth
        for trial in trials:
            self.outcomes[trial.outcome] += 1
            value = trial.fitness
            if value is not None and (self.best is None or worth(value) > worth(self.best)):
                self.best = value

    def done(self, settings: LoopSettings) -> tuple[float, str]:
        """Returns the finished share of the budget and its words."""
        budget = settings.budget
        shares = []
        if budget.trials:
            shares.append((self.trials / budget.trials, f"{self.trials} of {budget.trials} trials"))
        if budget.evaluations:
            words = f"{round(self.evaluations, 1)} of {budget.evaluations} evaluations"
            shares.append((self.evaluations / budget.evaluations, words))
        if budget.seconds:
            spent = time.monotonic() - self.began
            hours = f"{spent / 3600:.2f} of {budget.seconds / 3600:.2f} hours"
            short = f"{spent:.0f} of {budget.seconds:.0f} s"
            shares.append((spent / budget.seconds, short if budget.seconds < 600 else hours))
        share, words = max(shares, default=(0.0, f"{self.trials} trials"))
        enough = "" if budget.until is None else f", until {settings.objective.metric} {budget.until:g}"
        return share, words + enough

    def summary(self, settings: LoopSettings, *, left: bool = True) -> str:
        """Returns all counts in one line, with the time left where that is wanted and can be told."""
        seconds = max(time.monotonic() - self.began, 1e-9)
        rate = (self.trials - self.at_start) / seconds
        share, words = self.done(settings)
        ends = ""
        if left and 0 < share < 1 and self.trials > self.at_start:
            ends = f", about {duration(seconds * (1 - share) / share)} left"
        shown = ", ".join(f"{self.outcomes[name]} {name}" for name in OUTCOMES if self.outcomes[name])
        best = "" if self.best is None else f", best {settings.objective.metric} {self.best:.4g}"
        keyed = f", {self.by_json} of {self.hashed} keyed by their JSON" if self.by_json else ""
        outcomes = f" ({shown})" if shown else ""
        return f"{words}{outcomes}{keyed}, {round(self.evaluations, 1)} evaluations{best}, {rate:.3g} trials/s{ends}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
