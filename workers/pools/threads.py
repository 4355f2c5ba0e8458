"""Thread counts: each worker computes on as many threads as it has CPUs, so that workers do not fight over cores."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def environment(num_cpus: float) -> dict[str, str]:
    """Returns the environment variables that pin numeric libraries; they count before those are imported."""
    return {name: str(threads_of(num_cpus)) for name in VARIABLES}


def threads_of(num_cpus: float) -> int:
    """Returns the whole number of threads for a worker of `num_cpus` CPUs, at least one."""
    return max(1, math.floor(num_cpus))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Lets torch, where it is loaded, compute on `count` threads in the body: sums depend on the number of threads."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    former = torch.get_num_threads()
    if former == count:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(former)
