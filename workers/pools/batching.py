"""How many evaluations travel in one call: as many as take a twentieth of a second, and one where they are slow."""

from __future__ import annotations

_TARGET_SECONDS = 0.06
_LARGEST = 1024  # more would no longer fit into one small message
_WEIGHT = 0.3  # of the newest measurement


class BatchSize:
    """Follows the seconds that one evaluation takes, by an exponential moving average."""

    def __init__(self) -> None:
        self.seconds: float | None = None

    def observe(self, seconds: float, jobs: int) -> None:
        """Learns that a call with `jobs` evaluations took `seconds` on its worker."""
        each = seconds / jobs
        self.seconds = each if self.seconds is None else (1 - _WEIGHT) * self.seconds + _WEIGHT * each

    @property
    def size(self) -> int:
        """Evaluations per call; 1 until the first one has been measured."""
        if self.seconds is None:
            return 1
        return min(_LARGEST, max(1, int(_TARGET_SECONDS / max(self.seconds, 1e-7))))

    @property
    def depth(self) -> int:
        """Calls that a worker holds at one time; for short evaluations a second bridges the way to the driver."""
        return 2 if self.size > 1 else 1

    def expected(self, jobs: int) -> float:
        """Seconds that a call with so many evaluations should take."""
        return 0.0 if self.seconds is None else self.seconds * jobs
