"""Checkpoints: the state that a long evaluation leaves on disk, for a fuller one or for itself after its worker died.

A checkpoint changes no result: an evaluator that uses one must return what it would have returned in one piece. So
nothing is lost but time when a checkpoint is missing, unreadable, or another machine's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from automl.storage.processes import Process, this_process

log = logging.getLogger(__name__)

_MARK = ".used-"
_FOREIGN_SECONDS = 86400.0

EVERY_SECONDS = 30.0
"""How often a long evaluation saves its state: short ones never write."""


@dataclass
class Checkpoint:
    """One evaluation's file. Its content is the evaluator's own; read it with something that runs no code.

    Attributes:
        path: of the file; it and its folder need not exist.

    Example:
        >>> checkpoint = Checkpoint(Path("states") / "one")
        >>> checkpoint.read() is None  # nothing was left there
        True
        >>> checkpoint.write(b"epoch 3")
        >>> checkpoint.read()
        b'epoch 3'
    """

    path: Path
    _saved: float = field(default_factory=time.monotonic)

    def read(self) -> bytes | None:
        """Returns what was written last, None where there is nothing to read."""
        try:
            return self.path.read_bytes()
        except OSError:
            return None

    @property
    def due(self) -> bool:
        """True when the last state saved is old enough that a crash now would cost something."""
        return time.monotonic() - self._saved >= EVERY_SECONDS

    def write(self, state: bytes) -> None:
        """Replaces the file at once and as a whole. A full or missing disk costs the checkpoint, not the evaluation."""
        self._saved = time.monotonic()
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(state)
            part.replace(self.path)
        except OSError as error:
            log.warning("checkpoint %s could not be written: %s", self.path, error)
            with contextlib.suppress(OSError):
                part.unlink()

    def discard(self) -> None:
        """Removes the file, where there is one."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def file_of(folder: str, key: bytes, replicate: int, candidate: str) -> str:
    """Returns the path of one evaluation's checkpoint. Encodings of one class share results and never states.

    Example:
        >>> one, other = (file_of("states", bytes(16), 0, text) for text in ('{"x":1}', '{"x":2}'))
        >>> one != other
        True
    """
    return str(Path(folder) / f"{key.hex()}-{replicate}-{xxhash.xxh3_64_hexdigest(candidate.encode())}")


class Use:
    """One loop that works with a fidelity group's folder, see `used`.

    Example:
        >>> with used("states") as use:
        ...     Checkpoint(Path(file_of("states", bytes(16), 0, "{}"))).write(b"epoch 3")
        ...     use.keep()
        >>> Checkpoint(Path(file_of("states", bytes(16), 0, "{}"))).read()
        b'epoch 3'
    """

    def __init__(self) -> None:
        self.kept = False

    def keep(self) -> None:
        """Leaves the checkpoints where they are when the loop ends: somebody may go on with them."""
        self.kept = True


@contextlib.contextmanager
def used(folder: str | None) -> Iterator[Use]:
    """Marks a fidelity group's folder as used by this process; the last that uses it removes the checkpoints.

    Where the body raises they stay: whoever goes on with the study finds them.

    Args:
        folder: of the group; None where nothing is kept.

    Example:
        >>> with used("states"):
        ...     Checkpoint(Path(file_of("states", bytes(16), 0, "{}"))).write(b"epoch 3")
        >>> Path(file_of("states", bytes(16), 0, "{}")).exists()  # the loop is over, and nobody else uses them
        False
    """
    use = Use()
    if folder is None:
        yield use
        return
    mark = Path(folder) / f"{_MARK}{secrets.token_hex(8)}"
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps(dataclasses.asdict(this_process())), encoding="utf-8")
    try:
        yield use
    except BaseException:
        _leave(mark)
        raise
    _leave(mark)
    if not use.kept and not _others(Path(folder)):
        clear(folder)


def _leave(mark: Path) -> None:
    with contextlib.suppress(OSError):
        mark.unlink()


def _others(folder: Path) -> bool:
    """Tells whether another living process uses the folder. One of another machine is believed for a day."""
    for mark in folder.glob(f"{_MARK}*"):
        try:
            gone = Process(**json.loads(mark.read_text(encoding="utf-8"))).gone()
            age = time.time() - mark.stat().st_mtime
        except (OSError, ValueError, TypeError):
            continue
        if gone is False or (gone is None and age < _FOREIGN_SECONDS):
            return True
    return False


def clear(folder: str) -> None:
    """Removes a fidelity group's checkpoints; who still needed one starts that evaluation from its beginning.

    Example:
        >>> Checkpoint(Path(file_of("states", bytes(16), 0, "{}"))).write(b"epoch 3")
        >>> clear("states")
        >>> Path("states").exists()
        False
    """
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        Path(folder).parent.rmdir()  # the last one takes the folder of all groups with it
