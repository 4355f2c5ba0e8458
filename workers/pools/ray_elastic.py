"""Workers that follow the cluster: started on nodes that join, given up with nodes that leave.

How many there are changes only how many evaluations run at one time, never which trials come next: the window is the
study's.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from automl.errors import WorkersLost
from workers.pools import missing
from workers.pools.ray_room import fits, in_use
from workers.pools.ray_workers import RayWorkers

SETTLE_SECONDS = 3.0
"""After a start, what Ray says to be free may be old for so long."""


class Elastic:
    """Keeps the workers of a pool at what the nodes of the cluster have room for.

    Args:
        workers: each is pinned to a node.
        most: the largest number; None sets no bound.
    """

    def __init__(self, workers: RayWorkers, most: int | None) -> None:
        self._workers, self._most = workers, most
        self._needs = workers.num_cpus, workers.num_gpus
        self._names: dict[str, str] = {}  # of all nodes that were seen
        self._on = Counter[str]()  # workers by node, at the last look
        self._settled = 0.0
        self._none_since: float | None = None
        self._said_none = False
        self._asked = False

    def ask(self) -> None:
        """Asks the autoscaler, where there is one, for the nodes that the most workers need."""
        if self._most is not None:
            from ray.autoscaler.sdk import request_resources

            cpus, gpus = self._needs
            bundle = {name: amount for name, amount in (("CPU", cpus), ("GPU", gpus)) if amount}
            request_resources(bundles=[bundle] * self._most)
            self._asked = True

    def give_back(self) -> None:
        """Asks the autoscaler for nothing any more."""
        if self._asked:
            from ray.autoscaler.sdk import request_resources

            request_resources(bundles=[])
            self._asked = False

    def rest(self) -> None:
        """Asks for nothing while the search is paused, and counts no time without workers."""
        self.give_back()
        self._none_since, self._said_none = None, False

    def look(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Starts and gives up workers as the nodes have it.

        Args:
            say: tells the user.

        Raises:
            WorkersLost: there has been no worker for too long.
        """
        self._follow_leavers()
        self._give_up_late(say)
        self._follow_joiners()
        self._say_changes(say)
        self._wait_for_any(say)

    def _say_changes(self, say: Callable[[str], None]) -> None:
        """Says on which nodes there are workers since now, and on which there are none any more."""
        names = {node.id: node.name for node in self._workers.watch.nodes}
        now = Counter(slot.pinned for slot in self._workers.slots)
        before, self._on = self._on, now
        gone = [self._names.get(node, node) for node in before.keys() - now.keys()]
        came = [names.get(node, node) for node in now.keys() - before.keys()]
        self._names |= names
        if before and (gone or came):
            words = [f"node {name} has left" for name in sorted(gone)]
            words += [f"node {name} has joined" for name in sorted(came)]
            count = now.total()
            say(f"{', '.join(words)}: {count} worker{'' if count == 1 else 's'} instead of {before.total()}")

    def _follow_leavers(self) -> None:
        """Gives up idle workers of nodes that are gone; busy ones are given up with what they were at."""
        there = {node.id for node in self._workers.watch.nodes}
        for slot in [slot for slot in self._workers.slots if slot.pinned not in there and not slot.calls]:
            self._workers.retire(slot)

    def _give_up_late(self, say: Callable[[str], None]) -> None:
        """Gives up workers for which Ray has found no place on their node; they count among the most."""
        late = time.monotonic() - missing.GIVE_UP_SECONDS
        for slot in [slot for slot in self._workers.starting() if slot.asked <= late]:
            name = self._names.get(slot.pinned, slot.pinned)
            say(
                f"worker {slot.name} has not started on node {name} for {missing.GIVE_UP_SECONDS:g} s: it is given up, "
                "and another one is started where there is room"
            )
            self._workers.retire(slot)

    def _follow_joiners(self) -> None:
        """Starts workers where there is room, and none is being started: what is free there is known afterwards."""
        if time.monotonic() < self._settled:
            return
        added, busy = 0, {slot.pinned for slot in self._workers.starting()}
        for node in self._workers.watch.nodes:
            if node.leaves or node.id in self._workers.refused or node.id in busy:
                continue
            for _ in range(min(fits(node.free, *self._needs), fits(node.total, *self._needs) - self._workers.on(node))):
                if self._most is not None and len(self._workers.slots) >= self._most:
                    break
                self._workers.add(pinned=node.id)
                added += 1
        if added:
            self._settled = time.monotonic() + SETTLE_SECONDS

    def _wait_for_any(self, say: Callable[[str], None]) -> None:
        """Says that there is no worker, and ends the search when that has lasted too long."""
        now = time.monotonic()
        if self._workers.slots:
            if self._said_none:
                say("there are workers again")
            self._none_since, self._said_none = None, False
            return
        self._none_since = now if self._none_since is None else self._none_since
        since = now - self._none_since
        if since >= missing.GIVE_UP_SECONDS:
            facts = in_use(self._workers.watch.nodes)
            raise WorkersLost(f"no worker was left for {since:.0f} s ({facts}); what had finished is kept")
        if since >= missing.SAY_SECONDS and not self._said_none:
            self._said_none = True
            until = time.strftime("%H:%M:%S", time.localtime(time.time() + missing.GIVE_UP_SECONDS - since))
            say(
                f"no worker is left, so the search stands still: {in_use(self._workers.watch.nodes)}; nodes are waited "
                f"for until {until}, and then the search ends"
            )
