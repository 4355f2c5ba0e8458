"""A search is killed with SIGKILL at named points of the engine, and resumed: nothing is lost or done again."""

import json
import multiprocessing
import os
import random
import signal
import sqlite3
from contextlib import contextmanager

import pytest
from crash_child import ONCE, POINTS, STUDY, given, kill_at, kill_in_evaluation, main
from crash_parts import MARKS

import automl
from automl.errors import InvalidInput
from automl.report import to_json

KILLS = int(os.environ.get("AUTOML_KILLS", "45"))
SEED = int(os.environ.get("AUTOML_KILL_SEED", "20240811"))


def scenarios():
    """Returns (point, phase, trials recorded, calls) of each kill: every point is met once, the rest is drawn."""
    draw = random.Random(SEED)
    thrice = ("created", "finished", "phase")
    found = [(point, "", 0, draw.randint(1, 3) if any(word in point for word in thrice) else 1) for point in ONCE]
    for place in range(max(0, KILLS - len(found))):
        point = list(POINTS)[place % len(POINTS)]
        phase = {"after tell": "search", "in random search's tell": "baseline"}.get(point)
        phase = phase or draw.choices(["search", "baseline", "confirmation", "test"], [4, 2, 1, 1])[0]
        found.append((point, phase, 0 if phase in ("confirmation", "test") else draw.randint(0, 40), 1))
    return found[:KILLS]


def forked(folder, changed, *arguments):
    """Searches in a process forked from a clean one, and returns its exit code (−9: SIGKILL)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crash_child", "automl.report", "automl.hashing.unseen"])
    process = context.Process(target=main, args=(url_in(folder), str(folder / "marks"), changed, *arguments))
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def url_in(folder):
    return f"sqlite:///{folder / 'crash.db'}"


def committed(path):
    """Returns the seeds of the evaluations that are finished in the database."""
    if not path.exists():
        return set()
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if "evaluation" not in tables:
            return set()
        found = connection.execute("SELECT seed FROM evaluation WHERE state IN ('done', 'failed')")
        return {str(seed) for (seed,) in found}


def states(path):
    with sqlite3.connect(path) as connection:
        return dict(connection.execute("SELECT state, COUNT(*) FROM evaluation GROUP BY state").fetchall())


def begun(path):
    return [line.split()[0] for line in path.open()] if path.exists() else []


def trials_of(study, word=""):
    """Returns everything of a study's trials that no clock measured."""
    return [
        (
            *(one.number, one.position, one.candidate, one.key, one.outcome, one.fitness, one.replicates),
            *(one.origin, one.parents, one.error),
        )
        for one in study.store.trials(study.store.find(study.name + word).id)
    ]


def without_outcome(trials):
    return [(*one[:4], *one[5:]) for one in trials]


def told(study):
    """Returns the trials of the search, of random search and of the test figures."""
    return {word: trials_of(study, word) for word in ("", "/random", "/confirmed", "/test")}


def told_trials(path):
    """Returns what of the search is in a database that nobody has open."""
    study = automl.Study.open(STUDY, f"sqlite:///{path}")
    try:
        return trials_of(study)
    finally:
        study.close()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What the same search finds when nobody kills it."""
    folder = tmp_path_factory.mktemp("whole")
    os.environ[MARKS] = str(folder / "marks")
    study = automl.search(**given(f"sqlite:///{folder / 'whole.db'}"))
    yield told(study)
    study.close()


def adds_up(study):
    """Checks a finished study's rows against each other and against its report."""
    report = to_json(study.report().data)
    json.dumps(report, allow_nan=False)
    trials = list(study.trials())
    assert [trial.number for trial in trials] == [trial.position for trial in trials] == list(range(70))
    assert report["state"] == "finished"
    assert report["trials"] == sum(report["outcomes"].values()) == 70
    assert sum(line["trials"] for line in report["cache"]["by_outcome"].values()) == 70
    paid = sum(trial.paid_seconds for trial in trials)
    assert report["cache"]["paid_seconds"] == pytest.approx(paid)
    assert report["best_of_all"]["fitness"] == study.best.fitness


@pytest.mark.parametrize(("point", "phase", "recorded", "calls"), scenarios())
def test_killed_and_resumed(point, phase, recorded, calls, tmp_path, monkeypatch, uninterrupted):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    code = forked(tmp_path, {}, kill_at, point, phase, recorded, calls)
    print(f"{point}, {phase or 'any'} phase, {recorded} trials recorded, call {calls}, seed {SEED}: exit code {code}")
    assert code == -signal.SIGKILL
    with gone_on_with(tmp_path) as study:
        assert told(study) == uninterrupted
        adds_up(study)


