"""A search in a notebook: one bar a phase, in the output of the cell that searches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from automl.display.counts import PHASES, Counts
from automl.display.terminal import WARNING
from automl.errors import MOST, legible

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.records import TrialRecord

EVERY_SECONDS = 0.5
"""How often the output of the cell changes, at most: each change is a message to the browser, and is stored there."""


class Notebook(Counts):
    """One bar a phase, with its counts; finished phases stay, so that a saved notebook says what happened."""

    def __init__(self) -> None:
        super().__init__()
        self._phases: list[tuple[str, float, str]] = []  # heading, share and counts of the phases before
        self._notes: list[str] = []
        self._heading = ""
        self._share, self._line = 0.0, ""
        self._handle: Any = None
        self._shown = 0.0

    def note(self, text: str) -> None:
        if text and not text.startswith(WARNING):
            self._notes.append(legible(text, MOST))
            self._show(at_once=True)

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        super().begin(settings, phase, trials, evaluations)
        self._leave()
        self._heading = f"{legible(settings.name)}: {PHASES.get(phase, phase)}"
        self._take(settings)
        self._show(at_once=True)

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        super().turn(settings, trials, in_flight, evaluations)
        if time.monotonic() - self._shown >= EVERY_SECONDS:
            self._take(settings)
            self._show()

    def end(self, settings: LoopSettings) -> None:
        self._take(settings, over=True)
        self._leave()
        self._show(at_once=True)

    def close(self) -> None:
        if self._heading:  # it ended in the middle
            self._line += ", stopped"
            self._leave()
            self._show(at_once=True)

    def _take(self, settings: LoopSettings, over: bool = False) -> None:
        self._share = 1.0 if over else min(self.done(settings)[0], 1.0)
        self._line = self.summary(settings, left=not over)

    def _leave(self) -> None:
        if self._heading:
            self._phases.append((self._heading, self._share, self._line))
            self._heading = ""

    def _show(self, at_once: bool = False) -> None:
        from IPython.display import display

        if not at_once and time.monotonic() - self._shown < EVERY_SECONDS:
            return
        self._shown = time.monotonic()
        if self._handle is None:
            self._handle = display(self._data(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(self._data(), raw=True)

    def _data(self) -> Mapping[str, str]:
        rows = [*self._phases, *([(self._heading, self._share, self._line)] if self._heading else [])]
        bars = "".join(
            f"<div>{escape(heading)}</div><progress value='{share:.3f}' max='1' style='width:20em'></progress> "
            f"<small>{escape(line)}</small>"
            for heading, share, line in rows
        )
        notes = "".join(f"<div><small>{escape(text)}</small></div>" for text in self._notes)
        lines = [*self._notes, *(f"{heading}: {line}" for heading, _, line in rows)]
        return {"text/html": f"<div>{bars}{notes}</div>", "text/plain": "\n".join(lines)}
