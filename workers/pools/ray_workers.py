"""The actors of a Ray pool: started together, replaced where one ends, given up where Ray cannot place one."""

from __future__ import annotations

import os
import sys
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl.errors import InvalidInput, WorkersUnavailable
from automl.pool import Job, WorkerSetup
from automl.storage.processes import Process
from workers.pools import actor as actor_module
from workers.pools.blame import one_line
from workers.pools.missing import MissingWorkers
from workers.pools.naming import LONGEST
from workers.pools.ray_connection import innermost, pack, room, too_many
from workers.pools.threads import environment, threads_of

_START_SECONDS = 300.0  # for all workers to come up
_MOST_FAILED_STARTS = 3


@dataclass
class Call:
    """One batch on its way."""

    reference: Any
    jobs: list[Job]


@dataclass
class Slot:
    """One place for a worker, and the actor that fills it now."""

    name: str
    actor: Any = None
    starting: Any = None  # the reference that resolves when the actor is ready; None afterwards
    calls: deque[Call] = field(default_factory=deque)
    since: float = 0.0  # when the first of `calls` began, as far as the driver knows
    failed_starts: int = 0
    process: Process | None = None  # once it has started
    hardware: str = ""
    started: int = 0  # how often


class RayWorkers:
    """The workers of one pool, each in a slot that outlives it.

    Args:
        num_cpus: CPUs of each worker, which are also its threads.
        num_gpus: GPUs of each worker.
        memory: bytes that the evaluations of one worker may take; None sets no limit.
        title: under which workers are shown.

    Attributes:
        slots: the places that are left.
        missing: watches the workers that are being started again.
        device: what all workers compute on; None until they are up.
        title: as above; a new one holds for the workers started from then on.
    """

    def __init__(self, num_cpus: float, num_gpus: float, memory: int | None, title: str = "automl") -> None:
        self.slots: list[Slot] = []
        self.missing = MissingWorkers()
        self.device: str | None = None
        self.title = title
        self._num_cpus, self._num_gpus, self._memory = num_cpus, num_gpus, memory

    def start(self, plan: WorkerSetup, workers: int | None) -> None:
        """Starts all workers, and waits until they are up.

        Args:
            plan: what all jobs have in common; it travels to each worker once.
            workers: how many; None takes as many as fit.

        Raises:
            WorkersUnavailable: they do not fit, do not start in time, or compute on several kinds of device.
            InvalidInput: they cannot load the plan.
        """
        import ray

        most = room(self._num_cpus, self._num_gpus)
        count = most if workers is None else workers
        if count > most or count < 1:
            raise WorkersUnavailable(too_many(count, self._num_cpus, self._num_gpus, most))
        self._actor_class = ray.remote(actor_module.Worker)
        self._options = {
            "num_cpus": self._num_cpus,
            "num_gpus": self._num_gpus,
            "max_restarts": 0,
            "runtime_env": {"env_vars": environment(self._num_cpus)},
            "namespace": f"automl-{uuid.uuid4().hex}",  # names of actors are unique in one
        }
        self._packed = ray.put(pack(plan))
        self.slots = [Slot(f"ray-{i}") for i in range(count)]
        for slot in self.slots:
            self._fill(slot)
        self.device = self._await_start()

    def ready(self) -> list[Slot]:
        """Returns the slots whose worker has started."""
        return [slot for slot in self.slots if slot.starting is None]

    def starting(self) -> list[Slot]:
        """Returns the slots whose worker has not started yet."""
        return [slot for slot in self.slots if slot.starting is not None]

    def restart(self, slot: Slot) -> None:
        """Ends a slot's worker and starts another one there."""
        self._kill(slot)
        self._fill(slot)

    def started(self, slot: Slot) -> str:
        """Takes a worker's news that it is ready; returns its device, or "" where it has to be started once more.

        Raises:
            WorkersUnavailable: it came back on another kind of device too often.
            WorkersLost: it cannot be started and was the last one.
        """
        import ray

        try:
            device, slot.process, slot.hardware = ray.get(slot.starting)
        except ray.exceptions.RayError as error:
            slot.failed_starts += 1
            if slot.failed_starts >= _MOST_FAILED_STARTS:
                self.missing.give_up(slot.name, f"it cannot be started again: {one_line(error)}")
                slot.starting = None
                self._drop([slot])
            else:
                self._fill(slot)
            return ""
        if self.device not in (None, device):
            self._refuse(slot, str(device), self.device)
            return ""
        slot.starting, slot.failed_starts = None, 0
        self.missing.there(slot.name)
        return str(device)

    def give_up(self) -> None:
        """Says which workers are missing, and gives up those that have been for too long.

        Raises:
            WorkersLost: none is left.
        """
        starting = [slot.name for slot in self.starting()]
        gone = self.missing.look(starting, len(self.slots) - len(starting))
        if gone:
            self._drop([slot for slot in self.slots if slot.name in gone])

    def end(self) -> None:
        """Ends all workers."""
        for slot in self.slots:
            if slot.actor is not None:
                self._kill(slot)
        self.slots = []

    def _fill(self, slot: Slot) -> None:
        slot.started += 1
        again = f", start {slot.started}" if slot.started > 1 else ""
        named = self._actor_class.options(**self._options, name=f"{self.title[:LONGEST]} {slot.name}{again}")
        slot.actor = named.remote(
            self._packed,
            slot.name,
            [os.path.abspath(folder) for folder in sys.path],
            threads_of(self._num_cpus),
            self._memory,
        )
        slot.starting = slot.actor.ready.remote()

    def _kill(self, slot: Slot) -> None:
        """Ends a worker at once, even one that holds Python's lock in a call into C, which keeps Ray waiting."""
        import ray

        if slot.process is not None:
            slot.process.kill()
            slot.process = None
        ray.kill(slot.actor)

    def _refuse(self, slot: Slot, device: str, declared: str | None) -> None:
        """Gives back a worker whose kind of device is not the one that the search declared when it started."""
        slot.failed_starts += 1
        if slot.failed_starts >= _MOST_FAILED_STARTS:
            host = slot.process.host if slot.process is not None else "unknown"
            raise WorkersUnavailable(
                f"worker {slot.name} came back on node {host} ({slot.hardware}), which computes on {device}, and this "
                f"search declared {declared} when it started; give it a node with {declared}, then resume"
            )
        self.restart(slot)

    def _drop(self, slots: Sequence[Slot]) -> None:
        import ray

        for slot in slots:
            ray.kill(slot.actor)
        self.slots = [slot for slot in self.slots if slot not in slots]
        if not self.slots:
            raise self.missing.none_left()

    def _await_start(self) -> str:
        """Returns the device of all workers once they are up."""
        import ray

        references = [slot.starting for slot in self.slots]
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
        devices = {slot.name: self.started(slot) for slot in self.slots}
        if len(set(devices.values())) > 1:
            raise WorkersUnavailable(self._mixed(devices))
        return next(iter(devices.values()))

    def _mixed(self, devices: Mapping[str, str]) -> str:
        """Returns the sentence for workers of several kinds of device."""
        kinds = [
            f"{', '.join(sorted(name for name, one in devices.items() if one == kind))} on {kind} "
            f"({', '.join(sorted({slot.hardware for slot in self.slots if devices[slot.name] == kind}))})"
            for kind in sorted(set(devices.values()))
        ]
        return (
            f"the workers compute on different kinds of device: {'; '.join(kinds)}; figures of one context come from "
            "one kind, so leave the other nodes out, or ask for workers that only one kind can hold (--gpus-per-worker)"
        )

    def _tight(self) -> str:
        return f" (each may take {self._memory:,} bytes)" if self._memory is not None else ""
