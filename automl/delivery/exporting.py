"""A trial of a study as files: its trained network, or the source of a candidate that is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from automl import registry
from automl.delivery.source import export_source
from automl.errors import InvalidInput
from automl.evaluators.delivery import Delivers
from automl.selection.ranking import decoded
from automl.storage.records import TrialRecord

if TYPE_CHECKING:
    from automl.delivery.model import TrainedModel
    from automl.setup.parts import Parts
    from automl.spaces.space import Space

SOURCE = "python"


class Exportable(Protocol):
    """What an export needs of a study."""

    name: str

    @property
    def space(self) -> Space: ...
    @property
    def parts(self) -> Parts: ...
    def trained_from(self, record: TrialRecord, replicate: int = 0, artefacts: str | None = None) -> TrainedModel: ...


def export_trial(study: Exportable, trial: TrialRecord, to: str, folder: Path, artefacts: str | None) -> Path:
    """Writes a trial; see `Study.export`.

    Raises:
        InvalidInput: it cannot be written so; no folder is left behind.
    """
    if to not in (known := registry.names("exporters")):
        raise InvalidInput(registry.unknown("exporter", to, known))
    if to == SOURCE and not trains(study):
        figures: dict[str, Any] = dict(trial.metrics)
        return export_source(study.space, decoded(study.space, trial), folder, study.name, figures)
    return study.trained_from(trial, artefacts=artefacts).export(to, folder)


def trains(study: Exportable) -> bool:
    """Tells whether a study's evaluator trains networks.

    Raises:
        InvalidInput: it was an object in somebody's program.
    """
    return isinstance(study.parts.evaluator, Delivers)
