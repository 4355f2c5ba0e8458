"""Which rule the evaluation of a trial is asked by, and where results that stopped early stand.

A rule is made of what was told before the trial's block, so the same seed and window give the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from automl.cache.store import EquivalenceCache
from automl.evaluators.pruning import PruneRule
from automl.rules import LoopSettings
from automl.storage.records import TrialRecord
from automl.strategies.base import Told
from automl.strategies.pruning import CurvesTold, Pruner


class Pruning:
    """Makes the rules of one study.

    Args:
        settings: of the loop.
        cache: holds the learning curves.
        commit: writes what is not committed yet, so that the curves of the last trials can be read.
    """

    def __init__(
        self,
        settings: LoopSettings,
        cache: EquivalenceCache,
        commit: Callable[[], None],
    ) -> None:
        self._cache, self._commit = cache, commit
        self._metric = settings.objective.metric
        self._curves: CurvesTold | None = None
        if settings.prune:
            self._curves = CurvesTold(Pruner.read(settings.prune), self._metric, settings.objective.minimize)
        self._places: dict[int, tuple[int, bytes]] = {}  # recorded and not told, by number

    @property
    def active(self) -> bool:
        """True where evaluations are asked to stop."""
        return self._curves is not None

    def recorded(self, records: Iterable[TrialRecord]) -> None:
        """Takes trials that were recorded."""
        if self._curves is not None and self._curves.pruner.kind != "patience":
            self._places.update((one.number, (one.context, one.key)) for one in records)

    def told(self, trials: Sequence[Told]) -> None:
        """Takes trials that the strategy is told of, in order."""
        if self._curves is None or self._curves.pruner.kind == "patience":
            return
        self._commit()
        places = [(trial.number, *self._places.pop(trial.number)) for trial in trials if trial.number in self._places]
        by_context: dict[int, list[bytes]] = {}
        for _, context, key in places:
            by_context.setdefault(context, []).append(key)
        found = {context: self._cache.learning_curves(context, keys) for context, keys in by_context.items()}
        for number, context, key in places:
            curves = found[context].get(key, {})
            if curves:
                self._curves.add(number, curves[min(curves)].values(self._metric))

    def rule(self, number: int) -> PruneRule | None:
        """Returns the rule for a trial that is proposed now; None asks nobody to stop."""
        return None if self._curves is None else self._curves.rule(number)
