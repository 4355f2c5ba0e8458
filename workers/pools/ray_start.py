"""The start of a pool's workers: how many, what is waited for and for how long, and what is said meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from automl.errors import InvalidInput, WorkersUnavailable
from workers.pools.ray_connection import innermost
from workers.pools.ray_elastic import Elastic
from workers.pools.ray_room import free_room, in_use, room, too_many, wanted
from workers.pools.ray_watch import nodes_of_ray
from workers.pools.ray_workers import RayWorkers

WAIT_SECONDS = 300.0
"""For so long busy resources are waited for unless somebody says otherwise."""

_STEP_SECONDS = 0.5
_FREED_SECONDS = 3.0  # until Ray knows that what has just ended has ended
_LATE_SECONDS = 30.0  # after which workers beyond the least are not waited for


@dataclass(frozen=True)
class Demand:
    """How many workers a search wants.

    Attributes:
        workers: So many; None takes as many as fit.
        least: The search follows the nodes of the cluster, and begins once so many workers are up; None where it does
            not follow them.
        most: The largest number of workers of a search that follows; None sets no bound.
        wait: Seconds that are waited for resources; None waits `WAIT_SECONDS` for what is busy, and not at all for what
            the cluster does not have.

    Example:
        >>> Demand(workers=4).follows, Demand(least=1, most=8).follows
        (False, True)
    """

    workers: int | None = None
    least: int | None = None
    most: int | None = None
    wait: float | None = None

    @property
    def follows(self) -> bool:
        """True if workers are started on nodes that join, and given up with nodes that leave."""
        return self.least is not None or self.most is not None

    @property
    def at_least(self) -> int:
        """Number of workers without which a search that follows does not begin."""
        return self.least or 1


class Start:
    """Starts the workers of a pool, and waits until they are up.

    Args:
        workers: to be started; the plan is packed.
        demand: how many.
        say: tells the user.
    """

    def __init__(self, workers: RayWorkers, demand: Demand, say: Callable[[str], None]) -> None:
        self._workers, self._demand, self._say = workers, demand, say
        self._needs = workers.num_cpus, workers.num_gpus
        self._until = time.monotonic() + (WAIT_SECONDS if demand.wait is None else demand.wait)
        self.elastic = Elastic(workers, demand.most or demand.workers) if demand.follows else None

    def run(self) -> None:
        """Starts them.

        Raises:
            WorkersUnavailable: they do not fit, do not start in time, or compute on several kinds of device.
            InvalidInput: they cannot load the plan, or a node has other versions.
        """
        demand = self._demand
        if self.elastic is not None:
            self._workers.follows = True
            self.elastic.ask()
            needed = demand.at_least
            self._have_room(needed)
            self._say_what_is_busy(needed)
            self.elastic.look()
        else:
            self._have_room(demand.workers or 1)
            # Nodes may have come while they were waited for.
            needed = demand.workers or max(1, room(self._workers.watch.nodes, *self._needs))
            self._say_what_is_busy(needed)
            for _ in range(needed):
                self._workers.add()
        self._await(needed)

    def _have_room(self, needed: int) -> None:
        """Waits for nodes on which the workers fit, where somebody said that they may come."""
        watch = self._workers.watch
        said = False
        while room(watch.nodes, *self._needs) < needed:
            sentence = too_many(needed, *self._needs, watch.nodes)
            if self._demand.wait is None or time.monotonic() >= self._until:
                raise WorkersUnavailable(
                    f"{sentence}; --wait SECONDS waits for nodes that join" if not said else sentence
                )
            if not said:
                self._say(f"{sentence}; nodes are waited for {self._until_when()}")
                said = True
            watch.check()
            time.sleep(_STEP_SECONDS)

    def _say_what_is_busy(self, needed: int) -> None:
        nodes = self._workers.watch.nodes
        until = time.monotonic() + _FREED_SECONDS
        while (free := free_room(nodes, *self._needs)) < needed and time.monotonic() < until:
            time.sleep(_STEP_SECONDS)
            nodes = nodes_of_ray()
        if free < needed:
            self._say(
                f"{wanted(needed, *self._needs)} are wanted, and there is room for {free} of them now: "
                f"{in_use(nodes)}; they are waited for {self._until_when()}"
            )

    def _until_when(self) -> str:
        at = time.time() + self._until - time.monotonic()
        return f"until {time.strftime('%H:%M:%S', time.localtime(at))} (--wait)"

    def _await(self, needed: int) -> None:
        """Waits until enough workers are up."""
        import ray

        workers, devices = self._workers, dict[str, str]()
        late = time.monotonic() + _LATE_SECONDS
        while True:
            workers.watch.check()
            starting = {slot.name: slot for slot in workers.starting() if slot.name not in devices}
            if starting:
                references = [slot.starting for slot in starting.values()]
                up, _ = ray.wait(references, num_returns=len(references), timeout=_STEP_SECONDS)
                self._check(up)
                for slot in starting.values():
                    if slot.starting in up and (device := workers.started(slot)):
                        devices[slot.name] = device
            else:
                time.sleep(_STEP_SECONDS)
            if len(devices) >= needed and (len(devices) == len(workers.slots) or time.monotonic() >= late):
                break
            if time.monotonic() >= self._until:
                raise WorkersUnavailable(
                    f"only {len(devices)} of {needed} workers started within the time to wait; Ray's resources are in "
                    f"use ({in_use(workers.watch.nodes)}); stop other work, ask for fewer, or wait longer (--wait)"
                )
            if self.elastic is not None:
                self.elastic.look()
        if len(set(devices.values())) > 1:
            raise WorkersUnavailable(workers.mixed(devices))
        workers.device = next(iter(devices.values()))

    def _check(self, up: list[Any]) -> None:
        import ray

        try:
            ray.get(up)
        except ray.exceptions.ActorUnschedulableError:
            return  # its node is gone again, which `started` takes for what it is
        except ray.exceptions.RayError as error:
            memory = self._workers.memory
            tight = f" (each may take {memory:,} bytes)" if memory is not None else ""
            raise InvalidInput(f"the workers cannot start: {innermost(error)}{tight}") from error
