"""The pool on Ray: reused actors, batches sized by time, and nobody blamed for what others did."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence

from automl.observers import Observer, Several
from automl.pool import Completion, Fault, Job, Pool, Running, WorkerSetup
from workers.pools.naming import CallNames
from workers.pools.ray_connection import (
    check_numbers,
    connect,
    connect_early,
    dashboard_url,
    log_places,
    names_are_dropped,
    shipped_folder,
)
from workers.pools.ray_elastic import Elastic
from workers.pools.ray_job import RayJob, submitted_job
from workers.pools.ray_losses import Loss, answer_of
from workers.pools.ray_metrics import RayMetrics
from workers.pools.ray_queue import RayQueue
from workers.pools.ray_room import room
from workers.pools.ray_start import Demand, Start
from workers.pools.ray_watch import ClusterWatch, nodes_of_ray
from workers.pools.ray_workers import RayWorkers, Slot

_GRACE_SECONDS = 1.0  # for what overruns its limit to be interrupted from inside, before its worker is ended
_LOOK_SECONDS = 1.0  # how often missing workers are looked at while others are waited for


class RayPool(Pool):
    """Pool that runs evaluations in Ray actors, which are reused.

    A worker that dies is replaced. If it held several evaluations, those not reported yet are run again one by one, and
    only one that fails alone counts as "lost". An evaluation that takes too long is interrupted ("timeout"), and its
    worker is ended if that does not help. A failure that a machine may have caused is tried again by another worker, or
    by a new one if there is no other. A worker that Ray cannot place is waited for, reported as missing, and finally
    given up. What runs on a node that is being drained goes on elsewhere. A worker in which evaluations have left too
    much memory behind is replaced. With `min_workers` or `max_workers` the pool follows the cluster: it starts workers
    on nodes that join, and gives up those of nodes that leave.

    Args:
        plan: Settings that all jobs share, sent to each worker once.
        workers: Number of actors; None takes one per `num_cpus` (and `num_gpus`) that Ray has.
        min_workers: Follow the cluster, and begin once so many workers are up; None does not follow it.
        max_workers: Follow the cluster, with so many workers at most; asked of Ray's autoscaler where there is one.
        wait: Seconds to wait for resources at the start; None waits 300 s for busy ones, and for none that Ray lacks.
        num_cpus: Number of CPUs of each worker, and of its threads.
        num_gpus: Number of GPUs of each worker; with a fraction, several workers share one.
        memory: Bytes that the evaluations of one worker may take in addition to what it holds when idle; None sets no
            limit.
        address: Address of a running Ray cluster. None starts a local one on the loopback interface and stops it with
            the pool. If this process is connected to a Ray already, that one is used and left running.
        dashboard: Whether a local Ray starts its dashboard.
        ship: Folder that is sent to the nodes of a cluster; workers find the user's files in it.
        say: Called with each sentence that the user should read while the pool waits for its start.

    Raises:
        WorkersUnavailable: Ray cannot be reached, or has fewer resources than the workers need.
        InvalidInput: a number is out of range, or the workers cannot load the plan.

    Example:
        >>> from automl.setup.targets import reference_to
        >>> from automl.testing.pools import Numbered, Numbers
        >>> RayPool(WorkerSetup(reference_to(Numbers()), Numbered(), "v"), workers=0)  # refused before Ray is asked
        Traceback (most recent call last):
        automl.errors.InvalidInput: a search cannot have 0 workers; give at least 1
    """

    def __init__(
        self,
        plan: WorkerSetup,
        *,
        workers: int | None = None,
        min_workers: int | None = None,
        max_workers: int | None = None,
        wait: float | None = None,
        num_cpus: float = 1.0,
        num_gpus: float = 0.0,
        memory: int | None = None,
        address: str | None = None,
        dashboard: bool = True,
        ship: str | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        check_numbers(workers, num_cpus, num_gpus, memory)
        self._closed = False
        self._workers = RayWorkers(num_cpus, num_gpus, memory, plan.title)
        self._elastic: Elastic | None = None
        self._until: float | None = None  # on our clock: what runs beyond it is broken off
        self._in_flight = 0
        self._began = time.monotonic()
        self._started_ray = connect(address, dashboard, title=plan.title, ship=ship)
        self._queue = RayQueue(self._workers, plan.timeout, plan.title, CallNames(names_are_dropped()))
        self._dashboard_url = dashboard_url()
        self._watch = ClusterWatch()
        self._looked = 0.0
        try:
            self._watch.start()
            self._workers.prepare(plan, self._watch, address is not None, shipped_folder(ship))
            start = Start(
                self._workers, Demand(workers, min_workers, max_workers, wait), say or self._workers.missing.say
            )
            self._elastic = start.elastic
            start.run()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def at_hand(
        num_cpus: float, num_gpus: float, address: str | None = None, dashboard: bool = True, ship: str | None = None
    ) -> int:
        """Returns how many workers the nodes of a cluster have room for. The next pool uses this connection to it."""
        connect_early(address, dashboard, ship)
        return room(nodes_of_ray(), num_cpus, num_gpus)

    # --- the contract -----------------------------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        return len(self._workers.slots)

    @property
    def device(self) -> str:
        assert self._workers.device is not None
        return self._workers.device

    @property
    def hardware(self) -> Sequence[str]:
        return sorted({slot.hardware for slot in self._workers.slots})

    def capacity(self) -> int:
        batch = self._queue.batch
        # One job waits here where there is no worker for it: the search then waits for us, and hears why.
        return max(0, max(1, self.workers) * batch.size * batch.depth - self._in_flight)

    def submit(self, jobs: Sequence[Job]) -> None:
        if len(jobs) > self.capacity():
            raise ValueError(f"{len(jobs)} jobs were submitted and only {self.capacity()} can be started")
        self._in_flight += len(jobs)
        self._queue.add(jobs)
        self._queue.dispatch()

    def completed(self, timeout: float | None = None) -> list[Completion]:
        until = math.inf if timeout is None else time.monotonic() + timeout
        while self._in_flight:
            if self._until is not None and self.now() >= self._until:
                return self._broken_off()
            done = self._collect(min(until, self._next_deadline()))
            self._in_flight -= len(done)
            self._look_around()
            self._queue.dispatch()
            if done or time.monotonic() >= until:
                return done
        self._collect(0.0)  # workers may have started meanwhile
        self._look_around()
        return []

    def now(self) -> float:
        return time.monotonic() - self._began

    def stop_at(self, seconds: float | None) -> None:
        self._until = seconds

    def limit(self, seconds: float | None) -> None:
        self._queue.timeout = seconds

    def rest(self) -> None:
        if self._in_flight:
            raise ValueError(f"{self._in_flight} evaluations are in flight")
        if self._elastic is not None and not self._watch.lost:
            self._elastic.rest()
        self._workers.rest()

    def wake(self) -> None:
        self._watch.check()
        if self._elastic is not None:
            self._elastic.ask()
        self._workers.wake()

    def serve(self, study: str) -> None:
        self._queue.study = self._workers.title = study

    def log_places(self) -> dict[str, str]:
        return log_places()

    def running(self) -> list[Running]:
        now = time.monotonic()
        return [
            Running(slot.calls[0].jobs[0].id, slot.name, now - slot.since, len(slot.calls[0].jobs) - 1)
            for slot in self._workers.slots
            if slot.calls
        ]

    def news(self) -> list[str]:
        return [*self._workers.missing.news(), *self._watch.news()]

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._watch.close()
        if self._elastic is not None and not self._watch.lost:
            self._elastic.give_back()
        self._workers.end()
        self._in_flight = 0
        if self._started_ray:
            import ray

            ray.shutdown()

    @property
    def notice(self) -> str:
        return f"Ray's dashboard: {self.dashboard_url} ({self.dashboard_login})" if self.dashboard_url else ""

    def observer(self) -> Observer:
        job = submitted_job()
        return Several([RayMetrics(self._workers.counts), *([RayJob(job)] if job else [])])

    # --- what only this pool has ------------------------------------------------------------------------------------

    @property
    def dashboard_url(self) -> str | None:
        """Where Ray's dashboard is, or None when it is off."""
        return self._dashboard_url

    @property
    def dashboard_login(self) -> str:
        """How to log in to the dashboard, as half a sentence."""
        if os.environ.get("RAY_AUTH_MODE", "token") != "token":
            return "it asks for no token"
        return "it asks for a token: print it with `ray get-auth-token`"

    # --- collecting -------------------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Looks at the cluster, from time to time: at workers that are missing, nodes that come, go, or are drained.

        Raises:
            WorkersLost: the cluster is gone, or no worker is left.
        """
        self._watch.check()
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        self._workers.leave_drained(self._workers.missing.say)
        self._workers.give_up()
        if self._elastic is not None:
            self._elastic.look(self._workers.missing.say)

    def _next_deadline(self) -> float:
        """Returns when something has to be done even if no worker reports."""
        found = [self._deadline(slot) for slot in self._workers.slots]
        found.append(time.monotonic() + _LOOK_SECONDS)
        if self._until is not None:
            found.append(self._began + self._until)
        return min(found)

    def _deadline(self, slot: Slot) -> float:
        """Returns when a worker's first call is overdue."""
        timeout, batch = self._queue.timeout, self._queue.batch
        if timeout is None or not slot.calls:
            return math.inf
        jobs = len(slot.calls[0].jobs)
        usual = batch.expected(jobs) if jobs > 1 else 0.0
        return slot.since + timeout + usual + _GRACE_SECONDS

    def _collect(self, until: float) -> list[Completion]:
        """Waits for the first news until `until`, then takes all that has arrived."""
        import ray

        references = [slot.starting for slot in self._workers.starting()]
        references += [call.reference for slot in self._workers.slots for call in slot.calls]
        left = max(0.0, until - time.monotonic())
        if not references:  # nothing is under way; or no worker is left, and some may come
            time.sleep(min(left, _LOOK_SECONDS))
            return []
        ray.wait(references, num_returns=1, timeout=left)
        arrived = set(ray.wait(references, num_returns=len(references), timeout=0)[0])
        done: list[Completion] = []
        for slot in list(self._workers.slots):
            if slot.starting in arrived:
                self._workers.started(slot)
            while slot.calls and slot.calls[0].reference in arrived:
                done += self._finished(slot)
            if slot.calls and time.monotonic() >= self._deadline(slot):
                done += self._replace(slot, "timeout", f"took longer than {self._queue.timeout:g} s")
        return done

    def _finished(self, slot: Slot) -> list[Completion]:
        """Takes the result of a slot's first call; returns the completions that are clear."""
        process, call = slot.process, slot.calls[0]
        found = answer_of(call.reference)
        if isinstance(found, Loss):
            self._watch.check(now=True)
            if found.fault == "lost" and (found.preempted or self._workers.leaves_with(slot)):
                self._renew(slot)  # nobody's fault: it goes on elsewhere, before all others
                return []
            return self._replace(slot, found.fault, found.error)
        slot.calls.popleft()
        slot.since = time.monotonic()
        self._queue.batch.observe(found.seconds, len(call.jobs))
        # What is left behind must not harm the next one.
        if found.grown or any(item.fault == "memory" for item in found.done):
            self._renew(slot)
        return self._queue.settled(process, found.done, call.jobs)

    def _replace(self, slot: Slot, fault: Fault, error: str) -> list[Completion]:
        """Replaces a worker whose first call is lost. A job that ran alone is blamed; the others run again."""
        jobs, elapsed = slot.calls.popleft().jobs, time.monotonic() - slot.since
        alone = len(jobs) == 1
        if not alone:
            self._queue.suspect(jobs)
        self._renew(slot)
        blamed = [Completion(jobs[0].id, None, fault, error, elapsed, slot.name)] if alone else []
        return self._queue.settled(None, blamed, jobs)

    def _renew(self, slot: Slot) -> None:
        """Puts a fresh worker into a slot; what the old one had not begun goes back to the queue."""
        self._queue.take_back(slot.calls)
        slot.calls.clear()
        self._workers.restart(slot)

    def _broken_off(self) -> list[Completion]:
        """Ends all evaluations under way, because nobody wants their results any more."""
        jobs = [job for slot in self._workers.slots for call in slot.calls for job in call.jobs]
        jobs += self._queue.clear()
        self._in_flight = 0
        for slot in list(self._workers.slots):
            if slot.calls:
                slot.calls.clear()
                self._workers.restart(slot)
        return [Completion(job.id, None, "stopped", "the search's time was over", 0.0) for job in jobs]