@contextmanager
def gone_on_with(folder, **changed):
    """Resumes the study (or starts it, where it was killed before it was stored) and checks that nothing was redone."""
    database, url = folder / "crash.db", url_in(folder)
    before, finished = len(begun(folder / "marks")), committed(database)
    begun_before = stored(database)
    study = automl.resume(STUDY, storage=url, workers=0) if begun_before else automl.search(**given(url, **changed))
    after = begun(folder / "marks")[before:]
    assert not finished & set(after)  # no committed evaluation is executed again
    assert len(after) == len(set(after))
    if not changed.get("asynchronous"):  # which proposes others than the dead one had claimed
        assert set(states(database)) <= {"done", "failed"}
    assert committed(database) == finished | set(after)
    yield study
    study.close()


def stored(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT COUNT(*) FROM study").fetchone()[0] > 0


@pytest.mark.parametrize("recorded", [0, 9, 31])
def test_killed_while_duplicates_are_varied(recorded, tmp_path, monkeypatch):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    changed = {"on_duplicate": "vary", "baseline": False, "replicates": 1}
    whole = automl.search(**given(f"sqlite:///{tmp_path / 'whole.db'}", **changed))
    wanted = trials_of(whole)
    whole.close()
    (tmp_path / "marks").unlink()
    assert forked(tmp_path, changed, kill_at, "inside commit, after trials", "search", recorded) == -signal.SIGKILL
    with gone_on_with(tmp_path, **changed) as study:
        assert trials_of(study) == wanted


@pytest.mark.parametrize("recorded", [0, 13, 40])
@pytest.mark.parametrize("point", ["after claims", "inside commit, after trials", "after recording, before tell"])
def test_an_asynchronous_search_is_gone_on_with(point, recorded, tmp_path, monkeypatch):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    changed = {"asynchronous": True, "baseline": False, "simulated_workers": 4, "workers": None}
    assert forked(tmp_path, changed, kill_at, point, "search", recorded) == -signal.SIGKILL
    before = told_trials(tmp_path / "crash.db")
    with gone_on_with(tmp_path, **changed) as study:
        trials = trials_of(study)
        assert trials[: len(before)] == before
        assert sorted(number for number, *_ in trials) == list(range(70))
        assert study.report().json()["trials"] == 70


@pytest.mark.parametrize("replicates", [1, 2])
def test_a_search_killed_in_mid_evaluation_runs_that_one_again(replicates, tmp_path, monkeypatch):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    assert forked(tmp_path, {"replicates": replicates}, kill_in_evaluation, 17) == -signal.SIGKILL
    cut_short = begun(tmp_path / "marks")[-1]
    assert cut_short not in committed(tmp_path / "crash.db")
    with gone_on_with(tmp_path, replicates=replicates) as study:
        assert begun(tmp_path / "marks").count(cut_short) == 2
        adds_up(study)


def test_killed_again_and_again(tmp_path, monkeypatch, uninterrupted):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    for _ in range(6):
        assert forked(tmp_path, {}, kill_in_evaluation, 14) == -signal.SIGKILL
    with gone_on_with(tmp_path) as study:
        assert told(study) == uninterrupted
        adds_up(study)


@pytest.mark.parametrize("recorded", [0, 12, 19])
def test_killed_on_the_way_to_a_fitness_that_is_enough(recorded, tmp_path, monkeypatch, uninterrupted):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    changed = {"until": 20.0}
    whole = automl.search(**given(f"sqlite:///{tmp_path / 'whole.db'}", **changed))
    wanted = trials_of(whole)
    assert 31 <= len(wanted) < 46  # trial 24 is enough, 46 would be better
    whole.close()
    (tmp_path / "marks").unlink()
    assert forked(tmp_path, changed, kill_at, "after claims", "search", recorded) == -signal.SIGKILL
    with gone_on_with(tmp_path, **changed) as study:
        assert trials_of(study) == wanted
    with pytest.raises(InvalidInput, match=r"until=17.5 is easier to reach than the study's 20.0"):
        automl.resume(STUDY, storage=url_in(tmp_path), until=17.5)
    longer = automl.resume(STUDY, storage=url_in(tmp_path), workers=0, until=30.0)
    assert without_outcome(trials_of(longer)) == without_outcome(uninterrupted[""])
    longer.close()


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(tmp_path, monkeypatch, uninterrupted):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    url = url_in(tmp_path)
    automl.search(**given(url, trials=37)).close()
    before, finished = len(begun(tmp_path / "marks")), committed(tmp_path / "crash.db")
    study = automl.resume(STUDY, storage=url, workers=0, trials=70)
    assert not finished & set(begun(tmp_path / "marks")[before:])
    for word in ("", "/random"):  # the order of the phases decides who pays, and nothing else
        assert without_outcome(trials_of(study, word)) == without_outcome(uninterrupted[word])
    report = study.report().json()
    assert report["best_of_all"]["candidate"] == json.loads(study.best.candidate.json)
    assert report["winners"][0]["test"] is not None
    study.close()
