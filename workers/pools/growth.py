"""The memory that evaluations leave behind in their worker: one that has grown too much is replaced by a fresh one."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from automl.isolation.limits import memory_here

LEAST = 1 << 30
"""Bytes that every worker may grow by, where no limit was given."""


class Growth:
    """Compares what this process holds with what it held after its first evaluations, which load data and libraries.

    Args:
        limit: bytes that the evaluations of this worker may take; None where there is no limit.
        threads: CPUs of this worker: its share of the machine's memory is theirs.

    Example:
        >>> growth = Growth(limit=2 << 30, threads=1)
        >>> growth.bound == 1 << 30, growth.too_much()
        (True, False)
    """

    def __init__(self, limit: int | None, threads: int) -> None:
        share = memory_here() * threads / max(1, os.cpu_count() or 1)
        self.bound = limit // 2 if limit is not None else max(LEAST, int(share / 2))
        self._first: int | None = None

    def too_much(self) -> bool:
        """Returns whether this process should be replaced. Call it after each batch of evaluations."""
        held = private_bytes()
        if self._first is None:
            self._first = held
        return held - self._first > self.bound


def private_bytes() -> int:
    """Returns the bytes of memory that this process alone holds; what it maps together with others is not counted.

    Example:
        >>> private_bytes() > 0
        True
    """
    try:
        resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return int(psutil.Process().memory_info().rss)
