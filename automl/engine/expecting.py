"""Winners by what a model expects of them: the surrogate's own model, fitted to the trials of one study."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from automl.cache.features import StoredFeatures
from automl.engine.blame import blaming
from automl.hashing import Features
from automl.hashing.isolated import HashJobs
from automl.selection.contest import EXPECTED, EXPECTED_FIRST, expected_of, keep_expected
from automl.selection.objectives import Objectives
from automl.selection.ranking import decoded
from automl.spaces.space import Candidate
from automl.storage.records import TrialRecord
from automl.storage.studies import StudyStore


def expect(
    store: StudyStore,
    study: int,
    context: int,
    objectives: Objectives,
    jobs: HashJobs,
    most: int,
    first: int | None = None,
) -> None:
    """Fits the model to the classes of a study and stores which of them it expects most of.

    A class counts once, by its latest trial, which has seen the most replicates. Classes that failed or broke a
    constraint are learned from and are no winners.

    Args:
        store: of the study.
        study: its number.
        context: of full evaluations: cheaper ones say something else.
        objectives: of the search.
        jobs: find features.
        most: how many of them are wanted.
        first: number of first trials that alone are learned from and chosen among; None takes all.
    """
    name = EXPECTED if first is None else EXPECTED_FIRST
    from automl.strategies.surrogate.expectations import expectations  # loads SciPy, which few searches need

    if expected_of(store, study, name):
        return
    began = time.perf_counter()
    latest: dict[bytes, TrialRecord] = {}
    for record in store.trials(study):
        if record.context == context and (first is None or record.position < first):
            latest[record.key] = record
    records = list(latest.values())
    if not any(_stands(one, objectives) for one in records):
        return
    candidates = [decoded(jobs.space, one) for one in records]
    worth = [-np.inf if one.fitness is None else objectives.fitness.worth(one.fitness) for one in records]
    hashes = None if jobs.foreign(candidates[0]) else _Known(store, jobs, records)
    with blaming(f"space {jobs.space.kind} fails on some of its candidates", jobs.seconds * len(candidates)):
        found = expectations(jobs.space, hashes, candidates, worth)
    chosen = [place for place in found.order if _stands(records[place], objectives)][:most]
    if chosen:
        positions = [records[place].position for place in chosen]
        keep_expected(store, study, positions, found.account, time.perf_counter() - began, name)


def _stands(record: TrialRecord, objectives: Objectives) -> bool:
    return record.fitness is not None and objectives.allows(record)


class _Known:
    """Keys that the trials have, and features that are stored or are found again.

    Args:
        store: of the trials.
        jobs: find features.
        records: of the trials.
    """

    def __init__(self, store: StudyStore, jobs: HashJobs, records: Sequence[TrialRecord]) -> None:
        self._jobs = jobs
        self._keys = {one.candidate: one.key for one in records}
        self._rows = StoredFeatures(store.database, jobs.hasher)

    def keys(self, candidates: Sequence[Candidate]) -> list[bytes]:
        return [self._keys[one.json] for one in candidates]

    def features(self, candidates: Sequence[Candidate]) -> list[Features]:
        keys = self.keys(candidates)
        found = self._rows.find(keys)
        missing = {key: one for key, one in zip(keys, candidates, strict=True) if key not in found}
        if missing:
            hashed = self._jobs.hash(list(missing.values()), features=True)
            new = {key: one.features for key, one in zip(missing, hashed, strict=True)}
            self._rows.add(new)
            self._rows.write()
            found |= new
        return [found.get(key, {}) for key in keys]
