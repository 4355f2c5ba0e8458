"""The pool inside the caller's own process: for evaluations of microseconds, for debugging, and without Ray."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from automl.isolation.limits import BrokenOff, alarm
from automl.pool import Completion, Job, Pool, Running, WorkerSetup
from workers.pools.current import Current
from workers.pools.perform import check_alarm, perform
from workers.pools.second import SecondProcess
from workers.pools.threads import torch_threads

_TARGET_SECONDS = 0.05  # of work that one `completed` does before it returns
_NOT_WANTED = "the search's time was over"


class InlinePool(Pool):
    """Pool that runs evaluations in this process, one after another. An unclear failure is tried again in another
    process.

    Args:
        plan: Settings that all jobs share.
        workers: Number of jobs that may be in flight at one time; they still run one after another.

    Raises:
        InvalidInput: the plan has a timeout and the calling thread is not the main thread.

    Example:
        >>> from automl.setup.targets import reference_to
        >>> from automl.testing.pools import Numbered, Numbers, run
        >>> with InlinePool(WorkerSetup(reference_to(Numbers()), Numbered(), "v"), workers=4) as pool:
        ...     done = run(pool, [5, 3, 1001])
        >>> [completion.fault for completion in done]  # 1001 gives NaN
        [None, None, 'candidate']
    """

    evaluates_here = True

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
        self._timeout = plan.timeout
        self._second = SecondProcess(plan)
        self._until: float | None = None  # on our clock: what runs beyond it is broken off
        self._evaluating = False
        self._current = Current("this process")

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
        try:
            self._evaluating = True
            with alarm(self._left(), _NOT_WANTED, BrokenOff), torch_threads(1):
                done = self._run(jobs)
        except BrokenOff:  # between two evaluations, or outside of any
            done = [Completion(job.id, None, "stopped", _NOT_WANTED, 0.0, "inline") for job in jobs]
        finally:
            self._evaluating = False
            self._current.end()
        each = sum(item.seconds for item in done) / len(done)
        self._seconds = each if self._seconds is None else 0.7 * self._seconds + 0.3 * each
        return done

    def _run(self, jobs: Sequence[Job]) -> list[Completion]:
        objective, begin = self._plan.objective, self._current.begin
        done = perform(
            self._space, self._evaluator, objective, jobs, worker="inline", timeout=self._timeout, begun=begin
        )
        return self._second.settle(jobs, done, self._timeout, begin)

    def running(self) -> list[Running]:
        return self._current.running()

    def _left(self) -> float | None:
        return None if self._until is None else max(1e-6, self._until - self.now())

    def stop_at(self, seconds: float | None) -> None:
        self._until = seconds
        if self._evaluating and seconds is not None and seconds <= self.now():  # we are in a signal handler
            raise BrokenOff(_NOT_WANTED)

    def limit(self, seconds: float | None) -> None:
        check_alarm(seconds)
        self._timeout = seconds

    def now(self) -> float:
        return time.monotonic() - self._began

    def close(self) -> None:
        self._waiting.clear()
        self._second.close()
