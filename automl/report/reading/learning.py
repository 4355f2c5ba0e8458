"""Learning curves of one study: of what was found, of an even choice of its trials, and when the order was known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from automl.evaluators.curves import LearningCurve, mean_values
from automl.evidence import agreement_between
from automl.report.data import EpochRanks, Learning, LearningLine
from automl.report.reading.rankings import ENOUGH, RANKED
from automl.report.study_part import RatedCandidate
from automl.report.words import spread

if TYPE_CHECKING:
    from automl.cache.store import EquivalenceCache
    from automl.report.reading.stream import Reading
    from automl.storage.records import StudyRecord
    from automl.storage.studies import StudyStore

SHOWN = 100
"""Trials whose curves are drawn behind the winners', at most."""

POINTS = 200
"""Points of each curve, at most."""

PAGE = 100
"""Classes whose curves are read at a time."""

NEARLY_ALL = 0.9
"""An epoch is compared where so large a fraction of the classes reported it."""

EPOCHS = 30
"""Epochs whose order is compared with the last, at most."""


def learning(
    store: StudyStore,
    cache: EquivalenceCache,
    record: StudyRecord,
    search: Reading,
    found: Sequence[RatedCandidate],
    objective: str,
) -> Learning | None:
    """Gathers the learning curves of a study; None where no evaluation reported anything.

    Args:
        store: of the study.
        cache: in the study's namespace.
        record: the study.
        search: its trials.
        found: winners of the search and of random search, whose curves are shown first.
        objective: the metric shown; where no curve has it there are no lines, but the names of those reported.
    """
    contexts = {
        context: fidelity
        for context, fidelity in store.fidelities(record.id).items()
        if cache.classes_with_curves(context, 1)
    }
    if not contexts:
        return None
    full = next((context for context, fidelity in contexts.items() if not fidelity), None)
    drawn = _drawn(store, cache, record, search, list(contexts))
    best = {} if full is None else cache.learning_curves(full, [item.key for item in found])
    lines = [_line("trial", 0, curves, objective) for curves in drawn.values()]
    lines += [_line(item.origin, item.rank, best[item.key], objective) for item in found if item.key in best]
    every = [curve for curves in [*drawn.values(), *best.values()] for curve in curves.values()]
    if not every:
        return None
    return Learning(
        reported=sorted({name for curve in every for name in curve.metrics}),
        lines=[line for line in lines if line.values],
        ranks=[] if full is None else _ranks(cache, full, objective, _own(store, record)),
    )


def _own(store: StudyStore, record: StudyRecord) -> set[bytes]:
    """Returns the classes of a study and its phases: others in the same context are none of its candidates."""
    studies = (record, *store.phase_studies(record.id))
    return {standing.key for one in studies for standing in store.standings(one.id)}


def _drawn(
    store: StudyStore, cache: EquivalenceCache, record: StudyRecord, search: Reading, contexts: Sequence[int]
) -> dict[bytes, dict[int, LearningCurve]]:
    """Returns the curves of an even choice of trials by class, from the fidelity that trained it longest."""
    shown = spread(range(len(search.columns.keys)), SHOWN)
    keys = [trial.key for trial in store.trials_at(record.id, shown)]
    found: dict[bytes, dict[int, LearningCurve]] = {}
    for context in contexts:
        for key, curves in cache.learning_curves(context, keys).items():
            if key not in found or _end(curves) > _end(found[key]):
                found[key] = curves
    return found


def _end(curves: Mapping[int, LearningCurve]) -> float:
    return max(curve.epochs[-1] for curve in curves.values())


def _line(origin: str, rank: int, curves: Mapping[int, LearningCurve], objective: str) -> LearningLine:
    points = list(mean_values(list(curves.values()), objective).items())
    return LearningLine(origin, rank, len(curves), dict(spread(points, POINTS)))


def _ranks(cache: EquivalenceCache, context: int, objective: str, own: Collection[bytes]) -> list[EpochRanks]:
    """Compares the order of a study's classes after an epoch with their order at the end of the same evaluations."""
    keys = sorted(own)[:RANKED]
    final = {
        key: float(results[0].metrics[objective])
        for key, results in cache.replicates(context, keys).items()
        if results[0].replicate == 0 and results[0].metrics is not None and objective in results[0].metrics
    }
    after: dict[float, dict[bytes, float]] = defaultdict(dict)
    classes = list(final)
    for first in range(0, len(classes), PAGE):  # whole curves are large
        for key, curves in cache.learning_curves(context, classes[first : first + PAGE]).items():
            for epoch, value in curves[0].values(objective).items():
                after[epoch][key] = value
    most = max(map(len, after.values()), default=0)
    # epochs that few candidates reach are skipped: their ranking is not comparable
    epochs = [epoch for epoch in sorted(after) if len(after[epoch]) >= max(ENOUGH, NEARLY_ALL * most)]
    return [EpochRanks(epoch, agreement_between(after[epoch], final)) for epoch in spread(epochs, EPOCHS)]
