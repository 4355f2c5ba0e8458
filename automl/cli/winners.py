"""What a search hands over beside its report: what the winner does, and the winner as a Python file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from automl.cli.common import file_name
from automl.errors import AutoMLError, InvalidInput
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
    path = folder / file_name(f"automl-best-{study.name}", ".py")
    try:
        path.write_text(source, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}; the study is kept") from error
    return path
