"""Signals that ask a search to stop: Ctrl-C, and what batch systems and terminals send before they end a process."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
"""SIGUSR1 is what SLURM sends as a warning (`--signal=USR1@60`)."""


class Stopped(KeyboardInterrupt):
    """Raised if a search was asked to stop, such as by Ctrl-C. Finished evaluations are recorded; it can be resumed.

    Attributes:
        study: Name of the study to resume; None if the search had not begun.
        signal: Number of the signal that was received; the command exits with 128 + this number.

    Example:
        >>> stopped = Stopped("cells", signal.SIGTERM)
        >>> stopped.study, 128 + stopped.signal  # the command's exit code
        ('cells', 143)
        >>> isinstance(stopped, KeyboardInterrupt)
        True
    """

    def __init__(self, study: str | None, number: int = signal.SIGINT) -> None:
        asked = f"{signal.Signals(number).name} asked the search to stop"
        on = f"go on with study={study!r}" if study else "it had not begun, and nothing was lost"
        super().__init__(f"{asked}: {on}")
        self.study = study
        self.signal = number

    def _render_traceback_(self) -> list[str]:
        """Is what notebooks and IPython show instead of a traceback."""
        return [f"Stopped: {self}"]


def without_traceback() -> None:
    """Lets Python end with one sentence where a program of the user's does not catch `Stopped`: it is no fault of ours
    or theirs. The exit code is 128 and the signal's number. A hook of the user's own is left alone.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _sentence


def _sentence(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, Stopped):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"Stopped: {error}", file=sys.stderr)  # noqa: T201 - where Python would have printed the traceback
    raise SystemExit(128 + error.signal)


class StopSignals:
    """Turns the first signal into a clean stop, and the second into what it would have done without us.

    Before there is anything to stop cleanly, the first one raises Stopped. Handlers of the user's own are left alone,
    and so is a signal that is ignored (as `nohup` has it). Outside the main thread nothing is done.

    Attributes:
        number: of the first signal, once it has come.
        stop: function that the first signal calls; if None, the signal raises Stopped.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.stop: Callable[[], None] | None = None
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Takes the signals over; called again after Ray has put its own handler in place."""
        if threading.current_thread() is not threading.main_thread() or self.number is not None:
            return
        for number in STOPPING:
            found = signal.getsignal(number)
            if found == self._received or not _replaceable(found):
                continue
            self._before.setdefault(number, signal.SIG_DFL if _of_ray(found) else found)
            signal.signal(number, self._received)

    def restore(self) -> None:
        """Puts back what was there."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _received(self, number: int, _: FrameType | None) -> None:
        self.number = number
        for other, before in self._before.items():
            signal.signal(other, before)
        if self.stop is None:
            raise Stopped(None, number)
        self.stop()

    def __enter__(self) -> StopSignals:
        without_traceback()
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()


def _replaceable(handler: Any) -> bool:
    return handler in (signal.SIG_DFL, signal.default_int_handler) or _of_ray(handler)


def _of_ray(handler: Any) -> bool:
    return str(getattr(handler, "__module__", "")).partition(".")[0] == "ray"
