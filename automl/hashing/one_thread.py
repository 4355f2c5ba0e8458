"""One thread for the numbers of one thread: torch's own setting belongs to the process, OpenMP's and MKL's do not."""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Iterator
from pathlib import Path

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch compute on this thread alone, for calls from this thread alone.

    Small sums gain nothing from more threads, and on a busy machine these wait for one another. Where the build of
    torch has another way to divide its work, nothing is changed: keys do not depend on it.
    """
    torch.get_num_threads()  # torch makes its own settings for a thread when it is first asked in it
    openmp, mkl = _library("omp_get_max_threads", "omp_set_num_threads"), _library("MKL_Set_Num_Threads_Local")
    before = openmp.omp_get_max_threads() if openmp is not None else 0
    if before == 1:
        yield
        return
    kept = mkl.MKL_Set_Num_Threads_Local(1) if mkl is not None else 0
    if openmp is not None:
        openmp.omp_set_num_threads(1)
    try:
        yield
    finally:
        if openmp is not None:
            openmp.omp_set_num_threads(before)
        if mkl is not None:
            mkl.MKL_Set_Num_Threads_Local(kept)


@functools.cache
def _library(*names: str) -> ctypes.CDLL | None:
    """Returns torch's library if it has these functions."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("*torch_cpu.*")):
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(str(path))
            if all(hasattr(library, name) for name in names):
                return library
    return None
