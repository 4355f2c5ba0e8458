"""The other side of `child.py`: a process that answers requests one after another until nobody asks any more."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from automl.isolation.limits import OwnExit, limit_memory, no_exit

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    """Serves the connection whose file descriptor is the first argument; the second is the parent's process id."""
    connection = Connection(int(sys.argv[1]))
    _die_with(int(sys.argv[2]))
    os.dup2(2, 1)  # what candidates print is no output of ours
    try:
        sys.path[:], packed, memory = pickle.loads(connection.recv_bytes())  # noqa: S301 - our own parent's bytes
        with no_exit():
            serve = pickle.loads(packed)()  # noqa: S301 - likewise
        if memory is not None:
            limit_memory(memory)
        connection.send_bytes(pickle.dumps(""))
    except (Exception, SystemExit, OwnExit) as error:
        connection.send_bytes(pickle.dumps(f"{type(error).__name__}: {error}"))
        return
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            for request in pickle.loads(connection.recv_bytes()):  # noqa: S301 - likewise
                connection.send_bytes(pickle.dumps(_answer(serve, request)))


def _answer(serve: Any, request: Any) -> tuple[bool, Any]:
    """Returns (True, answer), or (False, type and message of what was raised)."""
    try:
        with no_exit():
            return True, serve(request)
    except (Exception, SystemExit, OwnExit) as error:
        return False, " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _die_with(parent: int) -> None:
    """Ends this process when its parent has ended, even one that hangs in somebody's loop (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
