"""What only a machine says: texts of errors by which its failures are told from a candidate's own.

Memory, accelerators and their libraries, shared memory, disk, network, data loaders. Such a failure says nothing about
a candidate: it may be gone at the next attempt.
"""

from __future__ import annotations

import re

_MEMORY = re.compile(
    r"out of (\w+ )*memory|(can't|cannot|could not|unable to|failed to) allocate|not enough memory|bad_alloc"
    r"|memory allocation|_ALLOC_FAILED|RESOURCE_EXHAUSTED|DefaultCPUAllocator|MemoryError",
    re.IGNORECASE,
)
"""A failed allocation, as torch, CUDA, cuBLAS, numpy, C++ and others tell it."""

_MACHINE = re.compile(
    r"\bcuda[ _]?(error|driver|runtime|failure|initiali|call|kernel|malloc)|with cuda enabled|cuda-capable|no cuda gpu"
    r"|cuda (is not|unavailable)|\bcu(dnn|blas|blaslt|solver|sparse|fft|rand|dss)|\bnccl|\bgloo\b|\bhip(blas|\w*Error)"
    r"|\brocm|\bmiopen|\bnvidia|\bnvml|\bnvrtc|\bcudart|\blibcu|driver version|no kernel image|\bMPS backend"
    r"|\bxpu (error|backend)|\becc error|unspecified launch failure|illegal memory access"
    r"|shared memory|/dev/shm|\bshm\b|bus error|signal: |dataloader worker \(pid|segmentation fault|illegal instruction"
    r"|no space left|unable to (write|open|mmap|read)|(write|read) failed|disk (is )?full|disk quota|disk i/o"
    r"|quota exceeded|read-only file system|input/output error"
    r"|stale (nfs )?file handle|too many open files|resource temporarily unavailable|device or resource busy"
    r"|connection (was )?(refused|reset|aborted|closed|timed out|error)|broken pipe|network is unreachable"
    r"|no route to host|name resolution|name or service not known|max retries exceeded|timed out|timeout error"
    r"|ssl(error|: |\])|http error 5|service unavailable|socket (closed|error)|process group|watchdog"
    r"|cannot open shared object|undefined symbol|database is locked|eagain|enospc|enomem",
    re.IGNORECASE,
)

_SYSTEM_ERRORS = re.compile(
    r"\b(OSError|IOError|BlockingIOError|ChildProcessError|Connection\w*Error|BrokenPipeError|File\w+Error|EOFError"
    r"|InterruptedError|IsADirectoryError|NotADirectoryError|PermissionError|ProcessLookupError|TimeoutError"
    r"|ImportError|ModuleNotFoundError): "
)
"""What Python raises for the system: subclasses of OSError and ImportError, and EOFError."""


def of_memory(text: str) -> bool:
    """Tells whether the text of an error, its type in front, says that memory could not be had.

    Example:
        >>> of_memory("RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 TB")
        True
    """
    return _MEMORY.search(text) is not None


def of_machine(text: str) -> bool:
    """Tells whether the text of an error, its type in front, names a device, a library of one, a disk or a network.

    Example:
        >>> of_machine("RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED")
        True
        >>> of_machine("RuntimeError: mat1 and mat2 shapes cannot be multiplied")
        False
    """
    return _MACHINE.search(text) is not None


def may_pass(text: str) -> bool:
    """Tells whether an error of which only the text is left, its type in front, may be gone at the next attempt.

    Example:
        >>> may_pass("the function cannot be run: PermissionError: [Errno 13] Permission denied: 'table.npz'")
        True
        >>> may_pass("ZeroDivisionError: division by zero")
        False
    """
    return of_memory(text) or of_machine(text) or _SYSTEM_ERRORS.search(text) is not None
