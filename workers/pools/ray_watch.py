"""What a search knows of the cluster around it: whether it answers, which nodes there are, which of them will leave.

A thread looks, because a Ray that is gone lets whoever asks it wait for a minute, and then ends the process.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from automl.errors import WorkersLost
from automl.storage.processes import Process, process_of

LOOK_SECONDS = 1.0
"""How often the cluster is looked at."""

SAY_SECONDS = 10.0
"""A head that does not answer is named after so many seconds."""

_MARGIN_SECONDS = 15.0  # before Ray ends this process with lines of its log, since the end of Ray takes some seconds


@dataclass(frozen=True)
class Node:
    """One node of the cluster that lives.

    Attributes:
        id: Ray's id of it, in hexadecimal digits.
        name: what its owner calls it: its address.
        total: resources that it has, by name.
        free: resources of them that nobody holds.
        leaves: whether it is being drained, so that nothing new is placed there.
    """

    id: str
    name: str
    total: Mapping[str, float]
    free: Mapping[str, float]
    leaves: bool = False


class ClusterWatch:
    """Looks at the Ray that this process is connected to, in a thread.

    Attributes:
        nodes: the nodes that live, as they were seen last.
    """

    def __init__(self) -> None:
        self.nodes: tuple[Node, ...] = ()
        self._raylet, self._head = _raylet(), _head()
        self._lost = ""
        self._silent: float | None = None  # since when the head does not answer
        self._news: list[str] = []
        self._said = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cluster watch", daemon=True)

    def start(self) -> None:
        """Looks once, then again and again until `close`."""
        self.nodes = nodes_of_ray()
        self._thread.start()

    def close(self) -> None:
        """Stops looking."""
        self._over.set()

    @property
    def lost(self) -> bool:
        """True where the cluster is gone, so that nothing may be asked of it any more."""
        return bool(self._lost)

    def leaving(self) -> set[str]:
        """Returns the ids of the nodes that are being drained."""
        return {node.id for node in self.nodes if node.leaves}

    def check(self, now: bool = False) -> None:
        """Ends the search where the cluster is gone.

        Args:
            now: True to look at this node first: a call has just failed, and Ray ends this process some seconds later.

        Raises:
            WorkersLost: this process's node is gone, or the head has been silent for too long.
        """
        if now:
            self._look_at_raylet()
        if self._lost:
            raise WorkersLost(f"{self._lost}; what had finished is kept")

    def news(self) -> list[str]:
        """Returns what is to be said, each sentence once."""
        found, self._news = self._news, []
        return found

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._look_at_raylet()
            if self._lost:
                return
            if self._look_at_head():
                self._look_at_nodes()

    def _look_at_raylet(self) -> None:
        if self._raylet is not None and not self._over.is_set() and self._raylet.gone() is True:
            self._lost = "the Ray node that this search is connected through has died (its raylet does not answer)"

    def _look_at_head(self) -> bool:
        """Returns whether the head answers."""
        if self._head is None or _answers(*self._head):
            if self._said:
                self._news.append("Ray's head answers again")
            self._silent, self._said = None, False
            return True
        now = time.monotonic()
        self._silent = now if self._silent is None else self._silent
        silent, bound = now - self._silent, head_seconds()
        where = "{}:{}".format(*self._head)
        if silent >= bound:
            self._lost = f"Ray's head at {where} has not answered for {silent:.0f} s"
        elif silent >= min(SAY_SECONDS, bound) and not self._said:
            self._said = True
            until = time.strftime("%H:%M:%S", time.localtime(time.time() + bound - silent))
            self._news.append(
                f"Ray's head at {where} has not answered for {silent:.0f} s: evaluations under way go on, no worker "
                f"can be replaced; it is waited for until {until}, and then the search ends"
            )
        return False

    def _look_at_nodes(self) -> None:
        try:
            self.nodes = nodes_of_ray()
        except Exception:  # Ray is being ended; whether it is gone is found out above
            return


def head_seconds() -> float:
    """Returns for how many seconds a head that does not answer is waited for: less than Ray itself does."""
    allowed = os.environ.get("RAY_gcs_rpc_server_reconnect_timeout_s", "60")  # noqa: SIM112 - Ray writes it so
    return max(5.0, float(allowed) - _MARGIN_SECONDS)


def nodes_of_ray() -> tuple[Node, ...]:
    """Returns the nodes that live, in the order of their ids."""
    import ray
    from ray._private import state

    free = state.available_resources_per_node()  # type: ignore[no-untyped-call]
    draining = state.state.get_draining_nodes()
    return tuple(
        Node(
            one["NodeID"],
            str(one["NodeManagerAddress"]),
            dict(one["Resources"]),
            dict(free.get(one["NodeID"], {})),
            one["NodeID"] in draining,
        )
        for one in sorted(ray.nodes(), key=lambda one: str(one["NodeID"]))  # type: ignore[no-untyped-call]
        if one["Alive"]
    )


def _head() -> tuple[str, int] | None:
    """Returns where the cluster's head listens; None where Ray does not tell."""
    import ray

    host, _, port = str(ray.get_runtime_context().gcs_address).rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdecimal() else None


def _raylet() -> Process | None:
    """Returns the process that is this node's raylet, which listens at its socket; None where it cannot be seen."""
    from ray._private import worker

    path = getattr(getattr(worker.global_worker, "node", None), "raylet_socket_name", None)
    if not path or not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(socket.AF_UNIX) as attempt:
        attempt.settimeout(5.0)
        try:
            attempt.connect(path)
            found = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    return process_of(struct.unpack("3i", found)[0])


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2.0).close()
    except OSError:
        return False
    return True
