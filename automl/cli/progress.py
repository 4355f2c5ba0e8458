"""A live display of a search on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl.observers import Observer
from automl.storage.studies import OUTCOMES

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.studies import TrialRecord

PHASES = {
    "search": "search",
    "baseline": "random search, equal evaluations",
    "confirmation": "the best again on validation",
    "test": "fresh seeds on the test part",
}
LINE_SECONDS = 10.0
"""How often a line is printed where there is no terminal."""


def progress(console: Console) -> Observer:
    """Returns the display that fits where the output goes."""
    return Display(console) if console.is_terminal else Lines(console)


class _Counts(Observer):
    """Counts what both displays show."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.outcomes: Counter[str] = Counter()
        self.best: float | None = None
        self.evaluations: float = 0
        self.in_flight = self.at_start = self.trials = 0
        self.hashed = self.by_json = 0
        self.began = time.monotonic()
        self.phase = ""

    def note(self, text: str) -> None:
        if text:
            self.console.print(text, markup=False, soft_wrap=True)

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
            shares.append((spent / budget.seconds, f"{spent / 3600:.2f} of {budget.seconds / 3600:.2f} hours"))
        share, words = max(shares, default=(0.0, f"{self.trials} trials"))
        enough = "" if budget.until is None else f", until {settings.objective.metric} {budget.until:g}"
        return share, words + enough

    def summary(self, settings: LoopSettings) -> str:
        seconds = max(time.monotonic() - self.began, 1e-9)
        rate = (self.trials - self.at_start) / seconds
        share, words = self.done(settings)
        left = ""
        if 0 < share < 1 and self.trials > self.at_start:
            left = f", about {_duration(seconds * (1 - share) / share)} left"
        shown = ", ".join(f"{self.outcomes[name]} {name}" for name in OUTCOMES if self.outcomes[name])
        best = "" if self.best is None else f", best {settings.objective.metric} {self.best:.4g}"
        keyed = f", {self.by_json} of {self.hashed} keyed by their JSON" if self.by_json else ""
        return f"{words} ({shown}){keyed}, {round(self.evaluations, 1)} evaluations{best}, {rate:.3g} trials/s{left}"


class Lines(_Counts):
    """One plain line at the start and end of each phase, and every ten seconds between."""

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        super().begin(settings, phase, trials, evaluations)
        gone_on = f", going on after trial {trials - 1}" if trials else ""
        self.console.print(f"{settings.name}: {PHASES.get(phase, phase)}{gone_on}", markup=False)
        self._printed = time.monotonic()

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        super().turn(settings, trials, in_flight, evaluations)
        if time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            self.console.print(f"  {self.summary(settings)}", markup=False, soft_wrap=True)

    def end(self, settings: LoopSettings) -> None:
        self.console.print(f"  {self.summary(settings)}", markup=False, soft_wrap=True)


class Display(_Counts):
    """A live panel: the phase, a bar, outcomes, evaluations, best, rate, time left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._shown = 0.0

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        super().begin(settings, phase, trials, evaluations)
        self._live = Live(self._render(settings), console=self.console, refresh_per_second=4)
        self._live.start()

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        super().turn(settings, trials, in_flight, evaluations)
        if self._live is not None and time.monotonic() - self._shown > 0.2:
            self._shown = time.monotonic()
            self._live.update(self._render(settings))

    def end(self, settings: LoopSettings) -> None:
        if self._live is not None:
            self._live.update(self._render(settings), refresh=True)
        self.close()

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _render(self, settings: LoopSettings) -> Group:
        seconds = max(time.monotonic() - self.began, 1e-9)
        share, words = self.done(settings)
        table = Table.grid(padding=(0, 2))
        table.add_row(
            *(Text(name, style="dim") for name in (*OUTCOMES, "evaluations", "in flight", "best", "trials/s"))
        )
        best = "–" if self.best is None else f"{self.best:.5g}"
        rate = f"{(self.trials - self.at_start) / seconds:.3g}"
        table.add_row(
            *(str(self.outcomes[name]) for name in OUTCOMES),
            str(round(self.evaluations, 1)),
            str(self.in_flight),
            best,
            rate,
        )
        left = _duration(seconds * (1 - share) / share) if 0 < share < 1 and self.trials > self.at_start else ""
        head = Text.assemble(
            (settings.name, "bold"),
            f"  {PHASES.get(self.phase, self.phase)}  {words}",
            (f"  {left} left" if left else "", "dim"),
        )
        return Group(head, ProgressBar(total=1.0, completed=min(share, 1.0), width=60), table)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
