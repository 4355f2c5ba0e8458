"""What a pool in the caller's own thread is at: that thread is busy, so another one has to say what takes long."""

from __future__ import annotations

import time
from collections.abc import Sequence

from automl.pool import Job, Running


class Current:
    """The evaluation under way, or the batch of them. One thread writes it, any may read.

    Args:
        worker: the name under which it is reported.

    Example:
        >>> from automl.evaluators.base import Evaluation
        >>> current = Current("inline")
        >>> current.begin([Job(7, "{}", Evaluation(1)), Job(8, "{}", Evaluation(2))])
        >>> [(one.job, one.worker, one.others) for one in current.running()]
        [(7, 'inline', 1)]
        >>> current.end()
        >>> current.running()
        []
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._at: tuple[int, int, float] | None = None

    def begin(self, jobs: Sequence[Job]) -> None:
        """Notes that these evaluations begin."""
        self._at = (jobs[0].id, len(jobs) - 1, time.monotonic())

    def end(self) -> None:
        """Notes that nothing is under way."""
        self._at = None

    def running(self) -> list[Running]:
        """Returns what is under way."""
        at = self._at
        return [] if at is None else [Running(at[0], self._worker, time.monotonic() - at[2], at[1])]
