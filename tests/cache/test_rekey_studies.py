"""Studies under older keys: which get new ones, which stay as they were found, and which have to wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from rekey_parts import OLD, context_now, described, fill, key_now, key_of, pair, rekeyed, space_file, stored

from automl.hashing import HASHER_VERSION
from automl.report.reading.found_under import found_under
from automl.setup.targets import resolve
from automl.storage.engine import Database
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore

WRONG = key_of("all alike")
TRIALS = [(WRONG, (1, 2), "miss"), (WRONG, (2, 1), "hit"), (WRONG, (3, 4), "hit"), (key_of(5), (5, 6), "miss")]


def study(database: Database, target: str, name: str = "old", *, finished: bool = False) -> StudyRecord:
    """A study under an old hash, to which 3 + 4 was the same as 1 + 2."""
    store = StudyStore(database)
    settings = {
        "space": resolve(target)[1].identity(),
        "hasher": described(OLD)["hasher"],
        "environment": {"python": 3},
    }
    record = store.create(name, "search", settings)
    phase = store.create(f"{name}/random", "baseline", settings, parent=record.id)
    evaluated = [(key, pair(*xy), sum(xy) / 8) for key, xy, outcome in TRIALS if outcome == "miss"]
    context = fill(database, stored(target), evaluated, described(OLD, evaluator={"name": name}), study=record.id)
    trials = [
        TrialRecord(n, pair(*xy), key, context, outcome, 0.5, {"score": 0.5}, 1, position=n)  # type: ignore[arg-type]
        for n, (key, xy, outcome) in enumerate(TRIALS)
    ]
    for one in (record, phase):
        store.append_trials(one.id, trials)
        if finished:
            store.finish(one.id)
    found = store.find(name)
    assert found is not None
    return found


def keys_of(database: Database, record: StudyRecord) -> list[tuple[bytes, int, str]]:
    trials = StudyStore(database).trials(record.id)
    return [(one.key, one.context, one.outcome) for one in trials]


def test_an_unfinished_study_and_its_phases_get_new_keys_and_what_they_were_told_stands(
    database: Database, target: str
) -> None:
    record = study(database, target)
    store = StudyStore(database)
    before = [(one.number, one.candidate, one.fitness, one.metrics) for one in store.trials(record.id)]
    [done] = rekeyed(database).studies
    assert (done.name, done.trials, done.served_another, done.why) == ("old", 8, 2, "")
    now = context_now(database, evaluator={"name": "old"})
    for one in (record, *store.phase_studies(record.id)):
        assert keys_of(database, one) == [(key_now(*xy), now, outcome) for _, xy, outcome in TRIALS]
        assert [(two.number, two.candidate, two.fitness, two.metrics) for two in store.trials(one.id)] == before
        settings = store.by_id(one.id).settings
        assert settings["hasher"] == described()["hasher"]
        assert settings["environment"] == {
            "python": 3,
            "rekeyed": [{"from": OLD, "to": HASHER_VERSION, "trials": 4}],
        }
        [said] = found_under(settings)
        assert "after 4 trials the keys were computed anew" in said
    assert rekeyed(database).studies == []


def test_a_finished_study_stays_as_it_was_found_unless_it_is_named(database: Database, target: str) -> None:
    record = study(database, target, finished=True)
    before = keys_of(database, record)
    assert rekeyed(database).studies == []
    assert keys_of(database, record) == before
    assert StudyStore(database).by_id(record.id).settings == record.settings
    [said] = found_under(record.settings)
    assert said.startswith(f"Found under version {OLD} of the functional hash")
    [done] = rekeyed(database, studies=["old"]).studies
    assert (done.name, done.trials) == ("old", 8)
    assert [key for key, _, _ in keys_of(database, record)] == [key_now(*xy) for _, xy, _ in TRIALS]


def test_a_study_whose_space_is_gone_or_that_is_being_run_waits(
    database: Database, target: str, tmp_path: Path
) -> None:
    record = study(database, target)
    before = keys_of(database, record)
    (tmp_path / "pair.py").unlink()
    [done] = rekeyed(database).studies
    assert "is not at hand" in done.why
    space_file(tmp_path)
    with Session(database) as session:
        StudyStore(database).coordinate(record.id, session.id)
        [done] = rekeyed(database).studies
        assert "is being run by process" in done.why
        assert "cannot be continued yet" in rekeyed(database, dry_run=False).sentences()[-1]
        assert keys_of(database, record) == before
        StudyStore(database).release(record.id, session.id)
    [done] = rekeyed(database).studies
    assert done.why == ""


def test_a_study_that_was_changed_by_half_is_gone_on_with(
    database: Database, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = study(database, target)
    changed = StudyStore.change_hasher
    monkeypatch.setattr("automl.cache.rekey_studies._PAGE", 3)
    monkeypatch.setattr(StudyStore, "change_hasher", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rekeyed(database)
    assert StudyStore(database).by_id(record.id).settings["hasher"]["version"] == OLD
    monkeypatch.setattr(StudyStore, "change_hasher", changed)
    [done] = rekeyed(database).studies
    assert (done.trials, done.why) == (8, "")
    assert [key for key, _, _ in keys_of(database, record)] == [key_now(*xy) for _, xy, _ in TRIALS]


def test_a_study_with_a_candidate_that_its_space_refuses_waits(database: Database, target: str) -> None:
    record = study(database, target)
    odd = TrialRecord(4, pair(1, 200), WRONG, 1, "hit", 0.5, {"score": 0.5}, 1, position=4)
    StudyStore(database).append_trials(record.id, [odd])
    [done] = rekeyed(database).studies
    assert "one of its candidates has no new key" in done.why
    assert "the next call tries again" in done.why
    assert StudyStore(database).by_id(record.id).settings["hasher"]["version"] == OLD
