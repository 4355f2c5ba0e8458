"""What a Ray worker is at, where people look: its process's title, its `repr`, its logs, and counters of epochs.

Ray shows a process's title in the dashboard's list of workers, and so does `ps`. A `repr` stands in Ray's messages.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from automl.evaluators.curves import LearningCurve
from automl.isolation.worker_logs import LogList
from automl.pool import Job
from workers.pools.naming import LONGEST, call_name

_SECONDS = 0.5
"""How often an evaluation that reports is shown anew, at most."""


class Working:
    """Shows what one worker is at.

    Args:
        title: what the worker serves before the first study begins.
        worker: name of the worker.
    """

    def __init__(self, title: str, worker: str) -> None:
        from ray._private.worker import global_worker
        from ray.util import metrics

        self._worker, self._study = worker, title
        self._text, self._progress = "", ""
        out, err = global_worker.get_out_file_path(), global_worker.get_err_file_path()
        self._logs = LogList(title, worker, out, err) if out and err else None
        self._epochs = metrics.Counter("automl_epochs", "Epochs that evaluations have reported.", ("study",))
        self._new = self._shown = 0.0
        self._last: float | None = None

    def begin(self, study: str, jobs: Sequence[Job]) -> None:
        """Notes which jobs a call has brought."""
        self._study, self._last, self._progress = study, None, ""
        candidate = f" {jobs[0].candidate[:LONGEST]}" if len(jobs) == 1 else ""
        self._text = f"{call_name(study, jobs)}{candidate}"
        if self._logs is not None:
            self._logs.called(study, [job.trial for job in jobs], jobs[0].candidate)
        self._show()

    def next(self, jobs: Sequence[Job]) -> None:
        """Notes which of them are evaluated next: one, or a batch at once."""
        self._last = None
        if self._logs is not None:
            self._logs.end()
            self._logs.begin([job.trial for job in jobs])

    def end(self) -> None:
        """Notes that the worker has nothing to do, and hands on what it has counted."""
        if self._logs is not None:
            self._logs.end()
        self._text = self._progress = ""
        self._count()

    def curve(self) -> LearningCurve:
        """Returns a learning curve whose reports are seen here."""
        return _Watched(self)

    def reported(self, epoch: float, metrics: Mapping[str, float]) -> None:
        """Takes what an evaluation has reported. One that reports an earlier epoch has begun anew."""
        before = 0.0 if self._last is None else self._last
        self._new += max(0.0, epoch - before)
        self._last = epoch
        if time.monotonic() - self._shown >= _SECONDS:
            shown = ", ".join(f"{name} {value:.4g}" for name, value in list(metrics.items())[:3])
            self._progress = f", epoch {epoch:g}{': ' if shown else ''}{shown}"
            self._show()
            self._count()

    def __repr__(self) -> str:
        """Returns what stands in Ray's lists and messages: worker, study, and what is under way."""
        return f"{self._text}{self._progress} on {self._worker}" if self._text else f"{self._study} {self._worker}"

    def _show(self) -> None:
        from ray._raylet import setproctitle  # type: ignore[attr-defined]

        self._shown = time.monotonic()
        setproctitle(f"ray::{self!r}")

    def _count(self) -> None:
        if self._new > 0:
            self._epochs.inc(self._new, {"study": self._study})
            self._new = 0.0


class _Watched(LearningCurve):
    """A curve that passes on what is reported to it."""

    __slots__ = ("_working",)

    def __init__(self, working: Working) -> None:
        super().__init__()
        self._working = working

    def report(self, epoch: float, metrics: Mapping[str, float]) -> None:
        super().report(epoch, metrics)
        at, found = self.points[-1]
        self._working.reported(at, found)

    def __reduce__(self) -> tuple[Any, ...]:
        return LearningCurve, (self.points,)  # elsewhere nobody watches
