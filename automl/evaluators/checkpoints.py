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
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from automl.storage.processes import Process, this_process

log = logging.getLogger(__name__)

_MARK = ".used-"

UNFINISHED_SECONDS = 30 * 86400.0
"""For so long the states of a study that did not end are kept for it, unless its process lives."""

EVERY_SECONDS = 30.0
"""How often a long evaluation saves its state: short ones never write."""


@dataclass
class Checkpoint:
    """The file in which one evaluation saves its state, to go on from there later.

    What is in it the evaluator decides. Read it with something that runs no code.

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
        _write(self.path, state)

    def discard(self) -> None:
        """Removes the file, where there is one."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        log.warning("checkpoint %s could not be written: %s", path, error)
        with contextlib.suppress(OSError):
            part.unlink()


def file_of(folder: str, key: bytes, replicate: int, candidate: str) -> str:
    """Returns the path of one evaluation's checkpoint. Each encoding of a class has its own: states are never shared.

    Example:
        >>> one, other = (file_of("states", bytes(16), 0, text) for text in ('{"x":1}', '{"x":2}'))
        >>> one != other
        True
    """
    return str(Path(folder) / f"{key.hex()}-{replicate}-{xxhash.xxh3_64_hexdigest(candidate.encode())}")


@dataclass
class Use:
    """One study that works with a folder of checkpoints: see `used`.

    Attributes:
        owner: names the study, among all studies of all databases.
        kept: True where the study has states here that it may want again.

    Example:
        >>> with used("states", "mine") as use:
        ...     Checkpoint(Path(file_of("states", bytes(16), 0, "{}"))).write(b"epoch 3")
        ...     use.keep()
        >>> Checkpoint(Path(file_of("states", bytes(16), 0, "{}"))).read()
        b'epoch 3'
    """

    owner: str
    kept: bool = False

    def keep(self) -> None:
        """Leaves the checkpoints where they are when the loop ends: the study may go on with them."""
        self.kept = True


@contextlib.contextmanager
def used(folder: str | None, owner: str) -> Iterator[Use]:
    """Marks a folder of checkpoints as used by a study. The last study that uses it removes the checkpoints.

    A study uses the folder from the beginning of its loop to its end. Where the body raises, where the process is
    killed and where the use is kept, the study is not at its end: the mark stays, and nobody removes the states before
    the study has gone on, or `UNFINISHED_SECONDS` are over.

    Args:
        folder: of the group; None where nothing is kept.
        owner: names the study, among all studies of all databases.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "group"
        >>> with used(str(folder), "one study"), used(str(folder), "another"):
        ...     Checkpoint(folder / "state").write(b"after three epochs")
        >>> folder.exists()
        False
    """
    use = Use(owner)
    if folder is None:
        yield use
        return
    mark = Path(folder) / f"{_MARK}{xxhash.xxh3_64_hexdigest(owner.encode())}"
    _write(mark, json.dumps({"study": owner, "process": dataclasses.asdict(this_process())}).encode())
    yield use
    if not use.kept:
        with contextlib.suppress(OSError):
            mark.unlink()
        _tidy(Path(folder))


def _tidy(folder: Path) -> None:
    """Removes the checkpoints of a folder that no study uses any more; whoever still needed one begins again.

    What appears after the marks were looked at is left alone: it belongs to a study that has just begun.
    """
    try:
        found = list(folder.iterdir())
    except OSError:
        return
    if any(one.name.startswith(_MARK) and _wanted(one) for one in folder.iterdir()):
        return
    for one in found:
        with contextlib.suppress(OSError):
            one.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()  # the last one takes the folder of all groups with it


def _wanted(mark: Path) -> bool:
    """Tells whether the study of a mark still uses the folder: its process lives, or it may be continued."""
    try:
        if time.time() - mark.stat().st_mtime < UNFINISHED_SECONDS:
            return True
        return _lives(mark)
    except OSError:
        return False


def _lives(mark: Path) -> bool:
    """Tells whether the process that works with the folder under a mark is known to live."""
    try:
        return Process(**json.loads(mark.read_text(encoding="utf-8"))["process"]).gone() is False
    except (OSError, ValueError, TypeError, KeyError):
        return False


def names_in(folder: str) -> dict[str, tuple[bytes, int]]:
    """Returns the key and replicate of each checkpoint in a folder, by the name of its file.

    Example:
        >>> Checkpoint(Path(file_of("states", bytes(16), 2, "{}"))).write(b"epoch 3")
        >>> list(names_in("states").values()) == [(bytes(16), 2)]
        True
    """
    found = {}
    for path in Path(folder).glob("*-*-*"):
        key, _, rest = path.name.partition("-")
        number, _, candidate = rest.rpartition("-")
        if len(key) == 32 and len(candidate) == 16 and number.lstrip("-").isdecimal():
            found[path.name] = bytes.fromhex(key), int(number)
    return found


def move(old: str, new: str, places: Mapping[str, tuple[bytes, int]]) -> int:
    """Moves checkpoints to another folder, and returns how many; one that is there already stays where it is.

    Studies that may go on with them are marked as users of the new folder first, so that nobody removes the states.

    Args:
        old: folder; while a study works with it, nothing is moved.
        new: folder.
        places: the new key and replicate of each, by the name of its file.

    Example:
        >>> Checkpoint(Path(file_of("states", bytes(16), 2, "{}"))).write(b"epoch 3")
        >>> move("states", "elsewhere", {name: (b"k" * 16, 0) for name in names_in("states")})
        1
        >>> Checkpoint(Path(file_of("elsewhere", b"k" * 16, 0, "{}"))).read()
        b'epoch 3'
    """
    marks = list(Path(old).glob(f"{_MARK}*"))
    if any(map(_lives, marks)):
        return 0
    moved = 0
    with contextlib.suppress(OSError):
        Path(new).mkdir(parents=True, exist_ok=True)
        for mark in marks:
            if not (target := Path(new) / mark.name).exists():
                _write(target, mark.read_bytes())
        for name, (key, replicate) in places.items():
            target = Path(new) / f"{key.hex()}-{replicate}-{name.rpartition('-')[2]}"
            if not target.exists():
                (Path(old) / name).replace(target)
                moved += 1
        if not names_in(old):
            for mark in marks:
                mark.unlink()
            Path(old).rmdir()
    return moved
