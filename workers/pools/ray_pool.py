"""The pool on Ray: reused actors, batches sized by time, and nobody blamed for what others did."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl.errors import InvalidInput, WorkersUnavailable
from automl.pool import Completion, Fault, Job, Pool, Running, WorkerSetup
from automl.storage.processes import Process
from workers.pools import actor as actor_module
from workers.pools.batching import BatchSize
from workers.pools.blame import blame, one_line
from workers.pools.missing import MissingWorkers
from workers.pools.ray_connection import check_numbers, connect, dashboard_url, innermost, pack, room, too_many
from workers.pools.ray_metrics import RayMetrics
from workers.pools.second import verdict
from workers.pools.threads import environment, threads_of

_START_SECONDS = 300.0  # for all workers to come up
_GRACE_SECONDS = 1.0  # for what overruns its limit to be interrupted from inside, before its worker is ended
_LOOK_SECONDS = 1.0  # how often missing workers are looked at while others are waited for
_MOST_FAILED_STARTS = 3


@dataclass
class _Call:
    """One batch on its way."""

    reference: Any
    jobs: list[Job]


@dataclass
class _Slot:
    """One place for a worker, and the actor that fills it now."""

    name: str
    actor: Any
    starting: Any  # the reference that resolves when the actor is ready; None afterwards
    calls: deque[_Call] = field(default_factory=deque)
    since: float = 0.0  # when the first of `calls` began, as far as the driver knows
    failed_starts: int = 0
    process: Process | None = None  # once it has started
    hardware: str = ""


@dataclass
class _First:
    """A first try whose failure is not clear: the job has to fail in another process, too."""

    completion: Completion
    job: Job
    process: Process | None


class RayPool(Pool):
    """Runs evaluations in Ray actors, which are reused.

    A worker that dies is replaced. When it held several evaluations, those it had not reported are run again one by
    one, and only one that dies alone is blamed ("lost"). One that takes too long is interrupted ("timeout"), and its
    worker ended where that does not help. What a machine may have caused is tried again by another worker, or by a
    fresh one where there is no other. A worker that Ray cannot place is waited for, said to be missing, and given up.

    Args:
        plan: what all jobs have in common; it travels to each worker once.
        workers: number of actors; None takes one per `num_cpus` (and `num_gpus`) that Ray has.
        num_cpus: CPUs of each worker, which are also its threads.
        num_gpus: GPUs of each worker; fractions share one.
        memory: bytes that the evaluations of one worker may take on top of what it holds when idle; None sets no limit.
        address: of a running Ray cluster; None starts a local one on the loopback interface and stops it with the pool.
            A Ray that this process is already connected to is used in either case, and left running.
        dashboard: whether a local Ray starts its dashboard.

    Raises:
        WorkersUnavailable: Ray cannot be reached, or has fewer resources than the workers need.
        InvalidInput: a number makes no sense, or the workers cannot load the plan.
    """

    def __init__(
        self,
        plan: WorkerSetup,
        *,
        workers: int | None = None,
        num_cpus: float = 1.0,
        num_gpus: float = 0.0,
        memory: int | None = None,
        address: str | None = None,
        dashboard: bool = True,
    ) -> None:
        check_numbers(workers, num_cpus, num_gpus, memory)
        self._plan, self._memory, self._threads = plan, memory, threads_of(num_cpus)
        self._started_ray = connect(address, dashboard)
        self._dashboard_url = dashboard_url()
        self._closed = False
        self._slots: list[_Slot] = []
        self._waiting: deque[Job] = deque()
        self._suspects: deque[Job] = deque()  # to be run alone
        self._firsts: dict[int, _First] = {}  # by job
        self._seconds: deque[int] = deque()  # jobs among them that wait for another process
        self._timeout = plan.timeout
        self._until: float | None = None  # on our clock: what runs beyond it is broken off
        self._missing = MissingWorkers()
        self._in_flight = 0
        self._batch = BatchSize()
        self._device: str | None = None  # declared when all workers are up
        self._began = time.monotonic()
        try:
            most = room(num_cpus, num_gpus)
            count = most if workers is None else workers
            if count > most or count < 1:
                raise WorkersUnavailable(too_many(count, num_cpus, num_gpus, most))
            import ray

            self._make_actor = ray.remote(actor_module.Worker).options(
                num_cpus=num_cpus, num_gpus=num_gpus, max_restarts=0, runtime_env={"env_vars": environment(num_cpus)}
            )
            self._packed = ray.put(pack(plan))
            self._slots = [self._start(_Slot(f"ray-{i}", None, None)) for i in range(count)]
            self._device = self._await_start()
        except BaseException:
            self.close()
            raise

    # --- the contract -----------------------------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        return len(self._slots)

    @property
    def device(self) -> str:
        assert self._device is not None
        return self._device

    @property
    def hardware(self) -> Sequence[str]:
        return sorted({slot.hardware for slot in self._slots})

    def capacity(self) -> int:
        return max(0, len(self._slots) * self._batch.size * self._batch.depth - self._in_flight)

    def submit(self, jobs: Sequence[Job]) -> None:
        if len(jobs) > self.capacity():
            raise ValueError(f"{len(jobs)} jobs were submitted and only {self.capacity()} can be started")
        self._in_flight += len(jobs)
        self._waiting.extend(jobs)
        self._dispatch()

    def completed(self, timeout: float | None = None) -> list[Completion]:
        until = math.inf if timeout is None else time.monotonic() + timeout
        while self._in_flight:
            if self._until is not None and self.now() >= self._until:
                return self._broken_off()
            done = self._collect(min(until, self._next_deadline()))
            self._in_flight -= len(done)
            self._give_up()
            self._dispatch()
            if done or time.monotonic() >= until:
                return done
        return []

    def now(self) -> float:
        return time.monotonic() - self._began

    def stop_at(self, seconds: float | None) -> None:
        self._until = seconds

    def limit(self, seconds: float | None) -> None:
        self._timeout = seconds

    def running(self) -> list[Running]:
        now = time.monotonic()
        return [
            Running(slot.calls[0].jobs[0].id, slot.name, now - slot.since, len(slot.calls[0].jobs) - 1)
            for slot in self._slots
            if slot.calls
        ]

    def news(self) -> list[str]:
        return self._missing.news()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        import ray

        for slot in self._slots:
            if slot.actor is not None:
                self._kill(slot)
        self._slots, self._in_flight = [], 0
        if self._started_ray:
            ray.shutdown()

    @property
    def notice(self) -> str:
        return f"Ray's dashboard: {self.dashboard_url} ({self.dashboard_login})" if self.dashboard_url else ""

    def observer(self) -> RayMetrics:
        return RayMetrics()

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

    # --- dispatching ------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        ready = [slot for slot in self._slots if slot.starting is None]
        for slot in ready:
            if not slot.calls:
                self._send_alone(slot)
        alone = bool(self._suspects or self._seconds)  # they want an idle worker, so none is given more than it has
        while self._waiting:
            open_slots = [slot for slot in ready if len(slot.calls) < (1 if alone else self._batch.depth)]
            if not open_slots:
                return
            slot = min(open_slots, key=lambda item: len(item.calls))
            share = math.ceil(len(self._waiting) / len(open_slots))
            self._send(slot, [self._waiting.popleft() for _ in range(min(self._batch.size, share))])

    def _send_alone(self, slot: _Slot) -> None:
        """Gives an idle worker a job that has to run alone, where there is one for it."""
        for number in list(self._seconds):
            first = self._firsts[number]
            if first.process != slot.process:
                self._seconds.remove(number)
                self._send(slot, [first.job])
                return
        if self._suspects:
            self._send(slot, [self._suspects.popleft()])
        elif self._seconds and len(self._slots) == 1:  # only a fresh worker is another process
            self._replace(slot, "lost", "")

    def _send(self, slot: _Slot, jobs: list[Job]) -> None:
        if not slot.calls:
            slot.since = time.monotonic()
        slot.calls.append(_Call(slot.actor.run.remote(jobs, self._timeout), jobs))

    def _next_deadline(self) -> float:
        """Returns when something has to be done even if no worker reports."""
        found = [self._deadline(slot) for slot in self._slots]
        if any(slot.starting is not None for slot in self._slots):
            found.append(time.monotonic() + _LOOK_SECONDS)
        if self._until is not None:
            found.append(self._began + self._until)
        return min(found, default=math.inf)

    def _deadline(self, slot: _Slot) -> float:
        if self._timeout is None or not slot.calls:
            return math.inf
        jobs = len(slot.calls[0].jobs)
        usual = self._batch.expected(jobs) if jobs > 1 else 0.0
        return slot.since + self._timeout + usual + _GRACE_SECONDS

    # --- collecting -------------------------------------------------------------------------------------------------

    def _collect(self, until: float) -> list[Completion]:
        """Waits for the first news until `until`, then takes all that has arrived."""
        import ray

        references = [slot.starting for slot in self._slots if slot.starting is not None]
        references += [call.reference for slot in self._slots for call in slot.calls]
        left = None if until == math.inf else max(0.0, until - time.monotonic())
        ray.wait(references, num_returns=1, timeout=left)
        arrived = set(ray.wait(references, num_returns=len(references), timeout=0)[0])
        done: list[Completion] = []
        for slot in self._slots:
            if slot.starting in arrived:
                self._started(slot)
            while slot.calls and slot.calls[0].reference in arrived:
                done += self._settled(slot.process, *self._finished(slot))
            if slot.calls and time.monotonic() >= self._deadline(slot):
                done += self._settled(None, *self._replace(slot, "timeout", f"took longer than {self._timeout:g} s"))
        return done

    def _settled(self, process: Process | None, done: list[Completion], jobs: Sequence[Job]) -> list[Completion]:
        """Returns what is clear of some completions; the others wait for a second process."""
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

    def _broken_off(self) -> list[Completion]:
        """Ends all evaluations under way, because nobody wants their results any more."""
        calls = [call for slot in self._slots for call in slot.calls]
        jobs = [job for call in calls for job in call.jobs]
        jobs += [*self._waiting, *self._suspects, *(self._firsts[number].job for number in self._seconds)]
        self._waiting.clear()
        self._suspects.clear()
        self._seconds.clear()
        self._firsts.clear()
        self._in_flight = 0
        for slot in self._slots:
            if slot.calls:
                slot.calls.clear()
                self._restart(slot)
        return [Completion(job.id, None, "stopped", "the search's time was over", 0.0) for job in jobs]

    def _finished(self, slot: _Slot) -> tuple[list[Completion], list[Job]]:
        """Takes the result of a slot's first call; returns completions, and the jobs that they are of."""
        import ray

        call = slot.calls[0]
        try:
            seconds, done = ray.get(call.reference)
        except ray.exceptions.RayTaskError as error:  # the worker lives; what went wrong was not inside an evaluation
            fault: Fault = "memory" if blame(error.cause) == "memory" else "environment"
            return self._replace(slot, fault, one_line(error.cause))
        except ray.exceptions.OutOfMemoryError:
            return self._replace(slot, "memory", "Ray killed its worker because the machine ran out of memory")
        except ray.exceptions.RayError as error:
            return self._replace(slot, "lost", f"its worker process died ({_exit_type(error)})")
        slot.calls.popleft()
        slot.since = time.monotonic()
        self._batch.observe(seconds, len(call.jobs))
        if any(item.fault == "memory" for item in done):  # what is left of it must not harm the next one
            self._replace(slot, "memory", "")
        return list(done), call.jobs

    def _replace(self, slot: _Slot, fault: Fault, error: str) -> tuple[list[Completion], list[Job]]:
        """Puts a fresh worker into a slot. A job that ran alone is blamed; others are run again."""
        calls, slot.calls = slot.calls, deque()
        elapsed = time.monotonic() - slot.since
        blamed, jobs = [], []
        if calls and error:
            jobs = calls.popleft().jobs
            if len(jobs) == 1:
                blamed = [Completion(jobs[0].id, None, fault, error, elapsed, slot.name)]
            else:
                self._suspects.extend(jobs)
        for call in reversed(calls):  # had not begun
            self._waiting.extendleft(reversed(call.jobs))
        self._restart(slot)
        return blamed, jobs

    # --- workers ----------------------------------------------------------------------------------------------------

    def _start(self, slot: _Slot) -> _Slot:
        slot.actor = self._make_actor.remote(
            self._packed, slot.name, [os.path.abspath(folder) for folder in sys.path], self._threads, self._memory
        )
        slot.starting = slot.actor.ready.remote()
        return slot

    def _restart(self, slot: _Slot) -> None:
        self._kill(slot)
        self._start(slot)

    def _kill(self, slot: _Slot) -> None:
        """Ends a worker at once, even one that holds Python's lock in a call into C, which keeps Ray waiting."""
        import ray

        if slot.process is not None:
            slot.process.kill()
            slot.process = None
        ray.kill(slot.actor)

    def _started(self, slot: _Slot) -> str:
        """Takes a worker's news that it is ready; returns its device, or "" where it has to be started once more."""
        import ray

        try:
            device, slot.process, slot.hardware = ray.get(slot.starting)
        except ray.exceptions.RayError as error:
            slot.failed_starts += 1
            if slot.failed_starts >= _MOST_FAILED_STARTS:
                self._missing.give_up(slot.name, f"it cannot be started again: {one_line(error)}")
                slot.starting = None
                self._drop([slot])
            else:
                self._start(slot)
            return ""
        if self._device not in (None, device):
            self._refuse(slot, str(device), self._device)
            return ""
        slot.starting, slot.failed_starts = None, 0
        self._missing.there(slot.name)
        return str(device)

    def _refuse(self, slot: _Slot, device: str, declared: str | None) -> None:
        """Gives back a worker whose kind of device is not the one that the search declared when it started."""
        slot.failed_starts += 1
        if slot.failed_starts >= _MOST_FAILED_STARTS:
            host = slot.process.host if slot.process is not None else "unknown"
            raise WorkersUnavailable(
                f"worker {slot.name} came back on node {host} ({slot.hardware}), which computes on {device}, and this "
                f"search declared {declared} when it started; give it a node with {declared}, then resume"
            )
        self._restart(slot)

    def _give_up(self) -> None:
        """Says which workers are missing, and gives up those that have been for too long.

        Raises:
            WorkersLost: none is left.
        """
        starting = [slot.name for slot in self._slots if slot.starting is not None]
        gone = self._missing.look(starting, len(self._slots) - len(starting))
        if gone:
            self._drop([slot for slot in self._slots if slot.name in gone])

    def _drop(self, slots: Sequence[_Slot]) -> None:
        import ray

        for slot in slots:
            ray.kill(slot.actor)
        self._slots = [slot for slot in self._slots if slot not in slots]
        if not self._slots:
            raise self._missing.none_left()

    def _await_start(self) -> str:
        """Returns the device of all workers once they are up."""
        import ray

        references = [slot.starting for slot in self._slots]
        up, _ = ray.wait(references, num_returns=len(references), timeout=_START_SECONDS)
        if len(up) < len(references):
            raise WorkersUnavailable(
                f"only {len(up)} of {len(references)} workers started within {_START_SECONDS:g} s; Ray's resources are "
                f"in use (free now: {ray.available_resources().get('CPU', 0):g} CPUs); stop other work or ask for fewer"  # type: ignore[no-untyped-call]
            )
        try:
            ray.get(references)
        except ray.exceptions.RayError as error:
            raise InvalidInput(f"the workers cannot start: {innermost(error)}{self._tight()}") from error
        devices = {slot.name: self._started(slot) for slot in self._slots}
        if len(set(devices.values())) > 1:
            raise WorkersUnavailable(self._mixed(devices))
        return next(iter(devices.values()))

    def _mixed(self, devices: Mapping[str, str]) -> str:
        """Returns the sentence for workers of several kinds of device."""
        kinds = [
            f"{', '.join(sorted(name for name, one in devices.items() if one == kind))} on {kind} "
            f"({', '.join(sorted({slot.hardware for slot in self._slots if devices[slot.name] == kind}))})"
            for kind in sorted(set(devices.values()))
        ]
        return (
            f"the workers compute on different kinds of device: {'; '.join(kinds)}; figures of one context come from "
            "one kind, so leave the other nodes out, or ask for workers that only one kind can hold (--gpus-per-worker)"
        )

    def _tight(self) -> str:
        return f" (each may take {self._memory:,} bytes)" if self._memory is not None else ""


def _exit_type(error: Exception) -> str:
    """Returns Ray's word for how a worker ended, out of a message of twenty lines."""
    found = re.search(r"exit type: (\w+)", str(error))
    return found.group(1) if found else type(error).__name__
