"""Which part of a Ray worker's log belongs to which trial: a list beside the log.

Ray keeps one file of a worker's output and one of its errors. The list lies in the same folder. It has a line for each
call that the worker was given, with the study, the trials and where in both files their output begins, and a line for
each evaluation that has printed something, with where that begins and ends. Ray's dashboard shows the list among the
logs of the node, and `automl show` reads it where the folder can be read.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "automl-"

FILES = ("out", "err")


class LogList:
    """Writes the list of one worker.

    Args:
        title: what the worker serves.
        worker: name of the worker.
        out: file of its output.
        err: file of its errors.
    """

    def __init__(self, title: str, worker: str, out: str, err: str) -> None:
        self._out, self._err = Path(out), Path(err)
        plain = re.sub(r"[^\w.-]+", "-", title)[:60]
        self._list = self._out.parent / f"{PREFIX}{plain}-{worker}-{os.getpid()}.log"
        self._write({"worker": worker, "out": self._out.name, "err": self._err.name})
        self._study, self._trials = title, [-1]
        self._sizes = (0, 0)

    def called(self, study: str, trials: Sequence[int], candidate: str) -> None:
        """Notes that a call has come.

        Args:
            study: name of the study.
            trials: numbers of the trials that it is for.
            candidate: canonical JSON of the first candidate.
        """
        self._study, self._sizes = study, (_size(self._out), _size(self._err))
        self.begin(trials)
        at, begins = time.strftime("%Y-%m-%dT%H:%M:%S%z"), dict(zip(FILES, self._sizes, strict=True))
        self._write({"at": at, "study": study, "trials": list(trials), "candidate": candidate[:500], **begins})

    def begin(self, trials: Sequence[int]) -> None:
        """Notes that an evaluation begins, or a batch that is evaluated at once."""
        self._trials = list(trials)

    def end(self) -> None:
        """Notes that it has ended; writes a line if it has printed something."""
        sizes = (_size(self._out), _size(self._err))
        if sizes == self._sizes:
            return
        printed = {name: pair for name, *pair in zip(FILES, self._sizes, sizes, strict=True) if pair[1] > pair[0]}
        self._write({"study": self._study, "trials": self._trials, "printed": printed})
        self._sizes = sizes

    def _write(self, line: dict[str, object]) -> None:
        with suppress(OSError), self._list.open("a", encoding="utf-8") as file:  # a full disk ends no evaluation
            file.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class LogPart:
    """The part of a log that one trial wrote.

    Attributes:
        path: file of the log.
        begins: first byte.
        ends: byte after the last; None if it goes on to the end of the file.
    """

    path: Path
    begins: int
    ends: int | None


def parts_of(folder: Path, study: str, trial: int) -> list[LogPart]:
    """Returns what the workers wrote while they evaluated for a trial, without empty parts.

    Args:
        folder: of Ray's logs.
        study: name of the study.
        trial: number of the trial.
    """
    found = []
    for path in sorted(folder.glob(f"{PREFIX}*.log")):
        lines = list(_lines(path))
        if lines and "worker" in lines[0]:
            files = {name: folder / lines[0][name] for name in FILES}
            found += [LogPart(files[name], *place) for name, place in _places(lines[1:], study, trial)]
    return [part for part in found if (_size(part.path) if part.ends is None else part.ends) > part.begins]


def _places(lines: Sequence[dict[str, Any]], study: str, trial: int) -> Iterator[tuple[str, tuple[int, int | None]]]:
    """Yields in which file, and from where to where a trial has printed. The last call may not have ended well."""
    unfinished: dict[str, int] = {}
    for line in lines:
        mine = line["study"] == study and trial in line["trials"]
        if "printed" not in line:
            unfinished = {name: line[name] for name in FILES} if mine else {}
            continue
        for name, (begins, ends) in line["printed"].items():
            if name in unfinished:
                unfinished[name] = ends
            if mine:
                yield name, (begins, ends)
    for name, begins in unfinished.items():
        yield name, (begins, None)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the lines that can be read; the last one may be half written."""
    with suppress(OSError), path.open(encoding="utf-8") as file:
        for text in file:
            with suppress(ValueError):
                yield json.loads(text)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
