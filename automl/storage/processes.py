"""Which process is this, and does that one still live? Only asked about processes of the same machine and boot."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Process:
    """Names one process for ever: process ids are given out again, but not with the same start time.

    Attributes:
        host: name of the machine.
        boot: which boot of it, and which container (process ids mean something only inside one).
        pid: process id.
        start: when it started, in the machine's own ticks.
    """

    host: str
    boot: str
    pid: int
    start: str

    def gone(self) -> bool | None:
        """Returns True when it has provably ended, False when it lives, None when it cannot be seen from here."""
        mine = this_process()
        if (self.host, self.boot) != (mine.host, mine.boot):
            return None
        return _start(self.pid) != self.start

    def kill(self) -> None:
        """Ends this very process by SIGKILL; one that was given its number since, or one elsewhere, is left alone."""
        if self.gone() is not False:
            return
        with contextlib.suppress(OSError):
            if not hasattr(os, "pidfd_open"):
                os.kill(self.pid, signal.SIGKILL)
                return
            handle = os.pidfd_open(self.pid)
            try:
                if self.gone() is False:  # looked at once more: the handle stays with the process, the number may not
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def this_process() -> Process:
    """Returns the running process."""
    return Process(socket.gethostname(), _boot(), os.getpid(), _start(os.getpid()) or "")


def process_of(pid: int) -> Process | None:
    """Returns the process of this machine that has a number now; None where there is none."""
    start = _start(pid) if pid > 0 else None
    return Process(socket.gethostname(), _boot(), pid, start) if start else None


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"boot {psutil.boot_time():.0f}"


def _start(pid: int) -> str | None:
    """Returns the start time of a living process, None when there is none (a zombie has ended too).

    On Linux in clock ticks since the boot, which never change. psutil's `create_time` adds the boot time, which moves
    with every correction of the clock: a living process would then look like another one and lose its claims.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        return _start_elsewhere(pid)
    return None if fields[0] in "ZX" else fields[19]


def _start_elsewhere(pid: int) -> str | None:
    """The same on systems without /proc."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.0f}"
    except psutil.Error:
        return None
