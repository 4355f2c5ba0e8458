"""Known results as a beginning: what a search is told before its first proposal, and what it evaluates first.

What is known in the search's own context is told to the strategy. What functions reached in other contexts (other
data, fewer epochs, a rating) orders the first evaluations. Both are written down once, as the trials of a study that
belongs to the search, so that it can be resumed whatever the cache learns, or forgets, meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xxhash

from automl.engine.blame import blaming
from automl.engine.gathering import Gathering
from automl.engine.phase_studies import PhaseStudies
from automl.engine.stage import Stage
from automl.engine.trial import told_of
from automl.errors import InvalidInput
from automl.jsontext import canonical
from automl.selection.beginnings import BEGUN, ELSEWHERE, KNOWN
from automl.selection.objectives import Objective
from automl.selection.ranking import decoded
from automl.spaces.space import Candidate
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.studies import StudyStore
from automl.strategies.base import FULL, Told

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Beginning:
    """What a search begins from; empty for a search that begins from nothing.

    Attributes:
        told: known results for the strategy, the best last, with numbers below 0.
        keys: their keys: these classes are no new evaluations.
        elsewhere: candidates to be evaluated first, the best first.
    """

    told: Sequence[Told] = ()
    keys: Sequence[bytes] = ()
    elsewhere: Sequence[Candidate] = ()

    def first(self, n: int) -> list[tuple[Candidate, str]]:
        """Returns the first trials with their origins: the best `n` known ones, and those known elsewhere."""
        best = [one.candidate for one in reversed(self.told) if one.fitness is not None][:n]
        return [*((one, KNOWN) for one in best), *((one, ELSEWHERE) for one in self.elsewhere)]


def begin(
    studies: PhaseStudies,
    stage: Stage,
    sources: Sequence[str],
    namespace: str,
    context: int,
    space: int,
    replicates: int,
) -> Beginning:
    """Returns what a search begins from, and writes it down where it begins now.

    Args:
        studies: of the search.
        stage: whose evaluations the strategy learns from.
        sources: "context", or names of studies; empty for a search that begins from nothing.
        namespace: the part of the cache that "context" stands for.
        context: number of the context of the evaluations.
        space: number of the search's space.
        replicates: of a class that count.

    Raises:
        InvalidInput: what was written down is not what it was.
    """
    if not sources:
        return Beginning()
    objective = Objective(stage.objective, stage.direction == "minimize")
    record, store = studies.known(), studies.store
    if record.state != "finished":
        gathering = Gathering(store, studies.search, stage, objective, context, space, replicates)
        trials, counts = gathering.gather(sources, namespace)
        _write_down(store, record, trials, {**counts, "digest": digest_of(trials)})
        record = store.by_id(record.id)
    trials = store.by_number(record.id)
    noted = record.settings["environment"][BEGUN]
    if digest_of(trials) != noted["digest"]:
        raise InvalidInput(
            f"the known results that study {studies.search.name!r} began from are not what they were; take another name"
        )
    store.note(studies.search.id, BEGUN, noted)
    return _read(trials, stage, objective)


def has_begun(store: StudyStore, search: int) -> bool:
    """Tells whether what a search begins from is written down."""
    return any(one.kind == "known" and one.state == "finished" for one in store.phase_studies(search))


def _write_down(
    store: StudyStore, record: StudyRecord, trials: Sequence[TrialRecord], noted: Mapping[str, Any]
) -> None:
    """Writes what is known and what it is, all of it or nothing: a search that is killed meanwhile gathers it again."""

    def write(connection: Connection) -> None:
        store.append_trials(record.id, trials, connection)
        store.note(record.id, BEGUN, noted, connection)
        store.finish(record.id, connection)

    store.database.write(write)


def _read(trials: Sequence[TrialRecord], stage: Stage, objective: Objective) -> Beginning:
    known = [one for one in trials if one.origin == KNOWN]
    space = stage.jobs.space
    with blaming(f"space {space.kind} cannot read known results", stage.jobs.seconds * (len(trials) + 1)):
        candidates = {one.number: decoded(space, one) for one in trials}
    told = [told_of(one, candidates[one.number], FULL, objective) for one in known]
    for place, one in enumerate(told):
        one.number, one.duplicate = place - len(told), True
    elsewhere = [candidates[one.number] for one in trials if one.origin == ELSEWHERE]
    return Beginning(told, [one.key for one in known], elsewhere)


def digest_of(trials: Sequence[TrialRecord]) -> str:
    """Returns what stands for known results: candidates and figures, and not keys, which a newer hash changes."""
    rows = [[one.origin, one.candidate, one.fitness, dict(one.metrics), dict(one.costs)] for one in trials]
    return xxhash.xxh3_128_hexdigest(canonical(rows).encode())
