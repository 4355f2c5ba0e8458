"""The pool of a loop of one's own: it hands evaluations out, and somebody else runs them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from automl.errors import InvalidInput
from automl.pool import Completion, Job, Pool, WorkerSetup
from workers.pools.perform import complete


class HandingOut(Pool):
    """Pool that takes as many jobs as are wanted, and completes none: their results come through the cache.

    Args:
        plan: Settings that all jobs share.

    Attributes:
        wanted: Number of jobs that somebody is ready to run.
        taken: Jobs that were submitted and not fetched yet.

    Example:
        >>> from automl.evaluators.base import Evaluation
        >>> from automl.evaluators.own_loop import OwnLoop
        >>> from automl.setup.targets import reference_to
        >>> from automl.testing.pools import Numbers
        >>> pool = HandingOut(WorkerSetup(reference_to(Numbers()), OwnLoop("by hand, 1"), "fitness"))
        >>> pool.capacity()  # nobody asks
        0
        >>> pool.wanted = 1
        >>> job = Job(0, '{"x":3}', Evaluation(seed=11))
        >>> pool.submit([job])
        >>> pool.judged(job, {"fitness": float("nan")}, 0.0).error
        "metric 'fitness' is nan"
    """

    hands_out: ClassVar[bool] = True

    def __init__(self, plan: WorkerSetup) -> None:
        self._plan = plan
        self._began = time.monotonic()
        self.wanted = 0
        self.taken: list[Job] = []

    @property
    def workers(self) -> int:
        return 1

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def hardware(self) -> Sequence[str]:
        return ["a loop of the user's own"]

    def capacity(self) -> int:
        return max(0, self.wanted - len(self.taken))

    def submit(self, jobs: Sequence[Job]) -> None:
        if len(jobs) > self.capacity():
            raise ValueError(f"{len(jobs)} jobs were submitted and only {self.capacity()} are wanted")
        self.taken.extend(jobs)

    def completed(self, timeout: float | None = None) -> list[Completion]:
        return []

    def judged(self, job: Job, told: Mapping[str, Any] | str, seconds: float, curve: Any = None) -> Completion:
        """Returns what is stored of an evaluation that somebody has run.

        Args:
            job: that was handed out.
            told: its metrics, or in words why the candidate failed.
            seconds: that it took.
            curve: pairs of an epoch and the metrics after it.
        """
        if isinstance(told, str):
            return Completion(job.id, None, "candidate", told, seconds, "own loop")
        how = job.evaluation
        for epoch, metrics in curve or ():
            how.report(epoch, metrics)
        if not isinstance(told, Mapping) or not told:
            raise InvalidInput(f"metrics are to be a dict of numbers, not {told!r}")
        return complete(job, how, dict(told), self._plan.objective, seconds, "own loop")

    def now(self) -> float:
        return time.monotonic() - self._began

    def close(self) -> None:
        self.taken.clear()
