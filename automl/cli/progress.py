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

from automl.errors import MOST, legible
from automl.observers import Observer

if TYPE_CHECKING:
    from automl.rules import Rules
    from automl.storage.studies import TrialRecord

OUTCOMES = ("miss", "hit", "joined", "partial", "failed")
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
        self.drawn: float = 0
        self.in_flight = self.at_start = self.trials = 0
        self.began = time.monotonic()
        self.phase = ""

    def note(self, text: str) -> None:
        if text:
            self.console.print(legible(text, MOST), markup=False, soft_wrap=True)

    def begin(self, rules: Rules, phase: str, trials: int, drawn: float) -> None:
        self.outcomes.clear()
        self.best, self.drawn, self.trials, self.at_start = None, drawn, trials, trials
        self.began, self.phase = time.monotonic(), phase

    def turn(self, rules: Rules, trials: Sequence[TrialRecord], in_flight: int, drawn: float) -> None:
        self.trials += len(trials)
        self.in_flight, self.drawn = in_flight, drawn
        for trial in trials:
            self.outcomes[trial.outcome] += 1
            value = trial.fitness
            if value is not None and (self.best is None or (value > self.best) == rules.maximize):
                self.best = value

    def done(self, rules: Rules) -> tuple[float, str]:
        """Returns the finished share of the budget and its words."""
        budget = rules.budget
        shares = []
        if budget.trials:
            shares.append((self.trials / budget.trials, f"{self.trials} of {budget.trials} trials"))
        if budget.evaluations:
            words = f"{round(self.drawn, 1)} of {budget.evaluations} evaluations"
            shares.append((self.drawn / budget.evaluations, words))
        if budget.seconds:
            spent = time.monotonic() - self.began
            shares.append((spent / budget.seconds, f"{spent / 3600:.2f} of {budget.seconds / 3600:.2f} hours"))
        share, words = max(shares, default=(0.0, f"{self.trials} trials"))
        enough = "" if budget.until is None else f", until {rules.objective} {budget.until:g}"
        return share, words + enough

    def summary(self, rules: Rules) -> str:
        seconds = max(time.monotonic() - self.began, 1e-9)
        rate = (self.trials - self.at_start) / seconds
        share, words = self.done(rules)
        left = ""
        if 0 < share < 1 and self.trials > self.at_start:
            left = f", about {_duration(seconds * (1 - share) / share)} left"
        shown = ", ".join(f"{self.outcomes[name]} {name}" for name in OUTCOMES if self.outcomes[name])
        best = "" if self.best is None else f", best {rules.objective} {self.best:.4g}"
        return f"{words} ({shown}), {round(self.drawn, 1)} evaluations{best}, {rate:.3g} trials/s{left}"


class Lines(_Counts):
    """One plain line at the start and end of each phase, and every ten seconds between."""

    def begin(self, rules: Rules, phase: str, trials: int, drawn: float) -> None:
        super().begin(rules, phase, trials, drawn)
        gone_on = f", going on after trial {trials - 1}" if trials else ""
        self.console.print(f"{legible(rules.name)}: {PHASES.get(phase, phase)}{gone_on}", markup=False)
        self._printed = time.monotonic()

    def turn(self, rules: Rules, trials: Sequence[TrialRecord], in_flight: int, drawn: float) -> None:
        super().turn(rules, trials, in_flight, drawn)
        if time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            self.console.print(f"  {self.summary(rules)}", markup=False, soft_wrap=True)

    def end(self, rules: Rules) -> None:
        self.console.print(f"  {self.summary(rules)}", markup=False, soft_wrap=True)


class Display(_Counts):
    """A live panel: the phase, a bar, outcomes, evaluations, best, rate, time left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._shown = 0.0

    def begin(self, rules: Rules, phase: str, trials: int, drawn: float) -> None:
        super().begin(rules, phase, trials, drawn)
        self._live = Live(self._render(rules), console=self.console, refresh_per_second=4)
        self._live.start()

    def turn(self, rules: Rules, trials: Sequence[TrialRecord], in_flight: int, drawn: float) -> None:
        super().turn(rules, trials, in_flight, drawn)
        if self._live is not None and time.monotonic() - self._shown > 0.2:
            self._shown = time.monotonic()
            self._live.update(self._render(rules))

    def end(self, rules: Rules) -> None:
        if self._live is not None:
            self._live.update(self._render(rules), refresh=True)
        self.close()

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _render(self, rules: Rules) -> Group:
        seconds = max(time.monotonic() - self.began, 1e-9)
        share, words = self.done(rules)
        table = Table.grid(padding=(0, 2))
        table.add_row(
            *(Text(name, style="dim") for name in (*OUTCOMES, "evaluations", "in flight", "best", "trials/s"))
        )
        best = "–" if self.best is None else f"{self.best:.5g}"
        rate = f"{(self.trials - self.at_start) / seconds:.3g}"
        table.add_row(
            *(str(self.outcomes[name]) for name in OUTCOMES), str(round(self.drawn, 1)), str(self.in_flight), best, rate
        )
        left = _duration(seconds * (1 - share) / share) if 0 < share < 1 and self.trials > self.at_start else ""
        head = Text.assemble(
            (legible(rules.name), "bold"),
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
