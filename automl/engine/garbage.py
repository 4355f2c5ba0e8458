"""How often Python looks for cycles of references while a search runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 10_000
"""So many new objects are alive before Python looks; its own figure is 700 to 2,000."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Lets Python look for garbage less often than by itself; never more often, nor where it was told not to.

    A window of trials is tens of thousands of objects that stay alive for several turns and are part of no cycle;
    looking through them again and again took a fifth of the time of a search for programs
    (`benchmarks/automl_zero.py search`).
    """
    before = gc.get_threshold()
    if before[0]:
        gc.set_threshold(max(before[0], OBJECTS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
