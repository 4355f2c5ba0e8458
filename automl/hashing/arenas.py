"""Gives memory that hashed modules have freed back to the system.

The C library keeps what was freed in pieces, in case that it is asked for again. After many modules of many sizes that
is several times what is in use, and nobody but it can have it.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 0.5
"""Of hashing after which freed memory is given back: that takes milliseconds, so a hundredth of the time at most."""

_spent = 0.0


@contextmanager
def given_back() -> Iterator[None]:
    """Gives freed memory back after the body, where bodies have taken long enough together since the last time.

    What the body used must be free by then. Elsewhere than with glibc nothing is done.
    """
    global _spent
    began = time.perf_counter()
    try:
        yield
    finally:
        _spent += time.perf_counter() - began
        if _spent >= SECONDS:
            _spent = 0.0
            if (library := _glibc()) is not None:
                library.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "malloc_trim") and hasattr(library, "gnu_get_libc_version") else None
    except (OSError, TypeError):  # TypeError: Windows has no library without a name
        return None
