"""Writes a database of the present schema: run once for each released schema, and keep the file for ever.

python tests/storage/old_schemas/make.py tests/storage/old_schemas/0002.sqlite
"""

import sys
from pathlib import Path

import numpy as np

from automl.artefacts.shelf import Kept
from automl.cache.features import StoredFeatures
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Completion
from automl.cache.store import EquivalenceCache
from automl.hashing import Hasher
from automl.storage.engine import Database
from automl.storage.records import TrialRecord
from automl.storage.sessions import Session
from automl.storage.spaces import StoredSpace, space_id
from automl.storage.studies import StudyStore


def fill(path: Path) -> None:
    """Fills a new database with something of everything."""
    with Database(f"sqlite:///{path}") as database, Session(database) as session:
        store = StudyStore(database)
        study = store.create("kept", "search", {"trials": 4, "space": "digits-cells"})
        store.create("kept-random", "baseline", {"trials": 4}, parent=study.id)
        store.coordinate(study.id, session.id)
        space = StoredSpace.of_study(study.settings)
        assert space is not None
        cache = EquivalenceCache(database, session=session, space=database.write(lambda given: space_id(given, space)))
        context = cache.context({"evaluator": {"name": "table", "version": "1"}, "hasher": {"version": "1"}})
        requests = [(number, bytes([number % 3]) * 16, f'"candidate {number}"', ReplicatePlan()) for number in range(4)]
        claims = [claim for one in cache.resolve_many(context, study.id, requests, None) for claim in one.claims]
        curve = '[[1.0,{"accuracy":0.25}],[2.0,{"accuracy":0.5}]]'
        kept = Kept("made", "weights", "ab" * 32, 4096)
        ends = [
            Completion(0, {"accuracy": 0.5}, seconds=2.0, curve=curve, artefacts=(kept,)),
            Completion(1, fault="candidate", error="ValueError: no such layer", seconds=0.25),
            Completion(2, fault="lost", error="the worker died"),
        ]
        cache.finish_many(context, list(zip(claims[:3], ends, strict=True)))
        trials = [
            TrialRecord(0, '"candidate 0"', b"\0" * 16, context, "miss", 0.5, {"accuracy": 0.5}, 1, position=0),
            TrialRecord(1, '"candidate 1"', b"\1" * 16, context, "failed", error="ValueError", position=1),
            TrialRecord(3, '"candidate 3"', b"\0" * 16, context, "hit", 0.5, {"accuracy": 0.5}, 1, position=2),
        ]
        store.append_trials(study.id, trials)
        features = StoredFeatures(database, Hasher())
        features.add({b"\0" * 16: {"shape": np.array([2.0, np.nan])}})
        features.write()
        store.release(study.id, session.id)


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
