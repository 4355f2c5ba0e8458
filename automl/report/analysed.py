"""The methods of a study that look at its trials: front, importance of fields, figures as files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput
from automl.jsontext import parse
from automl.report.frames import fields_of, trials_frame
from automl.report.shown import Report
from automl.selection.fronts import front_of
from automl.selection.objectives import objectives_of
from automl.storage.records import TrialRecord
from automl.storage.studies import StudyStore

if TYPE_CHECKING:
    import pandas

    from automl.evidence.importance import Importance
    from automl.report.plots.fields import FieldValues


class Analysed:
    """Part of `Study`: analysis of its trials.

    Example:
        >>> import automl
        >>> issubclass(automl.Study, Analysed)
        True
    """

    store: StudyStore
    name: str
    settings: dict[str, Any]
    record_id: int

    @abstractmethod
    def trials(self) -> Iterator[TrialRecord]:
        """Yields the recorded trials."""

    @abstractmethod
    def report(self) -> Report:
        """Returns the evidence."""

    @property
    def front(self) -> pandas.DataFrame:
        """Pareto front of a search with several objectives: rows as of `trials_dataframe`, the best in the last
        objective first. No other trial that keeps the constraints matches or beats one of them in every objective.

        Raises:
            InvalidInput: the search has one objective.
        """
        objectives = objectives_of(self.settings)
        if len(objectives.all) < 2:
            raise InvalidInput(
                f"study {self.name} has one objective and no front; search with strategy='nsga2' and "
                "settings={'objectives': 'accuracy:maximize,parameters:minimize'}"
            )
        found = front_of(self.store, self.record_id, objectives).items()
        return trials_frame(found, self.store.fidelities(self.record_id))

    def importance(self) -> Importance:
        """Returns how much the fitness depends on each field of the candidates, see `automl.evidence.importance`.

        Raises:
            InvalidInput: fewer than 20 trials have a fitness, or no field varies.

        Example:
            >>> import automl
            >>> class Plane(automl.Space):
            ...     x = automl.Integer(0, 1000)
            ...     y = automl.Integer(0, 1000)
            >>> given = dict(strategy="random", trials=100, workers=0, storage="sqlite:///plane.db")
            >>> study = automl.search(Plane(), evaluator=lambda c: c.x, **given)
            >>> found = study.importance()
            >>> list(found.fields), found.explained > 0.5
            (['field.x', 'field.y'], True)
        """
        return self._field_values().importance()

    def figures(self, folder: str | Path) -> list[Path]:
        """Writes the figures of the report as PDF, SVG and PNG and its tables for LaTeX, and returns the paths.

        Beside what the page shows: importance of fields, the fitness by each of the most important ones, and parallel
        coordinates, where 20 trials have a fitness.

        Args:
            folder: made where it is not there; files of the same names are replaced.

        Raises:
            InvalidInput: a file cannot be written.
        """
        from automl.report.figures import write_figures  # matplotlib takes a second to load
        from automl.report.plots.fields import field_plots

        return write_figures(self.report().data, Path(folder), field_plots(self._field_values()))

    def _field_values(self) -> FieldValues:
        from automl.report.plots.fields import FieldValues

        objective = objectives_of(self.settings).fitness
        chosen, fitness = [], []
        for trial in self.trials():
            if trial.fitness is not None:
                chosen.append(fields_of(parse(trial.candidate)))
                fitness.append(trial.fitness)
        names = list(dict.fromkeys(name for one in chosen for name in one))
        columns = {name: [one.get(name) for one in chosen] for name in names}
        return FieldValues(columns, fitness, objective.metric, objective.minimize)
