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


class Child:
    """One process beside this one, started at once and again after each death; it answers requests in order.

    It is started from the command line of this very Python, and so imports neither the caller's `__main__` nor
    anything that was not asked for. It ends with the process that made it.

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
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    @property
    def pid(self) -> int | None:
        """The process's id, None while there is none."""
        return None if self._process is None else self._process.pid

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

    def _start(self) -> None:
        here, there = Pipe()
        code = "from automl.isolation.served import main; main()"
        folders = [os.path.abspath(folder) for folder in sys.path]
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(there.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
            start_new_session=True,  # a Ctrl-C on the terminal is for us alone
        )
        there.close()
        self._connection: Connection = here
        self._connection.send_bytes(pickle.dumps((folders, self._packed, self._memory)))
        self._is_ready = False

    def _ready(self) -> Connection:
        """Returns the connection once the process has loaded what it serves."""
        if self._process is None:
            self._start()
        if not self._is_ready:
            try:
                if not self._connection.poll(START_SECONDS):
                    self._end()
                    raise ChildUnusable(f"the process beside this one was not ready within {START_SECONDS:g} s")
                complaint = pickle.loads(self._connection.recv_bytes())  # noqa: S301 - our own child's bytes
            except (EOFError, OSError):
                raise ChildUnusable(f"the process beside this one {self._end()} before it was ready") from None
            if complaint:
                self._end()
                raise ChildUnusable(complaint)
            self._is_ready = True
        return self._connection

    def _end(self) -> str:
        """Ends the process with all that it started, and returns how it ended, as half a sentence."""
        process, self._process = self._process, None
        if process is None:
            return "has ended"
        _wait_for_end(process.pid, 0.2)  # one that died by itself has a moment to say how
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
        code = process.wait()
        with contextlib.suppress(OSError):
            self._connection.close()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def close(self) -> None:
        """Ends the process. May be called twice."""
        self._end()

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
