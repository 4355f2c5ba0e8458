"""What a search hands over beside its report: what the winner does, and the winner as a Python file."""

from __future__ import annotations

import contextlib
from itertools import count
from pathlib import Path

import xxhash

from automl.cli.common import file_name
from automl.errors import AutoMLError, InvalidInput, legible
from automl.study import Study


def explained(study: Study) -> list[str]:
    """Returns the lines that say what the study's best candidate does, none where its space has none to say."""
    with contextlib.suppress(AutoMLError):  # nothing succeeded, or the space's own file is gone
        return study.space.explanation(study.best.candidate)
    return []


def write_source(study: Study, folder: Path) -> Path | None:
    """Writes the study's best candidate as a Python file that needs nothing of ours; None where its space has none.

    Raises:
        InvalidInput: the file cannot be written.
    """
    source = ""
    with contextlib.suppress(AutoMLError):
        source = study.space.exported(study.best.candidate)
    if not source:
        return None
    path = own_file(study, folder, "automl-best-{}.py")
    try:
        path.write_text(source, encoding="utf-8")
        mark(path, study, "# {}")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}; the study is kept") from error
    return path


def own_file(study: Study, folder: Path, name: str) -> Path:
    """Returns where to write a file of a study: over its own earlier one, never over a file of something else.

    Args:
        study: whose file it is.
        folder: of the file.
        name: of the file, with {} for the study's name; where it is taken by something else, a number is added.
    """
    before, after = name.split("{}")
    for number in count(1):
        path = folder / file_name(f"{before}{study.name}" + (f"-{number}" if number > 1 else ""), after)
        if not path.exists() or _is_marked(path, study):
            return path
    raise AssertionError("there are endlessly many numbers")


def mark(path: Path, study: Study, comment: str) -> None:
    """Writes at the end of a file whose it is, so that the next one of the same study takes its place.

    Args:
        path: of the file.
        study: whose it is.
        comment: a comment in the language of the file, with {} for the words.
    """
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{comment.format(_whose(study))}\n")


def _whose(study: Study) -> str:
    """Returns what no other study has: its name, and when it was created in which database."""
    created = study.store.by_id(study.runs[0].record_id).created
    where = xxhash.xxh3_64_hexdigest(f"{study.database.url_shown} {created!r}".encode())
    return f"written by automl for study {legible(study.name, 100)} ({where})".replace("--", "- -")


def _is_marked(path: Path, study: Study) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            return _whose(study).encode() in file.read()
    except OSError:
        return False
