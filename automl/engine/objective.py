"""An objective that no trial has is the user's setting: the study is refused early, and nothing is lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from automl.engine.trial import Trial
from automl.errors import InvalidInput
from automl.rules import LoopSettings
from automl.storage.records import TrialRecord


class ObjectiveCheck:
    """Looks at the first trials of a study for its objective.

    Args:
        settings: of the loop.
    """

    def __init__(self, settings: LoopSettings) -> None:
        self._metric = settings.objective.metric
        most = settings.budget.trials
        self._enough = settings.block if most is None else min(settings.block, most)
        self._known = False
        self._others: list[str] = []  # metrics that were returned instead

    def replayed(self, metrics: Collection[str]) -> None:
        """Takes the metrics of a trial that was recorded before."""
        self._known = self._known or self._metric in metrics

    def recorded(self, trials: Sequence[Trial], records: Sequence[TrialRecord], done: int) -> None:
        """Takes trials that were just recorded.

        Args:
            trials: with their results.
            records: of the trials.
            done: number of all trials recorded.

        Raises:
            InvalidInput: no trial so far has the objective, and evaluations returned other metrics.
        """
        found = [result.metrics for trial in trials for result in trial.results.values() if result.metrics]
        # A record may lack it all the same: a trial that lacks another objective has failed.
        self._known = self._known or any(self._metric in one.metrics for one in records)
        self._known = self._known or any(self._metric in metrics for metrics in found)
        if self._known:
            return
        self._others = self._others or sorted({name for metrics in found for name in metrics})
        if self._others and done >= self._enough:
            raise InvalidInput(
                f"no trial so far returned the metric {self._metric!r}, only {', '.join(self._others)}; name one of "
                f"these as the objective (--objective {self._others[0]}): what was evaluated is stored and will be "
                "served"
            )
