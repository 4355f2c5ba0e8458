"""Pausing a search from elsewhere: it gives its workers back, waits, goes on with the same trials, and may be ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import automl
from automl.engine import pausing
from automl.errors import InvalidInput, StudyBusy
from automl.observers import Observer
from automl.study import Study
from workers.pools.inline import InlinePool

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
from cli_parts import automl_command


class Line(automl.Space):
    x = automl.Integer(0, 500)


def height(candidate):
    return candidate.x


class Watcher(Observer):
    """Pauses the study once a trial was told; when the search says that it waits, `then` acts in another thread."""

    def __init__(self, storage, then, now=False):
        self.storage, self.then, self.now = storage, then, now
        self.said: list[str] = []
        self.failed: list[BaseException] = []
        self.thread: threading.Thread | None = None

    def turn(self, settings, trials, in_flight, evaluations):
        if self.thread is None and (trials or (self.now and in_flight)):
            self.thread = threading.Thread(target=self._act)
            study = Study.open("line", self.storage)
            study.pause(now=self.now)
            study.close()

    def note(self, text):
        self.said.append(text)
        if "is paused" in text or text.startswith("paused"):
            assert self.thread is not None
            self.thread.start()

    def _act(self):
        try:
            self.then()
        except BaseException as error:
            self.failed.append(error)
            os.kill(os.getpid(), signal.SIGINT)


class Said(Observer):
    def __init__(self):
        self.said: list[str] = []

    def note(self, text):
        self.said.append(text)

    def close(self):
        self.said.append("closed")


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(pausing, "LOOK_SECONDS", 0.05)


def given(storage, **more):
    evaluator = automl.FunctionEvaluator(more.pop("evaluator", height), code_version="1")
    fixed = {"evaluator": evaluator, "storage": storage, "study": "line", "baseline": False, "progress": False}
    fixed |= {"strategy": "regularized_evolution", "trials": 40, "window": 4, "sample": 2, "test_seeds": 1}
    return {**fixed, "workers": 0, "seed": 3, **more}


def numbers(study):
    return [(trial.number, trial.candidate, trial.fitness) for trial in study.trials()]


def test_a_paused_search_goes_on_with_the_same_trials(tmp_path):
    undisturbed = automl.search(Line(), **given(f"sqlite:///{tmp_path}/undisturbed.db"))
    storage = f"sqlite:///{tmp_path}/paused.db"
    listed = []

    def then():
        time.sleep(0.3)
        listed.append(automl_command("studies", "--storage", storage))
        listed.append(automl_command("resume", "line", "--storage", storage))

    watcher = Watcher(storage, then)
    study = automl.search(Line(), **given(storage, observers=[watcher]))
    assert not watcher.failed
    assert "paused" in listed[0].out
    assert (listed[1].code, listed[1].out.partition(":")[0]) == (0, "study line goes on")
    assert "the pause is over: workers are started again" in watcher.said
    assert numbers(study) == numbers(undisturbed)
    assert study.finished
    assert not study.paused
    with pytest.raises(InvalidInput, match="finished, so there is nothing to pause"):
        study.pause()


def test_hours_do_not_run_while_a_search_is_paused(tmp_path, monkeypatch):
    storage, hours = f"sqlite:///{tmp_path}/hours.db", [0.0]
    now = InlinePool.now
    monkeypatch.setattr(InlinePool, "now", lambda pool: now(pool) + 3600 * hours[0])

    def then():
        time.sleep(0.3)  # the search waits now
        hours[0] = 50.0
        with pytest.raises(StudyBusy):  # who wants more than that it goes on there is refused, and it stays paused
            automl.resume("line", storage=storage, progress=False, workers=0)
        paused.append(Study.open("line", storage).paused)
        automl.resume("line", storage=storage, observers=[elsewhere], progress=False).close()

    paused: list[bool] = []
    elsewhere = Said()
    watcher = Watcher(storage, then)
    study = automl.search(Line(), **given(storage, observers=[watcher], hours=10))
    assert not watcher.failed
    assert paused == [True]
    assert any(f"study line goes on: process {os.getpid()} on" in text for text in elsewhere.said)
    assert elsewhere.said[-1] == "closed"
    assert len(list(study.trials())) == 40  # none was cut off
    assert max(trial.told_at for trial in study.trials()) < 10 * 3600


def test_a_paused_search_may_be_ended_and_waits_when_it_is_started_again(tmp_path):
    storage = f"sqlite:///{tmp_path}/ended.db"
    watcher = Watcher(storage, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(automl.Stopped):
        automl.search(Line(), **given(storage, observers=[watcher]))
    study = Study.open("line", storage)
    assert study.paused
    assert study.coordinator() is None
    assert 0 < len(list(study.trials())) <= 40  # all of them where the search was quicker than its pause
    assert "paused" in automl_command("studies", "--storage", storage).out

    class Waiter(Observer):
        """Lets the study go on as soon as the search says that it waits."""

        said = False

        def note(self, text):
            if text.startswith("paused"):
                self.said = True
                study.pause(False)

    waiter = Waiter()
    again = automl.search(Line(), **given(storage, observers=[waiter]))
    assert waiter.said
    assert len(list(again.trials())) == 40


def test_a_paused_search_that_nobody_runs_is_resumed_here(tmp_path):
    (tmp_path / "space.py").write_text("import automl\nclass Line(automl.Space):\n    x = automl.Integer(0, 500)\n")
    (tmp_path / "score.py").write_text("def height(candidate):\n    return candidate.x\n")
    storage = f"sqlite:///{tmp_path}/resumed.db"
    target, evaluator = f"{tmp_path}/space.py:Line", f"{tmp_path}/score.py:height"
    asked = given(storage) | {"evaluator": evaluator}
    watcher = Watcher(storage, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(automl.Stopped):
        automl.search(target, **asked, observers=[watcher])
    study = automl.resume("line", storage=storage, progress=False, workers=0)
    assert study.finished
    assert not study.paused


def test_workers_on_ray_are_given_back_and_what_runs_is_broken_off(ray_session, tmp_path):
    import ray

    storage, free = f"sqlite:///{tmp_path}/ray.db", []
    began = tmp_path / "began"

    def slow(candidate, path=str(began)):
        if not Path(path).exists():
            Path(path).touch()
            time.sleep(600)
        return candidate.x

    def then():
        for _ in range(300):
            free.append(ray.available_resources().get("CPU", 0))
            if free[-1] == 2:
                break
            time.sleep(0.1)
        Study.open("line", storage).pause(False)

    watcher = Watcher(storage, then, now=True)
    study = automl.search(Line(), **given(storage, evaluator=slow, workers=1, trials=3, observers=[watcher]))
    assert not watcher.failed
    assert free[-1] == 2.0  # the worker's CPU is there for others
    assert [trial.outcome for trial in study.trials()] == ["miss"] * 3
    assert any("broken off" in text for text in watcher.said)


class Stops:
    """A pool that notes what it is told."""

    def __init__(self):
        self.told = []

    def now(self):
        return 7.0

    def stop_at(self, seconds):
        self.told.append(seconds)

    def rest(self):
        self.told.append("rest")

    def wake(self):
        self.told.append("wake")


@pytest.fixture
def asked(monkeypatch):
    """The looks of a search at its row, which holds what the test puts there; what it says and tells its pool."""
    monkeypatch.setattr(pausing, "LOOK_SECONDS", 0.0)
    row, pool, said = SimpleNamespace(name="line", settings={}), Stops(), []
    looks = pausing.Pausing(SimpleNamespace(by_id=lambda study: row), 1, pool, said.append)
    return SimpleNamespace(looks=looks, row=row, pool=pool, said=said)


def test_now_is_obeyed_though_the_study_was_asked_to_pause_before(asked):
    asked.row.settings = {"paused": {"now": False}}
    assert asked.looks.asked()
    assert asked.looks.asked()
    assert (asked.pool.told, len(asked.said)) == ([], 1)
    asked.row.settings = {"paused": {"now": True}}
    assert asked.looks.asked()
    assert asked.looks.asked()
    assert asked.pool.told == [7.0]
    assert ["broken off" in one for one in asked.said] == [False, True]


def test_who_was_broken_off_rests_before_it_goes_on_and_each_pause_is_obeyed(asked):
    asked.row.settings = {"paused": {"now": True}}
    assert asked.looks.asked()
    asked.row.settings = {}
    assert asked.looks.asked()  # the pool has been stopped, and only who rests sets its time again
    asked.looks.rest(lambda: False)
    asked.row.settings = {"paused": {"now": True}}  # before anybody has looked
    assert asked.looks.asked()
    assert asked.pool.told == [7.0, "rest", "wake", 7.0]
    assert sum("broken off" in one for one in asked.said) == 2
