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
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import xxhash

from automl.errors import InvalidInput
from automl.evaluators.places import RemotePath, changed, place
from automl.storage.processes import Process, this_process

log = logging.getLogger(__name__)

_MARK = ".used-"

UNFINISHED_SECONDS = 30 * 86400.0
"""For so long the states of a study that did not end are kept for it, unless its process lives."""

EVERY_SECONDS = 30.0
"""How often a long evaluation saves its state: short ones never write."""


@dataclass
class Checkpoint:
    """Handle on the file in which one evaluation saves its training state, so that a later evaluation can continue from
    it.

    The evaluator chooses the format of the bytes. Load them with a reader that cannot execute code (JSON,
    `torch.load(..., weights_only=True)`), not with pickle: others may be able to write to the folder. `write` replaces
    the file atomically; `discard` removes it. The engine removes all checkpoints when no unfinished study uses their
    folder any more.

    Attributes:
        path: Path of the file, or a `RemotePath`. Neither the file nor its folder need exist; `write` makes the folder.

    Example:
        >>> checkpoint = Checkpoint(Path("states") / "one")
        >>> checkpoint.read() is None  # there is no file yet
        True
        >>> checkpoint.write(b"epoch 3")
        >>> checkpoint.read()
        b'epoch 3'
    """

    path: Path | RemotePath
    _saved: float = field(default_factory=time.monotonic)

    def read(self) -> bytes | None:
        """Returns the bytes that were written last; None if there is no file or it cannot be read."""
        try:
            return self.path.read_bytes()
        except OSError:
            return None

    @property
    def due(self) -> bool:
        """True if saving again is worth its cost: the last `write` was `EVERY_SECONDS` ago or longer, or this process
        is about to end.
        """
        return bool(_on_saved) or time.monotonic() - self._saved >= EVERY_SECONDS

    def write(self, state: bytes) -> None:
        """Replaces the file atomically. If the disk is full or missing, nothing is saved and nothing raised."""
        self._saved = time.monotonic()
        if not _write(self.path, state):
            return  # who is about to end stays as long as it may: the next attempt, or the end, may still be reached
        for leave in _on_saved:
            leave()

    def discard(self) -> None:
        """Removes the file, if it exists."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


_on_saved: list[Callable[[], None]] = []


def hurry(then: Callable[[], None]) -> None:
    """Lets evaluations of this process save their state as soon as they can, because the process is about to end.

    Args:
        then: Called after each `write` that has saved the state.

    Example:
        >>> checkpoint = Checkpoint(Path("states") / "one")
        >>> checkpoint.due
        False
        >>> hurry(lambda: print("saved"))
        >>> checkpoint.due
        True
        >>> checkpoint.write(b"epoch 3")
        saved
        >>> _on_saved.clear()
    """
    _on_saved.append(then)


def _write(path: Path | RemotePath, content: bytes) -> bool:
    """Replaces a file; returns whether that was possible."""
    if isinstance(path, RemotePath):
        try:
            path.write_bytes(content)
        except OSError as error:
            log.warning("checkpoint %s could not be written: %s", path, error)
            return False
        return True
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        log.warning("checkpoint %s could not be written: %s", path, error)
        with contextlib.suppress(OSError):
            part.unlink()
        return False
    return True


def check_folder(folder: str) -> None:
    """Insists that states can be left in a folder, which is made if it does not exist, or at a URL that fsspec knows.

    Raises:
        InvalidInput: it cannot be written to.

    Example:
        >>> check_folder("states")
        >>> Path("other").write_text("a file")
        6
        >>> check_folder("other")
        Traceback (most recent call last):
        automl.errors.InvalidInput: checkpoints cannot be written to other: File exists; name another folder ...
    """
    path = place(folder) / f".check-{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"automl")
        path.unlink()
    except OSError as error:
        raise InvalidInput(
            f"checkpoints cannot be written to {folder}: {error.strerror or error}; name another folder with "
            "--checkpoints DIR"
        ) from error


def file_of(folder: str, key: bytes, seed: int, candidate: str) -> str:
    """Returns the path of one evaluation's checkpoint. Each seed has its own, for a training is continued from its own
    states only; and each candidate, even within one equivalence class.

    Example:
        >>> one, other = (file_of("states", bytes(16), 7, text) for text in ('{"x":1}', '{"x":2}'))
        >>> one != other
        True
    """
    return str(place(folder) / f"{key.hex()}-s{seed}-{xxhash.xxh3_64_hexdigest(candidate.encode())}")


@dataclass
class Use:
    """Use of a folder of checkpoints by one study, see `used`.

    Attributes:
        owner: Name of the study, unique among all studies of all databases.
        kept: True if the study may need the states in the folder again.

    Example:
        >>> with used("states", "mine") as use:
        ...     Checkpoint(Path(file_of("states", bytes(16), 7, "{}"))).write(b"epoch 3")
        ...     use.keep()
        >>> Checkpoint(Path(file_of("states", bytes(16), 7, "{}"))).read()
        b'epoch 3'
    """

    owner: str
    kept: bool = False

    def keep(self) -> None:
        """Keeps the checkpoints when the loop ends, because the study may continue from them."""
        self.kept = True


@contextlib.contextmanager
def used(folder: str | None, owner: str) -> Iterator[Use]:
    """Context manager that registers a study as user of a folder of checkpoints. The last user removes the checkpoints.

    If the body raises, if the process is killed, or after `use.keep()`, the study counts as unfinished: it stays
    registered, and the checkpoints are kept until the study has continued or `UNFINISHED_SECONDS` have passed.

    Args:
        folder: Path or URL of the folder; None if no checkpoints are kept.
        owner: Name of the study, unique among all studies of all databases.

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
    mark = place(folder) / f"{_MARK}{xxhash.xxh3_64_hexdigest(owner.encode())}"
    _write(mark, json.dumps({"study": owner, "process": dataclasses.asdict(this_process())}).encode())
    yield use
    if not use.kept:
        with contextlib.suppress(OSError):
            mark.unlink()
        _tidy(place(folder))


