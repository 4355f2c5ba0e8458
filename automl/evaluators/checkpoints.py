"""Checkpoints: the state that a long evaluation leaves on disk, for a fuller one or for itself after its worker died.

A checkpoint changes no result: an evaluator that uses one must return what it would have returned in one piece. So
nothing is lost but time when a checkpoint is missing, unreadable, or another machine's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

log = logging.getLogger(__name__)

EVERY_SECONDS = 30.0
"""How often a long evaluation saves its state: short ones never write."""


@dataclass
class Checkpoint:
    """One evaluation's file. Its content is the evaluator's own; read it with something that runs no code.

    Attributes:
        path: of the file; it and its folder need not exist.
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
    """Returns the path of one evaluation's checkpoint. Encodings of one class share results and never states."""
    return str(Path(folder) / f"{key.hex()}-{replicate}-{xxhash.xxh3_64_hexdigest(candidate.encode())}")


def clear(folder: str) -> None:
    """Removes a fidelity group's checkpoints; who still needed one starts that evaluation from its beginning."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        Path(folder).parent.rmdir()  # the last one takes the folder of all groups with it
