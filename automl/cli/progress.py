"""A live display of a search on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from automl.errors import MOST, legible
from automl.observers import Observer
from automl.storage.studies import OUTCOMES

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.studies import TrialRecord

PHASES = {
    "search": "search",
    "baseline": "random search, equal evaluations",
    "confirmation": "the best again on validation",
    "test": "the winners and a random sample, with fresh seeds",
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
            self.console.print(legible(text, MOST), markup=False, soft_wrap=True)

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

    def summary(self, settings: LoopSettings, *, left: bool = True) -> str:
        """Returns all counts in one line, with the time left where that is wanted and can be told."""
        seconds = max(time.monotonic() - self.began, 1e-9)
        rate = (self.trials - self.at_start) / seconds
        share, words = self.done(settings)
        ends = ""
        if left and 0 < share < 1 and self.trials > self.at_start:
            ends = f", about {_duration(seconds * (1 - share) / share)} left"
        shown = ", ".join(f"{self.outcomes[name]} {name}" for name in OUTCOMES if self.outcomes[name])
        best = "" if self.best is None else f", best {settings.objective.metric} {self.best:.4g}"
        keyed = f", {self.by_json} of {self.hashed} keyed by their JSON" if self.by_json else ""
        return f"{words} ({shown}){keyed}, {round(self.evaluations, 1)} evaluations{best}, {rate:.3g} trials/s{ends}"


class Lines(_Counts):
    """One plain line at the start and end of each phase, and every ten seconds between."""

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        super().begin(settings, phase, trials, evaluations)
        gone_on = f", going on after trial {trials - 1}" if trials else ""
        self.console.print(f"{legible(settings.name)}: {PHASES.get(phase, phase)}{gone_on}", markup=False)
        self._printed = time.monotonic()

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        super().turn(settings, trials, in_flight, evaluations)
        if time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            self.console.print(f"  {self.summary(settings)}", markup=False, soft_wrap=True)

    def end(self, settings: LoopSettings) -> None:
        self.console.print(f"  {self.summary(settings)}", markup=False, soft_wrap=True)


class Display(_Counts):
    """A live panel: the phase, a bar, time left; outcomes, evaluations, best and rate in the line below."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._panel: _Panel | None = None

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        super().begin(settings, phase, trials, evaluations)
        self._panel = _Panel(console=self.console, refresh_per_second=4)
        self._panel.add_task(f"{settings.name}  {PHASES.get(phase, phase)}", total=1.0)
        self._panel.start()
        self._show(settings)

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        super().turn(settings, trials, in_flight, evaluations)
        self._show(settings)

    def end(self, settings: LoopSettings) -> None:
        self._show(settings)
        self.close()

    def close(self) -> None:
        if self._panel is not None:
            self._panel.stop()
            self._panel = None

    def _show(self, settings: LoopSettings) -> None:
        if self._panel is not None:
            self._panel.below = lambda: f"{self.summary(settings, left=False)}, {self.in_flight} in flight"
            self._panel.update(TaskID(0), completed=min(self.done(settings)[0], 1.0))


class _Panel(Progress):
    """One bar, and a line below it that is asked for whenever the panel is drawn."""

    def __init__(self, **settings: Any) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn(compact=True))
        self.below: Callable[[], str] = str
        super().__init__(*columns, **settings)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.below(), style="dim")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
