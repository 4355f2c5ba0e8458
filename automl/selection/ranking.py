"""Random baselines: which candidates stand for a study, for random search, and for the average random architecture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import xxhash

from automl.jsontext import parse
from automl.selection.fronts import front_of
from automl.selection.objectives import Aims
from automl.spaces.space import Candidate, Space
from automl.storage.studies import Standing, StudyStore, TrialRecord

SEARCH_WINNER, RANDOM_WINNER, RANDOM_SAMPLE = "search winner", "random winner", "random sample"
FRONT_MEMBER = "front member"
"""Origins of the trials of a test study, in the order in which they are enqueued."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best trial of one equivalence class."""

    record: TrialRecord
    fitness: float


def best_classes(store: StudyStore, study: int, n: int, aims: Aims) -> list[Ranked]:
    """Returns the `n` best classes of a study by fitness, each by its latest trial; of equals the one found first.

    A class's latest trial counts because it has seen the most replicates: an early lucky one must not stand for it.
    Trials that break a limit stand for nothing.
    """
    latest: dict[bytes, tuple[float, int, int]] = {}  # fitness, first position, last position
    for record in _allowed(store, study, aims):
        if record.fitness is not None:
            first = latest[record.key][1] if record.key in latest else record.position
            latest[record.key] = (aims.told_sign * record.fitness, first, record.position)
        elif record.outcome == "failed":
            latest.pop(record.key, None)
        if len(latest) > 50_000:  # bounded: what is far from the top cannot come back
            keep = sorted(latest.items(), key=lambda item: -item[1][0])[: 1000 + n]
            latest = dict(keep)
    ranked = sorted(latest.values(), key=lambda item: (-item[0], item[1]))[:n]
    records = store.trials_at(study, [last for *_, last in ranked])
    return [Ranked(record, record.fitness) for record in records if record.fitness is not None]


def _allowed(store: StudyStore, study: int, aims: Aims) -> Iterator[TrialRecord | Standing]:
    """Yields the trials of a study but for those with a fitness that break a limit; whole ones only to judge that."""
    if not aims.limits:
        return store.standings(study)
    return (one for one in store.trials(study) if one.fitness is None or aims.allows(one))


def first_samples(store: StudyStore, study: int, n: int, aims: Aims) -> list[TrialRecord]:
    """Returns the first `n` trials of a baseline that keep the limits: a uniform sample, failures included."""
    found = []
    for record in store.trials(study):
        if record.outcome == "failed" or aims.allows(record):
            found.append(record)
        if len(found) == n:
            break
    return found


def finalists(
    space: Space,
    store: StudyStore,
    winners: Sequence[tuple[Ranked, str]],
    baseline: int | None,
    sample: int,
    aims: Aims,
) -> list[tuple[Candidate, str]]:
    """Returns whom the test part is opened for, each with its role; fixed by validation alone."""
    chosen = [(decoded(space, item.record), role) for item, role in winners]
    if baseline is not None:
        chosen += [(decoded(space, record), RANDOM_SAMPLE) for record in first_samples(store, baseline, sample, aims)]
    return chosen


def members(space: Space, store: StudyStore, study: int, most: int, aims: Aims) -> list[tuple[Candidate, str]]:
    """Returns the members of a search's Pareto front that the test part is opened for: those that lie farthest apart.

    A search with one objective has none.
    """
    if not most:
        return []
    return [(decoded(space, record), FRONT_MEMBER) for record in front_of(store, study, aims).apart(most)]


def derived_seed(seed: int, purpose: str) -> int:
    """Returns a seed for another purpose than the search itself, so that a baseline shares no draws with it."""
    return xxhash.xxh3_64_intdigest(f"{purpose}:{seed}".encode()) >> 1


def decoded(space: Space, record: TrialRecord) -> Candidate:
    """Returns the candidate of a trial."""
    return space.decode(parse(record.candidate))
