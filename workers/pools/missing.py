"""Workers that Ray cannot start: said after a while, given up later, so that nobody waits for ever without a word."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from automl.errors import WorkersLost

SAY_SECONDS = 30.0
"""A worker that is missing for so long is named."""

GIVE_UP_SECONDS = 600.0
"""A worker that is missing for so long is given up."""


class MissingWorkers:
    """Watches workers that are being started again."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._said: set[str] = set()
        self._news: list[str] = []
        self._why = ""

    def there(self, name: str) -> None:
        """Notes that a worker is ready."""
        self._since.pop(name, None)
        if name in self._said:
            self._said.discard(name)
            self._news.append(f"worker {name} is back")

    def forget(self, name: str) -> None:
        """Notes that a worker is not wanted any more."""
        self._since.pop(name, None)
        self._said.discard(name)

    def say(self, sentence: str) -> None:
        """Takes a sentence for the user."""
        self._news.append(sentence)

    def give_up(self, name: str, why: str) -> None:
        """Notes that a worker is not waited for any more."""
        self._since.pop(name, None)
        self._why = why
        self._news.append(f"worker {name} is given up: {why}")

    def look(self, starting: Sequence[str], ready: int) -> list[str]:
        """Returns the workers that are to be given up now.

        Args:
            starting: the workers that are being started.
            ready: number of the others.
        """
        now = time.monotonic()
        for name in starting:
            self._since.setdefault(name, now)
        late = [name for name in starting if now - self._since[name] >= SAY_SECONDS and name not in self._said]
        if late:
            self._said.update(late)
            self._news.append(self._sentence(late, ready))
        gone = [name for name in starting if now - self._since[name] >= GIVE_UP_SECONDS]
        for name in gone:
            self.give_up(name, f"Ray has found no place for it for {GIVE_UP_SECONDS:g} s")
        return gone

    def _sentence(self, late: Sequence[str], ready: int) -> str:
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + GIVE_UP_SECONDS - SAY_SECONDS))
        which = f"worker {late[0]} is" if len(late) == 1 else f"{len(late)} workers ({', '.join(late)}) are"
        rest = f"the search goes on with {ready} others" if ready else "no worker is left, so the search stands still"
        then = "given up" if ready else "given up and the search ends"
        return (
            f"{which} missing for {SAY_SECONDS:g} s: {_resources()}; {rest}; they are waited for until {until} "
            f"and then {then}"
        )

    def news(self) -> list[str]:
        """Returns what is to be said, each sentence once."""
        found, self._news = self._news, []
        return found

    def none_left(self) -> WorkersLost:
        """Returns the error for a search without workers."""
        return WorkersLost(f"no worker is left ({self._why}; {_resources()}); what had finished is kept")


def _resources() -> str:
    """Says what Ray has now. A Ray that is gone does not answer, and is not waited for."""
    found: list[str] = []

    def ask() -> None:
        import ray

        nodes = sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]
        have = ray.cluster_resources()  # type: ignore[no-untyped-call]
        free = ray.available_resources()  # type: ignore[no-untyped-call]
        gpus = f" and {free.get('GPU', 0):g} of {have['GPU']:g} GPUs" if have.get("GPU") else ""
        plural = "node" if nodes == 1 else "nodes"
        found.append(f"Ray has {nodes} {plural} with {free.get('CPU', 0):g} of {have.get('CPU', 0):g} CPUs{gpus} free")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(5.0)
    return found[0] if found else "Ray does not answer"
