"""Limits on code that is not ours: time by a timer signal, memory by the process's own limit, exits by an exception."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

IMPORT_SECONDS = 60.0
"""So long an import may overrun a time limit."""


class OutOfTime(BaseException):
    """Code ran longer than allowed. Not an Exception, so that nobody's `except Exception` swallows it.

    Attributes:
        where: the part of it that ran then, where somebody on the way knew; else empty.
    """

    where = ""


class BrokenOff(BaseException):
    """Code was broken off because nobody wants its result any more. Not an Exception either."""


class OwnExit(BaseException):
    """Code asked for the end of the whole process by `os._exit`; this is raised in its place.

    Attributes:
        code: the exit code that was asked for.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"os._exit({code})")
        self.code = code


FAULTS = (Exception, SystemExit, OutOfTime, OwnExit)
"""What a user's code may raise under the limits of this module."""


def in_main_thread() -> bool:
    """Tells whether timer signals arrive in the calling thread."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def alarm(seconds: float | None, sentence: str = "", error: type[BaseException] = OutOfTime) -> Iterator[None]:
    """Raises an error in the body once `seconds` have passed.

    Alarms may be nested: the one that is due first rings first. An alarm interrupts Python code and what Python waits
    for. A call into C that holds the interpreter's lock is interrupted when it returns. An import is let end first, for
    a minute at most: a library that was imported by half would fail in everything that this process does later.

    Args:
        seconds: allowed; None sets no limit, nor does any number outside the main thread, where no signal arrives.
        sentence: what the error says; "took longer than N s" where empty.
        error: what is raised.

    Raises:
        OutOfTime: in the body, or another `error`.

    Example:
        >>> import time
        >>> try:
        ...     with alarm(0.01):
        ...         time.sleep(10)
        ... except OutOfTime as error:
        ...     print(error)
        took longer than 0.01 s
    """
    if seconds is None or not in_main_thread():
        yield
        return
    active = True
    body = sys._getframe(2)  # whose frames above are not the body's business
    outer_left = signal.getitimer(signal.ITIMER_REAL)[0]
    began = time.monotonic()
    due = began + seconds
    outer_due = began + outer_left if outer_left else None

    def ring(number: int, frame: Any) -> None:
        now = time.monotonic()
        if outer_due is not None and outer_due <= now + 1e-3 and callable(outer):
            outer(number, frame)
        if active and now + 1e-3 >= due:
            if now < due + IMPORT_SECONDS and _imports(frame, body):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                return
            raise error(sentence or f"took longer than {seconds:g} s")

    outer = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, min(seconds, outer_left) if outer_left else seconds)
    try:
        yield
    finally:
        active = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, outer)
        if outer_due is not None:
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, outer_due - time.monotonic()))


def _imports(frame: FrameType | None, until: FrameType) -> bool:
    """Tells whether an import is under way in the frames from `frame` up to another."""
    while frame is not None and frame is not until:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def no_exit() -> Iterator[None]:
    """Turns `os._exit` in the body into OwnExit, in this process and thread; forked children end as they always do.

    `sys.exit` and `quit` raise SystemExit by themselves.
    """
    plain, process, thread = os._exit, os.getpid(), threading.get_ident()

    def exit_(status: int) -> NoReturn:
        if os.getpid() == process and threading.get_ident() == thread:
            raise OwnExit(status)
        plain(status)

    os._exit = exit_
    try:
        yield
    finally:
        os._exit = plain


def limit_memory(memory: int) -> None:
    """Limits this process, never the host, to `memory` more bytes of data than it holds now (RLIMIT_DATA; Linux)."""
    import resource

    status: dict[str, Any] = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    held = int(status["VmData"].split()[0]) * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + memory
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def memory_here() -> int:
    """Returns the bytes of memory that processes here can have: the machine's, or its container's where that is less.

    Example:
        >>> memory_here() > 2**20
        True
    """
    found = int(psutil.virtual_memory().total)
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found = min(found, int(Path(file).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return found
