"""Random baselines: which candidates stand for a study, for random search, and for the average random architecture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import xxhash

from automl.jsontext import parse
from automl.selection.fronts import front_of
from automl.selection.objectives import Objectives
from automl.spaces.space import Candidate, Space
from automl.storage.records import Standing, TrialRecord
from automl.storage.studies import StudyStore

SEARCH_WINNER, RANDOM_WINNER, RANDOM_SAMPLE = "search winner", "random winner", "random sample"
FRONT_MEMBER = "front member"
SECONDS_WINNER = "random winner, equal seconds"
BEGUN_WINNER = "random winner, same beginning"
EARLY_WINNER = "search winner, equal evaluations"
"""Origins of the trials of a test study, in the order in which they are enqueued."""

OF_ENSEMBLE = "candidate of an ensemble"
"""Origin of the trials whose networks an ensemble may be made of."""

DELIVERED = frozenset({SEARCH_WINNER, RANDOM_WINNER, SECONDS_WINNER, BEGUN_WINNER, FRONT_MEMBER, OF_ENSEMBLE})
"""Those whose trained weights are kept: nobody is handed one of the sample that stands for the average."""


def best_classes(
    store: StudyStore, study: int, n: int, objectives: Objectives, until: int | None = None
) -> list[TrialRecord]:
    """Returns the `n` best classes of a study by fitness, each by its latest trial; of equals the one found first.

    A class's latest trial counts because it has seen the most replicates: an early lucky one must not stand for it.
    Trials that break a constraint stand for nothing.

    Args:
        store: of the study.
        study: its number.
        n: number of classes wanted.
        objectives: of the search.
        until: how many of the study's trials count, in the order in which they were told; None lets all count.
    """
    latest: dict[bytes, tuple[float, int, int]] = {}  # worth, first position, last position
    for record in _allowed(store, study, objectives):
        if until is not None and record.position >= until:
            break
        if record.fitness is not None:
            first = latest[record.key][1] if record.key in latest else record.position
            latest[record.key] = (objectives.fitness.worth(record.fitness), first, record.position)
        elif record.outcome == "failed":
            latest.pop(record.key, None)
        if len(latest) > 50_000:  # bounded: what is far from the top cannot come back
            keep = sorted(latest.items(), key=lambda item: -item[1][0])[: 1000 + n]
            latest = dict(keep)
    ranked = sorted(latest.values(), key=lambda item: (-item[0], item[1]))[:n]
    return store.trials_at(study, [last for *_, last in ranked])


def _allowed(store: StudyStore, study: int, objectives: Objectives) -> Iterator[TrialRecord | Standing]:
    """Yields the trials of a study, except those with a fitness that break a constraint."""
    if not objectives.constraints:
        return store.standings(study)
    return (one for one in store.trials(study) if one.fitness is None or objectives.allows(one))


def first_samples(store: StudyStore, study: int, n: int, objectives: Objectives) -> list[TrialRecord]:
    """Returns the first `n` trials of a baseline that keep the constraints: a uniform sample, failures included."""
    found = []
    for record in store.trials(study):
        if record.outcome == "failed" or objectives.allows(record):
            found.append(record)
        if len(found) == n:
            break
    return found


def finalists(
    space: Space,
    store: StudyStore,
    winners: Sequence[tuple[TrialRecord, str]],
    baseline: int | None,
    sample: int,
    objectives: Objectives,
) -> list[tuple[Candidate, str]]:
    """Returns the candidates to evaluate on the test part, with their roles; validation alone decides which."""
    chosen = [(decoded(space, trial), role) for trial, role in winners]
    if baseline is not None:
        chosen += [
            (decoded(space, record), RANDOM_SAMPLE) for record in first_samples(store, baseline, sample, objectives)
        ]
    return chosen


def members(
    space: Space, store: StudyStore, study: int, most: int, objectives: Objectives
) -> list[tuple[Candidate, str]]:
    """Returns the members of a search's Pareto front to evaluate on the test part: those that lie farthest apart.

    A search with one objective has none.
    """
    if not most:
        return []
    return [(decoded(space, record), FRONT_MEMBER) for record in front_of(store, study, objectives).apart(most)]


def derived_seed(seed: int, purpose: str) -> int:
    """Returns a seed for another purpose than the search itself, so that a baseline shares no draws with it."""
    return xxhash.xxh3_64_intdigest(f"{purpose}:{seed}".encode()) >> 1


def decoded(space: Space, record: TrialRecord) -> Candidate:
    """Returns the candidate of a trial."""
    return space.decode(parse(record.candidate))
