"""Amounts as people write them: memory (`4GB`, `512MiB`, plain bytes), time limits (`90`, `auto`), workers."""

from __future__ import annotations

import math
import re

from automl.errors import InvalidInput, brief

_UNITS = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip

MOST_WORKERS = 1_000_000
"""The highest number of workers."""

LEAST = 16 * 2**20
"""Bytes below which nothing can be evaluated at all: a number that small was meant in another unit."""


def memory_of(given: int | str | None, name: str = "memory") -> int | None:
    """Returns an amount of memory in bytes.

    Args:
        given: bytes, or a number with a unit: KB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB (and K, M, G, T)
            powers of 1024.
        name: of the setting, for messages.

    Raises:
        InvalidInput: it cannot be read, or is less than 16 MiB.

    Example:
        >>> memory_of("4GB"), memory_of("512 MiB"), memory_of(None)
        (4000000000, 536870912, None)
        >>> memory_of(4)
        Traceback (most recent call last):
        automl.errors.InvalidInput: memory=4: it is 4 bytes, too little to evaluate anything: give a unit, as in 4GB
    """
    if given is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", str(given))
    unit = found.group(2).upper() if found else ""
    if found is None or (unit and unit not in _UNITS):
        raise InvalidInput(f"{name}={given}: give a number with a unit, as in 4GB or 512MiB")
    amount = int(float(found.group(1)) * _UNITS.get(unit, 1))
    if amount < LEAST:
        size = f"{amount:,} bytes" if not unit or amount < 1000 else f"{amount / 10**6:g} MB"
        advice = f"give a unit, as in {found.group(1)}GB" if not unit else f"give {LEAST // 2**20}MiB or more"
        raise InvalidInput(f"{name}={given}: it is {size}, too little to evaluate anything: {advice}")
    return amount


def seconds_of(given: str | float | None) -> float | None:
    """Returns a time limit in seconds; None where there is none, or where it follows the evaluations (`auto`).

    Raises:
        InvalidInput: it is neither a number of seconds above 0 nor `auto`.

    Example:
        >>> seconds_of("90"), seconds_of("auto")
        (90.0, None)
    """
    if given is None or given == "auto":
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if isinstance(given, bool) or not 0 < seconds < math.inf:
        raise InvalidInput(f"timeout={given}: give a number of seconds above 0, or 'auto'")
    return seconds


def workers_of(given: str | int | None) -> int | None:
    """Returns a number of workers; None where it follows the cluster (`auto`), or where nothing was said.

    Raises:
        InvalidInput: it is neither a whole number, 0 or more, nor `auto`.

    Example:
        >>> workers_of("8"), workers_of("auto"), workers_of(None)
        (8, None, None)
        >>> workers_of(-1)
        Traceback (most recent call last):
        automl.errors.InvalidInput: workers=-1: it must be 0 or more, or 'auto'
    """
    if given is None or given == "auto":
        return None
    found = None if isinstance(given, bool) else re.fullmatch(r"\s*([+-]?\d{1,30})\s*", str(given))
    if found is None:
        raise InvalidInput(f"workers={brief(given)}: it must be a whole number, or 'auto'")
    number = int(found.group(1))
    if not 0 <= number <= MOST_WORKERS:
        wanted = "0 or more, or 'auto'" if number < 0 else f"{MOST_WORKERS:,} at most"
        raise InvalidInput(f"workers={number}: it must be {wanted}")
    return number
