"""The pool inside the caller's own process: for evaluations of microseconds, for debugging, and without Ray."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from automl.pool import Completion, Job, Pool, WorkerSetup
from workers.pools.perform import check_alarm, perform
from workers.pools.threads import torch_threads

_TARGET_SECONDS = 0.05  # of work that one `completed` does before it returns


class InlinePool(Pool):
    """Runs each evaluation inside `completed`, in the calling thread.

    Args:
        plan: what all jobs have in common.
        workers: jobs that may be in flight at one time; they run one after another all the same.

    Raises:
        InvalidInput: the plan has a timeout and this is not the main thread.
    """

    def __init__(self, plan: WorkerSetup, *, workers: int = 1) -> None:
        check_alarm(plan.timeout)
        self._plan = plan
        self._space = plan.space.load()
        self._evaluator = plan.evaluator.for_device(self.device)
        self._evaluator.prepare()
        self._workers = workers
        self._waiting: deque[Job] = deque()
        self._seconds: float | None = None  # of one evaluation, smoothed
        self._began = time.monotonic()

    @property
    def workers(self) -> int:
        return self._workers

    @property
    def device(self) -> str:
        return "cpu"

    def capacity(self) -> int:
        return max(0, self._workers * self._batch() - len(self._waiting))

    def _batch(self) -> int:
        if self._seconds is None:
            return 1
        return min(4096, max(1, int(_TARGET_SECONDS / max(self._seconds, 1e-6))))

    def submit(self, jobs: Sequence[Job]) -> None:
        if len(jobs) > self.capacity():
            raise ValueError(f"{len(jobs)} jobs were submitted and only {self.capacity()} can be started")
        self._waiting.extend(jobs)

    def completed(self, timeout: float | None = None) -> list[Completion]:
        if not self._waiting:
            return []
        jobs = [self._waiting.popleft() for _ in range(min(self._batch(), len(self._waiting)))]
        plan = self._plan
        with torch_threads(1):
            done = perform(self._space, self._evaluator, plan.objective, jobs, worker="inline", timeout=plan.timeout)
        each = sum(item.seconds for item in done) / len(done)
        self._seconds = each if self._seconds is None else 0.7 * self._seconds + 0.3 * each
        return done

    def now(self) -> float:
        return time.monotonic() - self._began

    def close(self) -> None:
        self._waiting.clear()
