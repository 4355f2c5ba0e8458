"""A live display of a search on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from automl.display.counts import PHASES, Counts
from automl.errors import MOST, legible

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.records import TrialRecord

LINE_SECONDS = 10.0
"""How often a line is printed where there is no terminal."""

WARNING = "Warning: "
"""How sentences begin that are raised as Python's warnings too."""


class _OnConsole(Counts):
    """Counts, and prints what the user should read.

    Args:
        console: is written to.
        warned: whether the user sees Python's warnings besides, so that none is shown twice.
    """

    def __init__(self, console: Console, warned: bool = False) -> None:
        super().__init__()
        self.console = console
        self._warned = warned

    def note(self, text: str) -> None:
        if text and not (self._warned and text.startswith(WARNING)):
            self.console.print(legible(text, MOST), markup=False, soft_wrap=True)


class Lines(_OnConsole):
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


class Display(_OnConsole):
    """A live panel: the phase, a bar, time left; outcomes, evaluations, best and rate in the line below."""

    def __init__(self, console: Console, warned: bool = False) -> None:
        super().__init__(console, warned)
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
