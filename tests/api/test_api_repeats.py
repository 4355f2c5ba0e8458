"""Several runs of one search: independent, gone on with as a whole, pooled in one report."""

import pytest
from user_files import SPACE

import automl
from automl.api import resume, search
from automl.errors import InvalidInput, StudyBusy
from automl.storage.engine import Database
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.py").write_text(SPACE)
    return f"sqlite:///{tmp_path / 'runs.db'}"


def run(url, **given):
    options = {"workers": 0, "trials": 15, "sample": 4, "study": "many", "storage": url, "objective": "score", **given}
    return search("pairs.py", **options)


def told(study):
    return [(trial.number, trial.candidate, trial.fitness, trial.outcome) for trial in study.trials()]


def test_each_run_has_its_own_seed_and_a_cold_cache(url):
    study = run(url, repeats=3)
    assert [one.name for one in study.runs] == ["many/1", "many/2", "many/3"]
    assert study.finished
    assert len({one.settings["seed"] for one in study.runs}) == 3
    assert len({one.settings["namespace"] for one in study.runs}) == 3
    first = [told(one) for one in study.runs]
    assert first[0] != first[1] != first[2]
    for one in study.runs:
        random = StudyStore(study.database).find(f"{one.name}/random")
        assert random is not None
        assert one.report().json()["random_search"]["drawn"] == one.report().json()["drawn"]
        seen: set[bytes] = set()  # a cold cache: the first trial of each class is paid for
        for trial in one.trials():
            assert (trial.outcome == "miss") == (trial.key not in seen)
            seen.add(trial.key)
    assert study.best.fitness == max(one.best.fitness for one in study.runs)
    assert len(study.trials_dataframe()) == 45 == len(list(study.trials()))
    assert set(study.trials_dataframe()["study"]) == {"many/1", "many/2", "many/3"}
    study.close()
    again = run(url, repeats=3)
    assert [told(one) for one in again.runs] == first
    again.close()


def test_the_report_pools_the_runs(url):
    study = run(url, repeats=3)
    found = study.report().json()
    assert found["study"] == "many"
    assert [method["runs"] for method in found["methods"]] == [3]
    assert not found["methods"][0]["shared_cache"]
    assert [one["study"] for one in found["studies"]] == ["many/1", "many/2", "many/3"]
    assert "3 runs" in str(study.report())
    opened = automl.Study.open("many", url)
    assert opened.report().json() == found
    assert [one.name for one in opened.runs] == ["many/1", "many/2", "many/3"]
    assert opened.runs[0].runs[0].name == "many/1"
    for one in (study, opened):
        one.close()


def test_a_warm_cache_is_shared_and_said_to_be(url):
    study = run(url, repeats=2, warm_cache=True)
    assert {one.settings["namespace"] for one in study.runs} == {"default"}
    second = list(study.runs[1].trials())
    assert second[0].outcome == "miss" or second[0].key in {trial.key for trial in study.runs[0].trials()}
    cold = run(url, repeats=2, study="cold")
    assert [trial.candidate for trial in cold.runs[1].trials()][:8] == [trial.candidate for trial in second][:8]
    warm_misses = sum(trial.outcome == "miss" for trial in second)
    assert warm_misses < sum(trial.outcome == "miss" for trial in cold.runs[1].trials())
    report = study.report()
    assert report.json()["methods"][0]["shared_cache"]
    assert "share a cache" in str(report)
    assert "share a cache" not in str(cold.report())
    study.close()
    cold.close()


class Enough(KeyboardInterrupt):
    pass


def cut(url, study):
    """Runs three repeats and dies in the middle of the second."""
    count = 0

    def stop(_study, _trial):
        nonlocal count
        count += 1
        if count == 20:
            raise Enough

    with pytest.raises(Enough):
        run(url, repeats=3, study=study, callbacks=[stop])
    stopped = automl.Study.open(study, url)
    assert [one.finished for one in stopped.runs] == [True, False, False]  # all of them are known already
    assert not stopped.finished
    found = [told(one) for one in stopped.runs]
    stopped.close()
    return found


def test_what_is_not_finished_is_gone_on_with_by_the_same_call_and_by_resume(url):
    ways = {"many": lambda: run(url, repeats=3), "too": lambda: resume("too", storage=url, workers=0)}
    for name, go_on in ways.items():
        before = cut(url, name)
        study = go_on()
        assert study.finished
        assert [told(one)[: len(done)] for one, done in zip(study.runs, before, strict=True)] == before
        assert [len(told(one)) for one in study.runs] == [15, 15, 15]
        study.close()


def test_more_runs_can_be_added_and_a_larger_budget_reaches_all(url):
    run(url, repeats=2).close()
    study = run(url, repeats=3)
    assert [len(told(one)) for one in study.runs] == [15, 15, 15]
    study.close()
    wider = resume("many", storage=url, workers=0, trials=20)
    assert [len(told(one)) for one in wider.runs] == [20, 20, 20]
    assert {one.settings["trials"] for one in wider.runs} == {20}
    wider.close()
    with pytest.raises(InvalidInput, match="trials=15 is less than the study's 20"):
        resume("many", storage=url, workers=0, trials=15)
    one = resume("many/2", storage=url, workers=0)
    assert one.name == "many/2"
    one.close()


def test_names_stand_for_one_run_or_for_several(url):
    run(url, repeats=2).close()
    run(url, study="single").close()
    both = run(url)  # what is left out is as it is stored
    assert [one.name for one in both.runs] == ["many/1", "many/2"]
    both.close()
    with pytest.raises(InvalidInput, match="'many' has 2 runs; go on with all of them"):
        run(url, repeats=1)
    with pytest.raises(InvalidInput, match="'single' exists and runs once"):
        run(url, study="single", repeats=2)
    run(url, repeats=3).close()
    with pytest.raises(InvalidInput, match="has 3 runs already, more than 2"):
        run(url, repeats=2)
    with pytest.raises(InvalidInput, match="namespace"):
        run(url, repeats=3, warm_cache=True)
    with pytest.raises(InvalidInput, match="repeats=0"):
        run(url, repeats=0)
    with pytest.raises(InvalidInput, match="shared by several runs"):
        run(url, study="one", warm_cache=True)
    free = run(url, study=None, repeats=2)
    assert free.name == "pairs-1"
    free.close()
    other = run(url, study=None)
    assert other.name == "pairs-2"
    other.close()


@pytest.mark.parametrize(("repeats", "held"), [(1, "many"), (2, "many/2")])
def test_a_larger_budget_is_written_only_once_nobody_else_runs_the_study(url, repeats, held):
    run(url, repeats=repeats).close()
    database = Database(url)
    store, session = StudyStore(database), Session(database)
    store.coordinate(store.find(held).id, session.id)
    with pytest.raises(StudyBusy):
        resume("many", storage=url, workers=0, trials=40)
    assert {record.settings["trials"] for record in store.all() if record.kind == "search"} == {15}
    store.release(store.find(held).id, session.id)
    session.close()
    database.close()
    study = resume("many", storage=url, workers=0, trials=40)
    assert {one.settings["trials"] for one in study.runs} == {40}
    study.close()
