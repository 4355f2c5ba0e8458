"""Where the winner's trained network is, as a report says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl.selection.ranking import SEARCH_WINNER
from automl.storage.artefacts import MADE, artefacts_of
from automl.storage.engine import Database
from automl.storage.records import StudyRecord, TrialRecord

WEIGHTS = "weights"


def model_of(database: Database, record: StudyRecord, tested: Sequence[TrialRecord]) -> dict[str, Any]:
    """Returns digest, size and place of the weights of a study's winner, and the command that exports them.

    Args:
        database: of the study.
        record: the study.
        tested: its test study's trials, the winner first.

    Returns:
        Dict with "weights", "bytes", "place" and "export"; empty where no weights are kept.
    """
    winner = next((trial for trial in tested if trial.origin == SEARCH_WINNER), None)
    if winner is None:
        return {}
    with database.read() as connection:
        links = artefacts_of(connection, winner.context, winner.key, 0)
    found = next((link for link in links if link.relation == MADE and link.name == WEIGHTS), None)
    if found is None:
        return {}
    digest = bytes(found.digest).hex()
    place = record.settings.get("environment", {}).get("artefacts") or database.beside("artefacts") or ""
    if place and "://" not in place:
        place = str(Path(place, digest[:2], f"{digest}.safetensors"))
    export = f"automl export {record.name} FOLDER --to onnx"
    return {"weights": digest, "bytes": found.size, "place": place, "export": export}
