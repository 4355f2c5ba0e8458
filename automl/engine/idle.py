"""How idle the workers are behind the order in which trials count, and which window would keep them busy."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from automl.pool import Pool
from automl.rules import LoopSettings

MUCH = 0.1
"""Share of idle time that is spoken of."""

SECONDS = 60.0
"""A search that was shorter is not spoken of."""

_ROUNDS = 12  # evaluations a worker, in a simulation
_SIMULATED = 500  # workers; of more, the share is about the same
_MOST = 64  # times the number of workers: the largest window that is advised


class Idle:
    """Measures which share of the workers' time nobody used, while there was more to propose.

    Args:
        pool: has the workers, and the clock.

    Attributes:
        share: of their time, between 0 and 1.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._had = self._used = self._clock = 0.0
        self._since: tuple[float, int, int] | None = None
        self._most = 0

    def begin(self, evaluations: int, more: bool) -> None:
        """Notes how many evaluations are under way from now on.

        Args:
            evaluations: under way.
            more: True if there is more to propose; what is left idle at the end is nobody's loss.
        """
        workers = self._pool.workers
        self._since = (self._pool.now(), min(evaluations, workers), workers) if more else None

    def end(self) -> None:
        """Counts the time since `begin`."""
        if self._since is not None:
            began, busy, workers = self._since
            passed = self._pool.now() - began
            self._had += workers * passed
            self._used += busy * passed
            self._clock += passed
            self._most = max(self._most, workers)

    @property
    def share(self) -> float:
        return 1 - self._used / self._had if self._had else 0.0

    def sentence(self, settings: LoopSettings, seconds: Sequence[float]) -> str:
        """Returns what is to be said of a search that has ended; empty where there is nothing.

        Args:
            settings: of the loop.
            seconds: of its evaluations.
        """
        if self._clock < SECONDS or self.share <= MUCH or self._most < 2 or settings.asynchronous:
            return ""
        better = window_for(seconds, self._most, settings.window) if len(seconds) >= 5 else None
        wider = f"--window {better} (each trial is then proposed knowing fewer others), or " if better else ""
        return (
            f"the {self._most} workers were idle for {self.share:.0%} of the time: trials are told in their order, and "
            f"the window of {settings.window} waits for the slowest; what would keep them busy in a new study: {wider}"
            "--asynchronous"
        )


def window_for(seconds: Sequence[float], workers: int, above: int) -> int | None:
    """Returns the smallest window that leaves workers idle for a tenth of their time at most; None if none does.

    Args:
        seconds: of evaluations.
        workers: number of them.
        above: windows up to this one do not do.
    """
    times = 1
    while times <= _MOST:
        window = times * workers
        if window > above and idle_share(seconds, workers, window) <= MUCH:
            return window
        times *= 2
    return None


def idle_share(seconds: Sequence[float], workers: int, window: int) -> float:
    """Returns the share of idle time of workers whose evaluations take such times, by simulating the order of trials.

    A block of a quarter of the window is proposed when the trials a window before its end are all recorded, in order.

    Example:
        >>> idle_share([1.0], workers=8, window=8)  # all take the same time, and a block waits for two of them
        0.0
        >>> spread = np.random.default_rng(0).lognormal(0, 1, 255)
        >>> idle_share(spread, workers=100, window=800) > idle_share(spread, workers=100, window=3200)
        True
    """
    scale = max(1.0, workers / _SIMULATED)
    workers, window = max(1, round(workers / scale)), max(1, round(window / scale))
    drawn = np.random.default_rng(0).choice(np.asarray(seconds, float), _ROUNDS * max(workers, window // 2))
    block = max(1, window // 4)
    free = [0.0] * workers  # when each worker is free
    ends: list[float] = []
    recorded: list[float] = []  # when the trials up to this one are all recorded
    used = 0.0
    last = 0.0
    for number, takes in enumerate(drawn):
        behind = number - number % block + block - window
        may = recorded[behind - 1] if behind > 0 else 0.0
        begins = max(heapq.heappop(free), may)
        last = max(last, begins)
        ends.append(begins + takes)
        heapq.heappush(free, begins + takes)
        recorded.append(max(ends[-1], recorded[-1] if recorded else 0.0))
    for end, takes in zip(ends, drawn, strict=True):
        used += max(0.0, min(end, last) - (end - takes))
    return max(0.0, 1 - float(used) / (workers * float(last))) if last else 0.0
