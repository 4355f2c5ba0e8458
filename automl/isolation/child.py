"""A process of its own for other people's code: what hangs there, takes all memory or exits ends nothing but it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from automl.errors import AutoMLError

START_SECONDS = 300.0
"""For the process to start and to load what it serves."""


class ChildUnusable(AutoMLError):
    """The process cannot load what it is to serve; the message says why."""


class Raised(Exception):
    """The code raised something over there; the message is its type and text."""


class Died(Exception):
    """The process ended while it answered; the message says how."""


class TookTooLong(Exception):
    """The process was ended because it had not answered in time."""


class _Process:
    """One process beside this one, which loads what it is to serve as soon as it is made."""

    def __init__(self, packed: bytes, memory: int | None) -> None:
        here, there = Pipe()
        code = "from automl.isolation.served import main; main()"
        folders = [os.path.abspath(folder) for folder in sys.path]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(there.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
            start_new_session=True,  # a Ctrl-C on the terminal is for us alone
        )
        there.close()
        self.connection: Connection = here
        self._is_ready = False
        with contextlib.suppress(OSError):  # one that died at once: `ready` says how
            here.send_bytes(pickle.dumps((folders, packed, memory)))

    def ready(self) -> Connection:
        """Returns the connection once the process has loaded what it serves."""
        if not self._is_ready:
            try:
                if not self.connection.poll(START_SECONDS):
                    self.end()
                    raise ChildUnusable(f"the process beside this one was not ready within {START_SECONDS:g} s")
                complaint = pickle.loads(self.connection.recv_bytes())  # noqa: S301 - our own child's bytes
            except (EOFError, OSError):
                raise ChildUnusable(f"the process beside this one {self.end()} before it was ready") from None
            if complaint:
                self.end()
                raise ChildUnusable(complaint)
            self._is_ready = True
        return self.connection

    def end(self) -> str:
        """Ends the process with all that it started, and returns how it ended, as half a sentence."""
        process = self.process
        if process.returncode is None:
            _wait_for_end(process.pid, 0.2)  # one that died by itself has a moment to say how
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
        code = process.wait()
        with contextlib.suppress(OSError):
            self.connection.close()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


class Child:
    """One process beside this one, started at once and again after each death; it answers requests in order.

    It is started from the command line of this very Python, and so imports neither the caller's `__main__` nor
    anything that was not asked for. It ends with the process that made it. Where one has died others will: from then
    on the next one is loaded while one answers.

    Args:
        packed: pickled by `travel.pack`: a callable without arguments that returns the function which answers requests.
        memory: bytes that it may take on top of what it holds when it is ready; None sets no limit.

    Example:
        >>> from automl.isolation.travel import pack
        >>> with Child(pack(lambda: lambda number: 10 / number)) as child:
        ...     for answer in child.answers([5, 0], seconds=60):
        ...         print(repr(answer))
        2.0
        Raised('ZeroDivisionError: division by zero')
    """

    def __init__(self, packed: bytes, memory: int | None = None) -> None:
        self._packed = packed
        self._memory = memory
        self._current: _Process | None = self._made()
        self._next: _Process | None = None

    def _made(self) -> _Process:
        return _Process(self._packed, self._memory)

    @property
    def pid(self) -> int | None:
        """The process's id, None while there is none."""
        return None if self._current is None else self._current.process.pid

    def answers(self, requests: Sequence[Any], seconds: float | None) -> Iterator[Any]:
        """Yields the answer to each request, in order; in place of one there may be Raised, Died or TookTooLong.

        After the latter two the process is started anew, for the requests behind.

        Args:
            requests: whatever can be pickled.
            seconds: allowed for each.

        Raises:
            ChildUnusable: what is to be served cannot be loaded over there.
        """
        left = list(requests)
        while left:
            connection = self._ready()
            try:
                connection.send_bytes(pickle.dumps(left))
            except OSError:
                yield Died(self._end())
                left.pop(0)
                continue
            while left:
                answer = self._receive(connection, seconds)
                left.pop(0)
                yield answer
                if isinstance(answer, Died | TookTooLong):
                    break

    def _receive(self, connection: Connection, seconds: float | None) -> Any:
        try:
            if not connection.poll(seconds):
                self._end()
                return TookTooLong(f"took longer than {seconds:g} s")
            fine, value = pickle.loads(connection.recv_bytes())  # noqa: S301 - our own child's bytes
        except (EOFError, OSError):
            return Died(self._end())
        return value if fine else Raised(value)

    def _ready(self) -> Connection:
        """Returns the connection of a process that has loaded what it serves."""
        if self._current is None:
            self._current, self._next = self._next or self._made(), self._made()
        return self._current.ready()

    def _end(self) -> str:
        """Ends the process that answers, and returns how it ended."""
        current, self._current = self._current, None
        return current.end() if current else "has ended"

    def close(self) -> None:
        """Ends the processes. May be called twice."""
        self._end()
        if self._next is not None:
            self._next.end()
            self._next = None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _wait_for_end(pid: int, seconds: float) -> None:
    """Waits until a child has ended, leaving its process id taken."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.01)
