"""The actors of a Ray pool, each in a slot that outlives it: replaced where one ends, given up where none can be."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.errors import WorkersUnavailable
from automl.pool import Job, WorkerSetup
from automl.storage.processes import Process
from workers.pools import actor as actor_module
from workers.pools.blame import one_line
from workers.pools.missing import MissingWorkers
from workers.pools.naming import LONGEST
from workers.pools.ray_connection import pack
from workers.pools.ray_watch import ClusterWatch, Node
from workers.pools.threads import environment, threads_of

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
    node: str = ""  # where it is; once it has started
    pinned: str = ""  # the only node where it may be; empty where Ray chooses
    leaves: bool = False  # its node is being drained: it is given nothing more
    started: int = 0  # how often
    asked: float = 0.0  # when Ray was asked to start the worker, on the clock of `time.monotonic`


def there(path: str, shipped: str | None) -> str:
    """Returns a path of this machine as workers find it: relative to their working directory below what was shipped.

    Example:
        >>> there("/home/me/project/spaces/mine.py", "/home/me/project"), there("/usr/lib", "/home/me/project")
        ('spaces/mine.py', '/usr/lib')
    """
    whole = os.path.abspath(path)
    if shipped is None or not Path(whole).is_relative_to(shipped):
        return whole
    return os.path.relpath(whole, shipped)


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
        watch: knows the nodes.
        device: what all workers compute on; None until they are up.
        follows: True where slots belong to nodes and come and go with them.
        title: as above; a new one holds for the workers started from then on.
    """

    def __init__(self, num_cpus: float, num_gpus: float, memory: int | None, title: str = "automl") -> None:
        self.slots: list[Slot] = []
        self._resting: list[Slot] = []  # places without a worker while the search is paused
        self.missing = MissingWorkers()
        self.device: str | None = None
        self.title = title
        self.num_cpus, self.num_gpus, self.memory = num_cpus, num_gpus, memory
        self.follows = False
        self.watch: ClusterWatch
        self.refused: set[str] = set()  # nodes on which no worker starts, or that compute on another kind of device
        self._number = 0
        self._said_leaving: set[str] = set()

    def prepare(self, plan: WorkerSetup, watch: ClusterWatch, watches: bool, shipped: str | None) -> None:
        """Packs what travels to each worker once.

        Args:
            plan: what all jobs have in common.
            watch: knows the nodes.
            watches: True if nodes may be drained while others go on.
            shipped: folder here that workers have as their working directory; None where they have none.

        Raises:
            InvalidInput: the plan cannot be sent.
        """
        import ray

        self.watch = watch
        self._watches = watches
        self._versions = actor_module.versions_here()
        self._actor = ray.remote(actor_module.Worker)
        self._options: dict[str, Any] = {
            "num_cpus": self.num_cpus,
            "num_gpus": self.num_gpus,
            "max_restarts": 0,
            "runtime_env": {"env_vars": environment(self.num_cpus)},
            "namespace": f"automl-{uuid.uuid4().hex}",  # names of actors are unique in one
        }
        self._path = [there(folder, shipped) for folder in sys.path]
        self._packed = ray.put(pack(plan, lambda file: there(file, shipped)))

    def add(self, pinned: str = "") -> Slot:
        """Starts one more worker.

        Args:
            pinned: the only node where it may be; empty where Ray chooses.
        """
        slot = Slot(f"ray-{self._number}", pinned=pinned)
        self._number += 1
        self.slots.append(slot)
        self._fill(slot)
        return slot

    def ready(self) -> list[Slot]:
        """Returns the slots whose worker has started, on a node that stays."""
        return [slot for slot in self.slots if slot.starting is None and not slot.leaves]

    def starting(self) -> list[Slot]:
        """Returns the slots whose worker has not started yet."""
        return [slot for slot in self.slots if slot.starting is not None]

    def counts(self) -> dict[str, int]:
        """Returns numbers of workers: those that are up, those without work among them, those missing, their nodes."""
        ready = self.ready()
        return {
            "ready": len(ready),
            "idle": sum(not slot.calls for slot in ready),
            "missing": len(self.slots) - len(ready),
            "nodes": len({slot.process.host for slot in ready if slot.process is not None}),
        }

    def restart(self, slot: Slot) -> None:
        """Ends a slot's worker and starts another one there. A slot ends with the node that it belongs to."""
        if self.follows and not self._may_be(slot.pinned):
            self.retire(slot)
            return
        self._kill(slot)
        self._fill(slot)

    def retire(self, slot: Slot) -> None:
        """Ends a slot, and the worker in it."""
        self.missing.forget(slot.name)
        self._kill(slot)
        self.slots = [one for one in self.slots if one is not slot]

    def started(self, slot: Slot) -> str:
        """Takes a worker's news that it is ready; returns its device, or "" where it has to be started once more.

        Raises:
            WorkersUnavailable: it came back on another kind of device too often.
            WorkersLost: it cannot be started and was the last one.
        """
        import ray

        try:
            device, slot.process, slot.hardware, slot.node = ray.get(slot.starting)
        except ray.exceptions.RayError as error:
            self._failed(slot, error)
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
        if self.follows:  # whoever follows the nodes waits for them, not for workers
            return
        starting = [slot.name for slot in self.starting()]
        gone = self.missing.look(starting, len(self.slots) - len(starting))
        if gone:
            self._drop([slot for slot in self.slots if slot.name in gone])

    def rest(self) -> None:
        """Ends all workers, none of which has work, and keeps their places for `wake`."""
        self._resting += self.slots
        self.slots = []
        for slot in self._resting:
            self.missing.forget(slot.name)  # whom nobody wants is not missing, however long the pause is
            slot.failed_starts = 0
            self._kill(slot)

    def wake(self) -> None:
        """Starts the workers again that `rest` ended, but those whose node has left the cluster meanwhile.

        Those that Ray finds no place for are missing, like any other.
        """
        kept = [slot for slot in self._resting if not self.follows or self._may_be(slot.pinned)]
        self.slots, self._resting = [*self.slots, *kept], []
        for slot in kept:
            self._fill(slot)

    def leave_drained(self, say: Callable[[str], None]) -> None:
        """Gives workers of nodes that are being drained nothing more; idle ones are started elsewhere."""
        leaving = {node.id: node for node in self.watch.nodes if node.leaves}
        if not leaving:
            return
        for slot in list(self.slots):
            if slot.starting is not None or slot.node not in leaving:
                continue
            slot.leaves = True
            if slot.node not in self._said_leaving:
                self._said_leaving.add(slot.node)
                say(
                    f"node {leaving[slot.node].name} is being drained: its workers get nothing more, and what is under "
                    "way there goes on elsewhere if it does not end in time"
                )
            if not slot.calls:
                self.restart(slot)

    def leaves_with(self, slot: Slot) -> bool:
        """Returns whether a worker's node is being drained."""
        return slot.node != "" and slot.node in self.watch.leaving()

    def end(self) -> None:
        """Ends all workers."""
        for slot in self.slots:
            if slot.actor is not None:
                self._kill(slot)
        self.slots = []

    def _may_be(self, node: str) -> bool:
        return any(one.id == node and not one.leaves for one in self.watch.nodes) and node not in self.refused

    def _fill(self, slot: Slot) -> None:
        slot.started += 1
        again = f", start {slot.started}" if slot.started > 1 else ""
        options = {**self._options, "name": f"{self.title[:LONGEST]} {slot.name}{again}"}
        slot.node, slot.leaves = "", False
        if slot.pinned:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(slot.pinned, soft=False)
        slot.actor = self._actor.options(**options).remote(
            self._packed,
            slot.name,
            self._path,
            threads_of(self.num_cpus),
            self.memory,
            self._versions,
            self._watches,
        )
        slot.starting = slot.actor.ready.remote()
        slot.asked = time.monotonic()

    def _kill(self, slot: Slot) -> None:
        """Ends a worker at once, even one that holds Python's lock in a call into C, which keeps Ray waiting."""
        import ray

        if slot.process is not None:
            slot.process.kill()
            slot.process = None
        if not self.watch.lost:
            ray.kill(slot.actor)

    def _failed(self, slot: Slot, error: Exception) -> None:
        """Starts a worker once more that could not be started, or gives it up."""
        import ray

        slot.failed_starts += 1
        # What Ray could not place on its node says nothing of the node: there may be room again later.
        unplaced = isinstance(error, ray.exceptions.ActorUnschedulableError)
        if self.follows and (unplaced or not self._may_be(slot.pinned)):
            self.retire(slot)
        elif self.follows and slot.failed_starts >= _MOST_FAILED_STARTS:
            self.refused.add(slot.pinned)
            name = next((node.name for node in self.watch.nodes if node.id == slot.pinned), slot.pinned)
            self.missing.say(f"no worker can be started on node {name}: {one_line(error)}; it is left out")
            self.retire(slot)
        elif slot.failed_starts >= _MOST_FAILED_STARTS:
            self.missing.give_up(slot.name, f"it cannot be started again: {one_line(error)}")
            slot.starting = None
            self._drop([slot])
        else:
            self._fill(slot)

    def _refuse(self, slot: Slot, device: str, declared: str | None) -> None:
        """Gives back a worker whose kind of device is not the one that the search declared when it started."""
        host = slot.process.host if slot.process is not None else "unknown"
        if self.follows:
            self.refused.add(slot.pinned)
            self.missing.say(
                f"node {host} ({slot.hardware}) computes on {device}, and this search declared {declared} when it "
                "started: it is left out"
            )
            self.retire(slot)
            return
        slot.failed_starts += 1
        if slot.failed_starts >= _MOST_FAILED_STARTS:
            raise WorkersUnavailable(
                f"worker {slot.name} came back on node {host} ({slot.hardware}), which computes on {device}, and this "
                f"search declared {declared} when it started; give it a node with {declared}, then resume"
            )
        self.restart(slot)

    def _drop(self, slots: Sequence[Slot]) -> None:
        for slot in slots:
            self._kill(slot)
        self.slots = [slot for slot in self.slots if slot not in slots]
        if not self.slots and not self.follows:
            raise self.missing.none_left()

    def mixed(self, devices: Mapping[str, str]) -> str:
        """Returns the sentence for workers of several kinds of device."""
        kinds = [
            f"{', '.join(sorted(name for name, one in devices.items() if one == kind))} on {kind} "
            f"({', '.join(sorted({slot.hardware for slot in self.slots if devices.get(slot.name) == kind}))})"
            for kind in sorted(set(devices.values()))
        ]
        return (
            f"the workers compute on different kinds of device: {'; '.join(kinds)}; figures of one context come from "
            "one kind, so leave the other nodes out, or ask for workers that only one kind can hold (--gpus-per-worker)"
        )

    def on(self, node: Node) -> int:
        """Returns the number of workers on a node."""
        return sum(node.id in (slot.node, slot.pinned) for slot in self.slots)
