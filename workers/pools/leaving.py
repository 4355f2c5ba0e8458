"""A worker that is about to end: its process is terminated, or its node is drained. What can be saved is saved first.

An evaluation that has a checkpoint writes it at its next opportunity, and the process ends at once: another worker goes
on from there. Without one nothing is waited for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from automl.evaluators import checkpoints

GRACE_SECONDS = 5.0
"""After SIGTERM, an evaluation has so many seconds to save its state."""

LOOK_SECONDS = 3.0
"""How often a worker asks whether its node is drained."""


class Leaving:
    """Ends this process in the way that loses least.

    Example:
        >>> leaving = Leaving()
        >>> leaving.begin(saves=True)  # an evaluation with a checkpoint is under way
        >>> leaving.end()
    """

    def __init__(self) -> None:
        self._exit = os._exit  # while candidates are evaluated, another function stands in its place
        self._saves = False

    def begin(self, saves: bool) -> None:
        """Notes that evaluations begin, and takes SIGTERM over: libraries that an earlier one used may have taken it.

        Args:
            saves: True if they have checkpoints.
        """
        self._saves = saves
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._terminated)

    def end(self) -> None:
        """Notes that nothing is evaluated now."""
        self._saves = False

    def watch(self) -> None:
        """Lets a thread ask whether this node is drained; evaluations under way then save their state and go."""
        threading.Thread(target=self._watch, name="drain watch", daemon=True).start()

    def _terminated(self, *_: object) -> None:
        """Ends this process without a word to the code that runs in it.

        Ray raises SystemExit there, inside of whatever candidate is being evaluated, as if the candidate had done it.
        """
        if not self._saves:
            self._leave()
        checkpoints.hurry(self._leave)
        threading.Thread(target=self._leave_later, daemon=True).start()

    def _leave(self) -> None:
        self._exit(128 + signal.SIGTERM)

    def _leave_later(self) -> None:
        time.sleep(GRACE_SECONDS)
        self._leave()

    def _watch(self) -> None:
        import ray
        from ray._private import state

        here = ray.get_runtime_context().get_node_id()
        while True:
            time.sleep(LOOK_SECONDS)
            drained = False
            with contextlib.suppress(Exception):  # a head that does not answer is the search's concern
                drained = here in state.state.get_draining_nodes()
            if drained:
                checkpoints.hurry(self._leave)
                return
