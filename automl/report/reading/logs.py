"""Where the output of a trial's evaluation stands in the logs of its worker, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from automl.isolation.worker_logs import LogPart, parts_of
from automl.storage.records import TrialRecord

_LINES = 10
_BYTES = 4000


def log_lines(places: Sequence[Mapping[str, str]], study: str, trial: TrialRecord) -> list[str]:
    """Returns lines on the output of a trial's evaluation; none if it has caused no evaluation.

    Args:
        places: where the workers of each run of the study wrote their logs: "folder" and "cluster".
        study: name of the study.
        trial: the trial.
    """
    if not trial.paid_seconds and trial.outcome != "failed":
        return []
    lines: list[str] = []
    elsewhere: list[str] = []
    for place in places:
        folder = Path(place["folder"])
        if folder.is_dir():
            for part in parts_of(folder, study, trial.number):
                lines += _shown(part)
        else:
            elsewhere.append(f"{folder} of the nodes of Ray at {place['cluster']}")
    if elsewhere and not lines:
        lines.append(f"it may lie in {'; or in '.join(elsewhere)}; automl-*.log there names the file of each trial")
    return lines


def _shown(part: LogPart) -> list[str]:
    """Returns the place of an output, and its last lines."""
    try:
        with part.path.open("rb") as file:
            ends = part.ends if part.ends is not None else file.seek(0, os.SEEK_END)
            begins = max(part.begins, ends - _BYTES)
            file.seek(begins)
            text = file.read(ends - begins).decode(errors="replace").splitlines()
    except OSError as error:
        return [f"{part.path} cannot be read: {error.strerror}"]
    return [f"{part.path}, bytes {part.begins:,} to {ends:,}", *(f"  {line}" for line in text[-_LINES:])]
