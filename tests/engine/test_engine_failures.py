"""What a candidate does wrong is a fact about its class and shared; what the machine does wrong is tried again."""

import os
import signal
import time
from collections import Counter

import pytest
from line_parts import MARKS, Bag, Marking, Misbehaving, marks, outcomes, rows

import automl
from automl.cache.store import EquivalenceCache


def search(tmp_path, **given):
    given = {
        "space": Bag(),
        "evaluator": Misbehaving(),
        "strategy": "random",
        "trials": 150,
        "window": 8,
        "workers": 0,
        "baseline": False,
        "finalists": 1,
        "test_seeds": 1,
        "sample": 2,
        "study": "bag",
        "storage": f"sqlite:///{tmp_path}/a.db",
    } | given
    return automl.search(given.pop("space"), **given)


@pytest.fixture(autouse=True)
def marked(tmp_path, monkeypatch):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))


def errors(study):
    """Returns the errors of failed trials by what they say first."""
    return Counter(trial.error.split(":")[0] for trial in study.trials() if trial.outcome == "failed")


def test_the_search_goes_on_and_names_each_failure(tmp_path):
    study = search(tmp_path)
    assert len(rows(study)) == 150
    found = errors(study)
    assert found["ValueError"] > 0  # raises
    assert any("score" in error and "nan" in error for error in found)
    assert any("no metric 'score'" in error for error in found)
    assert any("OSError" in error for error in found)
    for trial in study.trials():
        numbers = sorted(study.space.decode(automl_json(trial.candidate)).value.values())
        assert (trial.outcome == "failed") == (numbers[0] == 0 and numbers[2] in (0, 1, 2, 5))
        assert (trial.fitness is None) == (trial.outcome == "failed")
    report = study.report()
    assert report.json()["outcomes"]["failed"] == sum(found.values())
    str(report)


def automl_json(text):
    from automl.jsontext import parse

    return parse(text)


def test_a_candidates_own_failure_is_shared_and_the_machines_is_not(tmp_path):
    one = search(tmp_path)
    before = Counter(marks(tmp_path / "marks", "validation"))
    two = search(tmp_path, study="again")
    begun = marks(tmp_path / "marks", "validation")[before.total() :]
    by_error = {}
    for study in (one, two):
        for trial in study.trials():
            if trial.outcome == "failed":
                by_error.setdefault(trial.error.split(":")[0], set()).add(trial.key)
    lost = set().union(*(keys for error, keys in by_error.items() if "OSError" in error))
    assert lost
    # a colleague is told of failures of the candidates', and tries the others again, at most three times
    assert len(begun) <= 3 * len(lost)
    assert set(begun) <= set(before)
    assert rows(one, ["outcome"]) == rows(two, ["outcome"])


def test_a_lost_evaluation_is_tried_at_most_twice_more(tmp_path):
    study = search(tmp_path, trials=40, seed=3)
    times = Counter(marks(tmp_path / "marks", "validation"))
    lost = {trial.key for trial in study.trials() if "OSError" in trial.error}
    assert lost
    assert sorted(times.values())[-1] >= 3
    with EquivalenceCache(f"sqlite:///{tmp_path}/a.db") as cache:
        context = next(study.trials()).context
        stored = cache.replicates(context, [trial.key for trial in study.trials()])
    assert not lost & set(stored)
    study.close()


def test_a_study_in_which_everything_fails_ends_and_says_so(tmp_path):
    def hopeless(candidate):
        raise RuntimeError("never works")

    study = search(tmp_path, evaluator=hopeless, trials=10, baseline=True)
    assert study.finished
    assert outcomes(study)["failed"] == 10
    with pytest.raises(automl.InvalidInput, match="no successful trial"):
        _ = study.best
    assert "RuntimeError: never works" in str(study.report())
    assert study.report().json()["best"] is None


def test_a_timeout_inside_this_process_is_the_studys_own_matter(tmp_path):
    def slow(candidate):
        if candidate.x == 0:
            time.sleep(30)
        return candidate.x

    known = [{"x": 0, "y": 1, "z": 2}, {"x": 3, "y": 1, "z": 2}]
    study = search(tmp_path, evaluator=slow, trials=12, timeout=0.05, enqueue=known)
    timed_out = [trial for trial in study.trials() if trial.outcome == "failed"]
    assert timed_out
    assert all("longer than 0.05 s" in trial.error and trial.candidate.startswith('{"x":0') for trial in timed_out)


def test_a_space_that_raises_in_the_middle_is_named_and_what_was_done_stands(tmp_path):
    class Treacherous(Bag):
        def training(self, c):
            if c.x == 4:
                raise KeyError("learning rate")
            return {}

    with pytest.raises(automl.InvalidInput, match=r"Treacherous.*KeyError"):
        search(tmp_path, space=Treacherous(), evaluator=Marking())
    kept = automl.Study.open("bag", f"sqlite:///{tmp_path}/a.db")
    assert not kept.finished
    kept.close()


# --- with Ray workers ----------------------------------------------------------------------------------------------


def dying(candidate):
    if candidate.x == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return candidate.x + candidate.y


def hungry(candidate):
    if candidate.x == 0:
        return len(bytearray(3 << 30))
    return candidate.x


def hanging(candidate):
    if candidate.x == 0:
        time.sleep(600)
    return candidate.x


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    ("evaluator", "limits", "words"),
    [
        (dying, {}, "died"),
        (hanging, {"timeout": 0.5}, "longer than"),
        (hungry, {"memory_per_worker": 2 << 30}, "emory"),
    ],
)
def test_with_ray_the_candidate_alone_is_blamed(tmp_path, evaluator, limits, words):
    known = [{"x": x, "y": x, "z": 0} for x in (5, 4, 0, 3, 2, 1)]
    study = search(tmp_path, evaluator=evaluator, trials=6, enqueue=known, workers=2, **limits)
    failed = {trial.candidate: trial.error for trial in study.trials() if trial.outcome == "failed"}
    assert list(failed) == ['{"x":0,"y":0,"z":0}']
    assert words in next(iter(failed.values()))
    assert outcomes(study)["miss"] == 5
    with EquivalenceCache(f"sqlite:///{tmp_path}/a.db") as cache:
        guilty = next(trial for trial in study.trials() if trial.outcome == "failed")
        assert cache.replicates(guilty.context, [guilty.key]) == {}  # no colleague is told that it fails
    study.close()


@pytest.mark.usefixtures("ray_session")
def test_ray_workers_give_the_trials_that_this_process_gives(tmp_path):
    given = {"evaluator": Marking(), "strategy": "regularized_evolution", "settings": {"strategy.population": 8}}
    inline = search(tmp_path, **given)
    ray = search(tmp_path, **given, workers=2, storage=f"sqlite:///{tmp_path}/b.db")
    assert rows(inline) == rows(ray)