def _tidy(folder: Path | RemotePath) -> None:
    """Removes the checkpoints of a folder that no study uses any more; whoever still needed one begins again.

    What appears after the marks were looked at is left alone: it belongs to a study that has just begun.
    """
    try:
        found: list[Path | RemotePath] = [*folder.iterdir()]
        if any(one.name.startswith(_MARK) and _wanted(one) for one in folder.iterdir()):
            return
    except OSError:
        return
    for one in found:
        with contextlib.suppress(OSError):
            one.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()  # the last one takes the folder of all groups with it


def _wanted(mark: Path | RemotePath) -> bool:
    """Tells whether the study of a mark still uses the folder: its process lives, or it may be continued.

    A mark that is there and cannot be dated counts as a new one: some file systems do not say when a file was changed.
    """
    try:
        age = time.time() - changed(mark)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return age < UNFINISHED_SECONDS or _lives(mark)


def _lives(mark: Path | RemotePath) -> bool:
    """Tells whether the process that works with the folder under a mark is known to live."""
    try:
        return Process(**json.loads(mark.read_text(encoding="utf-8"))["process"]).gone() is False
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _move_file(old: Path | RemotePath, new: Path | RemotePath) -> None:
    if isinstance(old, Path) and isinstance(new, Path):
        old.replace(new)
    else:
        _write(new, old.read_bytes())
        old.unlink()


class Named(NamedTuple):
    """What the name of a checkpoint says.

    Attributes:
        key: Key of the evaluation's class.
        number: Seed of the evaluation; its replicate, where an earlier version left the file.
        is_seed: Which of the two `number` is.

    Example:
        >>> Checkpoint(Path(file_of("states", bytes(16), 2, "{}"))).write(b"epoch 3")
        >>> [one.is_seed for one in names_in("states").values()]
        [True]
    """

    key: bytes
    number: int
    is_seed: bool


_NAME = re.compile(r"([0-9a-f]{32})-(s|-?)([0-9]+)-[0-9a-f]{16}")


def names_in(folder: str) -> dict[str, Named]:
    """Returns what the name of each checkpoint in a folder says, by file name; empty without a folder.

    Example:
        >>> Checkpoint(Path(file_of("states", bytes(16), 2, "{}"))).write(b"epoch 3")
        >>> [(one.key == bytes(16), one.number) for one in names_in("states").values()]
        [(True, 2)]
    """
    found = {}
    for path in place(folder).glob("*-*-*"):
        if parts := _NAME.fullmatch(path.name):
            key, kind, number = parts.groups()
            found[path.name] = Named(bytes.fromhex(key), int(f"{kind}{number}".lstrip("s")), kind == "s")
    return found


def move(old: str, new: str, places: Mapping[str, tuple[bytes, int]]) -> int:
    """Moves checkpoints to another folder and returns how many were moved. A checkpoint that exists there already is
    not replaced.

    Studies that may continue from these checkpoints are registered as users of the new folder first, so that the states
    are not removed.

    Args:
        old: Path or URL of the present folder; while a study works with it, nothing is moved.
        new: Path or URL of the new folder.
        places: Mapping from file name to the new key and the seed.

    Example:
        >>> Checkpoint(Path(file_of("states", bytes(16), 2, "{}"))).write(b"epoch 3")
        >>> move("states", "elsewhere", {name: (b"k" * 16, 2) for name in names_in("states")})
        1
        >>> Checkpoint(Path(file_of("elsewhere", b"k" * 16, 2, "{}"))).read()
        b'epoch 3'
    """
    before, after = place(old), place(new)
    marks: list[Path | RemotePath] = [*before.glob(f"{_MARK}*")]
    if any(map(_lives, marks)):
        return 0
    moved = 0
    with contextlib.suppress(OSError):
        after.mkdir(parents=True, exist_ok=True)
        for mark in marks:
            if not (target := after / mark.name).exists():
                _write(target, mark.read_bytes())
        for name, (key, seed) in places.items():
            target = after / f"{key.hex()}-s{seed}-{name.rpartition('-')[2]}"
            if not target.exists():
                _move_file(before / name, target)
                moved += 1
        if not names_in(old):
            for mark in marks:
                mark.unlink()
            before.rmdir()
    return moved
