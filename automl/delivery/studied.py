"""The methods of a study that hand over its trained networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput
from automl.selection.ranking import decoded
from automl.spaces.space import Candidate, Space
from automl.storage.engine import Database
from automl.storage.records import TrialRecord

if TYPE_CHECKING:
    from automl.delivery.ensemble import Ensemble
    from automl.delivery.model import Delivery, TrainedModel
    from automl.setup.parts import Parts


class Delivered:
    """Part of `Study`: the trained networks behind its trials.

    Example:
        >>> import automl
        >>> issubclass(automl.Study, Delivered)
        True
    """

    database: Database
    name: str
    settings: dict[str, Any]
    record_id: int

    @property
    @abstractmethod
    def space(self) -> Space:
        """The space of the search."""

    @property
    @abstractmethod
    def parts(self) -> Parts:
        """Space, evaluator and strategy."""

    @abstractmethod
    def trial(self, number: int | None = None) -> TrialRecord:
        """Returns one recorded trial; the best's without a number."""

    def trained(self, trial: int | None = None, replicate: int = 0, artefacts: str | None = None) -> TrainedModel:
        """Returns the trained network of a trial, with the test figures that it was measured with.

        The weights that the study has tested are kept. Where they are not, because the figure came from the cache or
        nobody tested this trial, the network is trained in this process, from the seed of the test figure.

        Args:
            trial: number of the trial; None takes the best.
            replicate: which of the seeds of the test figure. The first is fixed before any figure is read.
            artefacts: where the weights are, if they were moved since the study ended.

        Raises:
            InvalidInput: there is no such trial, its evaluator trains no network, or training again from its seed gives
                another figure than the stored one.
        """
        if replicate < 0:
            raise InvalidInput(f"replicate={replicate}: give 0 or more")
        return self.trained_from(self.trial(trial), replicate, artefacts)

    def trained_from(self, record: TrialRecord, replicate: int = 0, artefacts: str | None = None) -> TrainedModel:
        """Returns the trained network of a recorded trial of the search or of its random search, see `trained`."""
        return self._delivery(artefacts).model(record, replicate)

    def train(
        self, candidate: Candidate | None = None, on: str = "train+validation", seeds: int = 1
    ) -> list[TrainedModel]:
        """Trains a candidate anew from fresh seeds in this process, and measures it on the test part.

        Args:
            candidate: of the space; None takes the best.
            on: "train+validation", for all data but the test part, or "train".
            seeds: number of trainings.

        Raises:
            InvalidInput: the evaluator cannot train on these parts, or a training fails.
        """
        return self._delivery(None).train(candidate or decoded(self.space, self.trial()), on, seeds)

    def export(self, to: str, folder: str | Path, trial: int | None = None, artefacts: str | None = None) -> Path:
        """Writes a trial's trained network for people without automl, checks what was written, returns the folder.

        The folder has a README that says how to run the network. Candidates that are no network (programs,
        expressions) are written as a Python file with "python".

        Args:
            to: "pt2", "onnx", "python", "safetensors", or a registered exporter.
            folder: a new or empty folder.
            trial: number of the trial; None takes the best.
            artefacts: where the weights are, if they were moved since the study ended.

        Raises:
            InvalidInput: it cannot be written in this form, or what was written computes something else. No folder is
                left behind then.
        """
        from automl.delivery.exporting import export_trial

        return export_trial(self, self.trial(trial), to, Path(folder), artefacts)

    def ensemble(self, k: int = 10, library: int = 20, *, artefacts: str | None = None, **run: Any) -> Ensemble:
        """Joins the study's best networks into one: greedy selection on the validation part, Caruana et al. 2004.

        The networks are those of the best classes, so no two of them compute the same function before training. Their
        kept weights are used; what nobody has trained for the test part is trained by workers, through the cache, and
        kept. A network may be chosen several times, which gives it more weight. Test figures are read when the choice
        is made, beside those of the best network alone. The report has them too.

        Args:
            k: choices, so there are as many networks at most. What is returned is the best of all sizes up to it.
            library: classes to choose among, the best ones by validation.
            artefacts: where the weights are, if they were moved since the study ended.
            run: settings of this run as `automl.resume` takes them, such as `workers`.

        Raises:
            InvalidInput: the evaluator trains no network, or cannot join any; or nothing has succeeded.
            StudyBusy: a living process runs the study.
        """
        # Above this floor: it opens a pool.
        make: Callable[..., Ensemble] = import_module("automl.engine.ensembles").of_study
        return make(self, k, library, artefacts, run)

    def _delivery(self, artefacts: str | None) -> Delivery:
        from automl.delivery.model import Delivery

        return Delivery(self.database, self.name, self.record_id, self.settings, self.parts, artefacts)
