"""What candidates were rated, and how the order of the ratings agrees with the order that the final evaluator finds."""

from __future__ import annotations

from collections.abc import Collection

from automl.evidence import agreement_between
from automl.report.data import Ranks
from automl.report.reading.rankings import ENOUGH
from automl.selection.objectives import Objectives, objectives_of
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore


def ratings_of(store: StudyStore, rated: StudyRecord, candidates: Collection[str]) -> dict[str, float]:
    """Returns the rating of each of these candidates (JSON) that was rated."""
    return {
        trial.candidate: trial.fitness
        for trial in store.trials(rated.id)
        if trial.fitness is not None and trial.candidate in candidates
    }


def ranks_of_ratings(
    store: StudyStore, search: StudyRecord, rated: StudyRecord | None, objectives: Objectives
) -> list[Ranks]:
    """Returns the agreement of the ratings with the final evaluator, over the classes that it evaluated."""
    if rated is None:
        return []
    decided = [trial for trial in store.trials(search.id) if trial.fitness is not None]
    ratings = ratings_of(store, rated, {trial.candidate for trial in decided})
    way = objectives_of(rated.settings).fitness
    one = {
        trial.candidate.encode(): way.worth(ratings[trial.candidate]) for trial in decided if trial.candidate in ratings
    }
    other = {trial.candidate.encode(): objectives.fitness.worth(trial.fitness or 0.0) for trial in decided}
    found = agreement_between(one, other)
    return [Ranks("ratings and final evaluations, best-rated classes only", found)] if found.pairs >= ENOUGH else []
