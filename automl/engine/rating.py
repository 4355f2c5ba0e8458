"""A search that rates first: which candidates the final evaluator gets, and how much random search gets for it."""

from __future__ import annotations

import math
from typing import Any

from automl.engine.lifecycle import fidelity_settings
from automl.engine.stage import Stage
from automl.selection import ranking
from automl.selection.objectives import objectives_of
from automl.selection.seconds import seconds_of_evaluations
from automl.setup.parts import Parts
from automl.spaces.space import Candidate, Space
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore

RATED = "rated"
"""The origin of candidates that were rated among the best."""

MOST_TRAININGS = 100
"""Random search with equal seconds gets at most so many times the evaluations of the search."""


def rating_settings(parts: Parts, rater: Stage) -> dict[str, Any]:
    """Returns the settings in which the study of the ratings differs from the search that it belongs to."""
    assert parts.rating is not None
    return {
        **parts.rating.identity(),
        "rating": None,
        "evaluator": dict(rater.described.stands),
        "hasher": dict(rater.hasher.description()),
        **fidelity_settings(parts, rater.evaluator),
    }


def best_rated(
    space: Space, store: StudyStore, search: StudyRecord, rated: StudyRecord, most: int
) -> list[tuple[Candidate, str]]:
    """Returns the candidates for the final evaluator: those that it had before, then the best-rated ones.

    Args:
        space: of the search.
        store: of both studies.
        search: the study of the final evaluator.
        rated: the study of the ratings.
        most: number of best-rated classes.
    """
    best = ranking.best_classes(store, rated.id, most, objectives_of(rated.settings))
    before = {trial.number: ranking.decoded(space, trial) for trial in store.by_number(search.id)}
    met = {one.json for one in before.values()}
    new = iter([one for one in (ranking.decoded(space, trial) for trial in best) if one.json not in met])
    found: list[Candidate] = []
    for number in range(max(before, default=-1) + 1):  # a number is missing where its trial was under way
        one = before.get(number) or next(new, None)
        if one is None:
            break
        found.append(one)
    return [(one, RATED) for one in (*found, *new)]


def trainings_for(
    store: StudyStore, search: StudyRecord, rated: StudyRecord | None, artefacts: float, equal: int
) -> int:
    """Returns how many evaluations take as long as the ratings and the evaluations of the search together.

    Args:
        store: of both studies.
        search: the study of the final evaluator.
        rated: the study of the ratings; None where the strategy alone has read artefacts.
        artefacts: seconds that went into what was read.
        equal: number of the final evaluator's evaluations.
    """
    ratings = 0.0 if rated is None else seconds_of_evaluations(store, rated.id)
    spent, final = ratings + artefacts, seconds_of_evaluations(store, search.id)
    more = math.ceil(equal * spent / final) if final > 0 else 0
    return min(equal + more, MOST_TRAININGS * max(1, equal))
