"""The jobs of a Ray pool that wait: which go to which worker, in batches or alone, and which have to run once more."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from automl.pool import Completion, Job
from automl.storage.processes import Process
from workers.pools.batching import BatchSize
from workers.pools.naming import CallNames
from workers.pools.ray_workers import Call, RayWorkers, Slot
from workers.pools.second import verdict


@dataclass
class _First:
    """A first try whose failure is not clear: the job has to fail in another process, too."""

    completion: Completion
    job: Job
    process: Process | None


class RayQueue:
    """Sends waiting jobs to workers: in batches sized by time, those that must run alone to idle workers.

    Args:
        workers: who runs the jobs.
        timeout: seconds allowed for one evaluation; None sets no limit.
        study: name of the study that the first jobs belong to.
        names: of calls.

    Attributes:
        batch: how many jobs travel in one call.
        timeout: as above; a new value holds for the calls sent from then on.
        study: name of the study that the jobs belong to.
    """

    def __init__(self, workers: RayWorkers, timeout: float | None, study: str, names: CallNames) -> None:
        self.batch = BatchSize()
        self.timeout = timeout
        self.study = study
        self._names = names
        self._workers = workers
        self._waiting: deque[Job] = deque()
        self._suspects: deque[Job] = deque()  # of batches whose worker was lost: to be run alone
        self._firsts: dict[int, _First] = {}  # by job
        self._seconds: deque[int] = deque()  # jobs among them that wait for another process

    def add(self, jobs: Sequence[Job]) -> None:
        """Puts new jobs at the end."""
        self._waiting.extend(jobs)

    def suspect(self, jobs: Sequence[Job]) -> None:
        """Takes the jobs of a batch whose worker was lost in it: each of them runs alone from now on."""
        self._suspects.extend(jobs)

    def take_back(self, calls: Sequence[Call]) -> None:
        """Puts the jobs of calls that never began back to the front, in their order."""
        for call in reversed(calls):
            self._waiting.extendleft(reversed(call.jobs))

    def clear(self) -> list[Job]:
        """Empties the queue; returns what had waited in it."""
        left = [*self._waiting, *self._suspects, *(self._firsts[number].job for number in self._seconds)]
        self._waiting.clear()
        self._suspects.clear()
        self._seconds.clear()
        self._firsts.clear()
        return left

    def dispatch(self) -> None:
        """Sends what can be sent now."""
        for slot in self._workers.ready():
            if not slot.calls:
                self._send_alone(slot)
        ready = self._workers.ready()  # without a worker that was just started again
        alone = bool(self._suspects or self._seconds)  # they want an idle worker, so none is given more than it has
        while self._waiting:
            open_slots = [slot for slot in ready if len(slot.calls) < (1 if alone else self.batch.depth)]
            if not open_slots:
                return
            slot = min(open_slots, key=lambda item: len(item.calls))
            share = math.ceil(len(self._waiting) / len(open_slots))
            self._send(slot, [self._waiting.popleft() for _ in range(min(self.batch.size, share))])

    def settled(self, process: Process | None, done: Sequence[Completion], jobs: Sequence[Job]) -> list[Completion]:
        """Returns what is clear of some completions; the others wait for a second process.

        Args:
            process: that of the worker which ran them; None where it is not known.
            done: completions, in any order.
            jobs: which they are of.
        """
        by_number = {job.id: job for job in jobs}
        clear = []
        for one in done:
            first = self._firsts.pop(one.job, None)
            if first is not None:
                clear.append(verdict(first.completion, one))
            elif one.fault == "unclear":
                self._firsts[one.job] = _First(one, by_number[one.job], process)
                self._seconds.append(one.job)
            else:
                clear.append(one)
        return clear

    def _send_alone(self, slot: Slot) -> None:
        """Gives an idle worker a job that has to run alone, where there is one for it."""
        for number in list(self._seconds):
            first = self._firsts[number]
            if first.process != slot.process:
                self._seconds.remove(number)
                self._send(slot, [first.job])
                return
        if self._suspects:
            self._send(slot, [self._suspects.popleft()])
        elif self._seconds and len(self._workers.slots) == 1:  # only a fresh worker is another process
            self._workers.restart(slot)

    def _send(self, slot: Slot, jobs: list[Job]) -> None:
        if not slot.calls:
            slot.since = time.monotonic()
        named = slot.actor.run.options(name=self._names.of(self.study, jobs))
        slot.calls.append(Call(named.remote(jobs, self.timeout, self.study), jobs))
