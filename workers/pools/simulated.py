"""A pool whose clock is simulated: searches of GPU-months, on any number of workers, run in seconds.

Evaluations are run at once, in the caller's process; when they *finish* is decided by what they cost. The idea is Syne
Tune's simulator backend (Salinas et al. 2022).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace

from automl.errors import InvalidInput
from automl.pool import Completion, Job, Pool, Running, WorkerSetup
from workers.pools.current import Current
from workers.pools.perform import perform
from workers.pools.second import SecondProcess
from workers.pools.threads import torch_threads

COST = "cost_seconds"

LEAST_SECONDS = 60.0
"""Real time that an evaluation is allowed under a time limit: a limit is one of simulated time, and may be tiny."""


class SimulatedPool(Pool):
    """Pool that runs evaluations in this process on a simulated clock, which each advances by its "cost_seconds".

    An evaluation without this metric advances the clock by its real seconds.

    Completions come in the order of their simulated ends, equal ends in the order of submission. With a timeout, an
    evaluation whose cost exceeds it ends at that time as timed out; so does an evaluation that takes a minute of real
    time, or as long as the timeout if that is longer.

    Args:
        plan: Settings that all jobs share.
        workers: Number of simulated workers.

    Raises:
        InvalidInput: `workers` is below 1.

    Example:
        >>> from automl.setup.targets import reference_to
        >>> from automl.testing.pools import Numbered, Numbers, run
        >>> with SimulatedPool(WorkerSetup(reference_to(Numbers()), Numbered(), "v"), workers=100) as pool:
        ...     done = run(pool, [5, 3])
        >>> [completion.metrics["v"] for completion in done]
        [5.0, 3.0]
    """

    evaluates_here = True

    def __init__(self, plan: WorkerSetup, *, workers: int = 1) -> None:
        if workers < 1:
            raise InvalidInput(f"a simulated pool cannot have {workers} workers; give at least 1")
        self._plan = plan
        self._space = plan.space.load()
        self._evaluator = plan.evaluator.for_device(self.device)
        self._evaluator.prepare()
        self._workers = workers
        self._clock = 0.0
        self._order = 0
        self._events: list[tuple[float, int, Completion]] = []
        self._free = list(range(workers))
        self._timeout = plan.timeout
        self._second = SecondProcess(plan)
        self._until: float | None = None
        self._current = Current("this process")

    @property
    def workers(self) -> int:
        return self._workers

    @property
    def device(self) -> str:
        return "cpu"

    def capacity(self) -> int:
        return len(self._free)

    def submit(self, jobs: Sequence[Job]) -> None:
        if len(jobs) > self.capacity():
            raise ValueError(f"{len(jobs)} jobs were submitted and only {self.capacity()} can be started")
        if not jobs:
            return
        objective, begin = self._plan.objective, self._current.begin
        limit = None if self._timeout is None else max(self._timeout, LEAST_SECONDS)
        try:
            with torch_threads(1):
                done = perform(
                    self._space, self._evaluator, objective, jobs, device=self.device, timeout=limit, begun=begin
                )
                done = self._second.settle(jobs, done, limit, begin)
        finally:
            self._current.end()
        for completion in done:
            self._order += 1
            completion = self._on_a_worker(completion)
            heapq.heappush(self._events, (self._clock + completion.seconds, self._order, completion))

    def _on_a_worker(self, done: Completion) -> Completion:
        worker = f"simulated-{heapq.heappop(self._free)}"
        limit = self._timeout
        cost = (done.metrics or {}).get(COST, done.seconds)
        if limit is not None and cost > limit:
            return Completion(done.job, None, "timeout", f"took longer than {limit:g} s", limit, worker)
        return replace(done, seconds=cost, worker=worker)

    def completed(self, timeout: float | None = None) -> list[Completion]:
        """Returns the next completion in simulated time, with all others of the very same moment.

        Nobody waits here, so the clock jumps to it; with a timeout of 0 it stands still, and only what has ended by now
        is returned.
        """
        if not self._events or (timeout == 0 and self._events[0][0] > self._clock):
            return []
        if self._until is not None and self._events[0][0] > self._until:
            return self._broken_off()
        self._clock = max(self._clock, self._events[0][0])
        done = []
        while self._events and self._events[0][0] <= self._clock:
            completion = heapq.heappop(self._events)[2]
            heapq.heappush(self._free, int(completion.worker.rpartition("-")[2]))
            done.append(completion)
        return done

    def _broken_off(self) -> list[Completion]:
        """Ends all that runs beyond the moment that was set, at that moment."""
        assert self._until is not None
        self._clock = max(self._clock, self._until)
        done = [
            Completion(one.job, None, "stopped", "the search's time was over", 0.0, one.worker)
            for _, _, one in self._events
        ]
        self._events.clear()
        self._free = list(range(self._workers))
        return done

    def stop_at(self, seconds: float | None) -> None:
        self._until = seconds

    def limit(self, seconds: float | None) -> None:
        self._timeout = seconds

    def running(self) -> list[Running]:
        return self._current.running()

    def now(self) -> float:
        return self._clock

    def close(self) -> None:
        self._events.clear()
        self._free = list(range(self._workers))
        self._second.close()
