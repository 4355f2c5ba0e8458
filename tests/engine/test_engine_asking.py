"""A loop of one's own: asks and tells, with the cache, the phases and the durability of every other search."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap

import pytest

import automl
from automl.errors import StudyBusy
from automl.observers import Observer
from automl.storage.engine import Database
from automl.storage.sessions import Session


class Line(automl.Space):
    x = automl.Integer(0, 3)
    same = automl.Choice(*"abcdefgh")

    def behaviour(self, c):
        return automl.Function(lambda v: v * c.x)


class Plain(automl.Space):
    x = automl.Integer(0, 1000)


LOOP = automl.OwnLoop("height, 1", seeded=False)


def begin(place, space=None, **more):
    given = {"trials": 8, "baseline": False, "sample": 2, "storage": f"sqlite:///{place / 'a.db'}", "study": "mine"}
    return automl.ask_and_tell(space or Plain(), **{"evaluator": LOOP, **given, **more})


def run(study, asked_for=None):
    while (asked := study.ask()) is not None:
        if asked_for is not None:
            asked_for.append(asked)
        study.tell(asked, {"fitness": float(asked.candidate.x)}, seconds=1.0)


def test_a_loop_has_every_phase_and_the_same_trials_as_a_search(tmp_path):
    """What is proposed depends on seed and window, not on who evaluates."""
    asked = []
    loop = automl.OwnLoop("height, 1")
    study = begin(tmp_path, evaluator=loop, baseline=True, window=4, test_seeds=1)
    run(study, asked)
    assert {one.study for one in asked} == {"mine", "mine/random", "mine/confirmed", "mine/test"}
    assert {one.part for one in asked if one.study == "mine/test"} == {"test"}
    assert study.finished
    assert study.report().json()["study"] == "mine"

    other = automl.search(
        Plain(), evaluator=lambda c, seed: c.x, trials=8, window=4, baseline=False, workers=0, study="search",
        storage=f"sqlite:///{tmp_path / 'b.db'}",
    )  # fmt: skip
    assert [one.candidate for one in study.trials()] == [one.candidate for one in other.trials()]
    assert [one.fitness for one in study.trials()] == [one.fitness for one in other.trials()]


def test_what_is_known_is_not_asked_for(tmp_path):
    """Equal functions become hits by themselves, in this study and in the next one that measures the same."""
    first, again = [], []
    with begin(tmp_path, Line(), trials=14, test_seeds=1) as study:
        run(study, first)
        outcomes = [one.outcome for one in study.trials()]
    assert len(outcomes) == 14
    assert 0 < outcomes.count("miss") == sum(one.study == "mine" for one in first) < 14
    with begin(tmp_path, Line(), trials=14, study="next", test_seeds=1) as study:
        run(study, again)
        assert {one.outcome for one in study.trials()} == {"hit"}
    assert not again
    with begin(
        tmp_path, Line(), trials=14, study="other", evaluator=automl.OwnLoop("height, 2", seeded=False)
    ) as study:
        assert study.ask() is not None  # another program measures something else


def test_two_processes_share_one_study(tmp_path):
    one, other = begin(tmp_path, window=4), begin(tmp_path, window=4)
    both = [study.ask() for study in (one, other, one, other)]
    assert sorted(asked.number for asked in both) == [0, 1, 2, 3]
    assert len({asked.candidate.json for asked in both}) == 4
    alone = begin(tmp_path, window=4, study="alone", seed=1)
    assert [alone.ask().number for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(automl.InvalidInput, match="told of trials 0, 1, 2, 3: its window is 4"):
        alone.ask()
    for study, asked in zip((one, other, one, other), both, strict=True):
        study.tell(asked, {"fitness": float(asked.candidate.x)})
    assert [trial.number for trial in other.trials()] == [0, 1, 2, 3]
    run(one)
    assert other.ask() is None
    assert other.finished
    other.close()
    with begin(tmp_path, window=4, study="alone2") as same:  # the same trials as if one had run it
        run(same)
        assert [t.candidate for t in same.trials()] == [t.candidate for t in one.trials()]


def test_a_paid_answer_survives_a_kill_and_what_was_lost_is_asked_again(tmp_path):
    script = textwrap.dedent(f"""
        import os, pickle, signal, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from pathlib import Path
        from test_engine_asking import begin
        study = begin(Path({str(tmp_path)!r}), window=4)
        told, lost, late = study.ask(), study.ask(), study.ask()
        study.tell(late, {{"fitness": 7.0}})  # out of turn: no trial yet
        study.tell(told, {{"fitness": 5.0}})
        Path({str(tmp_path / "asked")!r}).write_bytes(pickle.dumps((told, lost, late)))
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    ended = subprocess.run([sys.executable, "-c", script], check=False)
    assert ended.returncode == -signal.SIGKILL
    told, lost, _ = pickle.loads((tmp_path / "asked").read_bytes())
    study = begin(tmp_path, window=4)
    asked = study.ask()
    assert asked == lost
    study.tell(lost, {"fitness": 6.0})
    assert [(trial.number, trial.fitness, trial.outcome) for trial in study.trials()] == [
        (0, 5.0, "miss"), (1, 6.0, "miss"), (2, 7.0, "miss"),
    ]  # fmt: skip
    study.tell(told, {"fitness": 99.0})  # a class keeps its result
    assert study.trial(0).fitness == 5.0


def test_what_was_asked_in_another_process_can_be_told_later(tmp_path):
    first = begin(tmp_path)
    asked = first.ask()
    first.close()
    later = begin(tmp_path)
    later.tell(pickle.loads(pickle.dumps(asked)), {"fitness": 3.0})
    [trial] = later.trials()
    assert (trial.fitness, trial.outcome) == (3.0, "miss")


def test_a_candidate_that_was_evaluated_anyway_is_not_asked_for(tmp_path):
    candidate = automl.Candidate({"x": 500})
    with begin(tmp_path, enqueue=[{"x": 500}]) as study:
        study.tell(candidate, {"fitness": 500.0})
        run(study, asked := [])
        assert "500" not in {str(one.candidate.x) for one in asked if one.part == "validation"}
        assert study.trial(0).outcome == "hit"
        assert study.trial(0).fitness == 500.0


def test_failures_are_the_candidates_and_what_is_given_back_is_nobodys(tmp_path):
    with begin(tmp_path, window=4) as study:
        first, second, third = study.ask(), study.ask(), study.ask()
        study.tell(first, failed="diverged after 3 epochs")
        study.tell(second, {"fitness": float("nan")})
        study.give_back(third)
        assert study.ask() == third
        assert [trial.error for trial in study.trials()] == ["diverged after 3 epochs", "metric 'fitness' is nan"]
        study.tell(third, {"fitness": 1.0}, curve=[(1, {"fitness": 0.5}), (2, {"fitness": 1.0})])
        assert len(study.learning_curves(2)[0].points) == 2


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (({"accuracy": 1.0},), "the objective 'fitness' is not among the metrics"),
        ((0.5,), "the objective 'fitness' is not among"),
        ((), "tell either metrics or"),
        (({},), "the objective 'fitness' is not among"),
    ],
)
def test_a_wrong_answer_stores_nothing(tmp_path, told, said):
    with begin(tmp_path) as study:
        asked = study.ask()
        with pytest.raises(automl.InvalidInput, match=said):
            study.tell(asked, *told)
        study.tell(asked, {"fitness": 1.0})
        assert study.trial(0).fitness == 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"evaluator": lambda c: 1}, "your own loop evaluates"),
        ({"evaluator": None}, "your own loop evaluates"),
        ({"hours": 1}, "hours means nothing in a loop of your own"),
        ({"repeats": 3}, "repeats means nothing"),
        ({"objective": "acuracy"}, "unknown objective"),
    ],
)
def test_what_means_nothing_in_a_loop_is_refused(tmp_path, given, said):
    with pytest.raises(automl.InvalidInput, match=said):
        begin(tmp_path, **given)
    assert not (tmp_path / "a.db").exists()


def test_a_study_that_somebody_else_runs_is_waited_for(tmp_path, monkeypatch):
    study = begin(tmp_path)
    monkeypatch.setattr("automl.engine.asking.BUSY_SECONDS", 0.0)
    with Session(Database(f"sqlite:///{tmp_path / 'a.db'}")) as other:
        study.store.coordinate(study.record_id, other.id)
        with pytest.raises(automl.AutoMLError, match="is being run by"):
            study.ask()
        study.store.release(study.record_id, other.id)
    assert study.ask() is not None


def test_more_trials_later(tmp_path):
    with begin(tmp_path) as study:
        run(study)
    with pytest.warns(UserWarning, match="larger budget"):
        study = begin(tmp_path, trials=12)
    run(study)
    assert len(list(study.trials())) == 12


def test_a_study_with_asked_evaluations_stays_until_they_are_told(tmp_path):
    """Whoever was asked would have nowhere to tell; what is told after a deletion is in the cache all the same."""
    study = begin(tmp_path)
    asked = study.ask()
    other = automl.Study.open("mine", study.database.url)
    for change in (other.delete, other.adopt, lambda: other.rename("theirs"), lambda: study.rename("theirs")):
        with pytest.raises(StudyBusy, match="'mine' has asked for and that are not told yet"):
            change()
    study.tell(asked, {"fitness": 1.0})
    assert [trial.fitness for trial in study.trials()] == [1.0]
    assert other.delete() == 1
    told = automl.Candidate({"x": 1000})
    for use in (study.ask, lambda: study.tell(told, {"fitness": 2.0}), lambda: study.best, study.report):
        with pytest.raises(automl.InvalidInput, match=r"deleted|unknown study"):
            use()
    study.close()
    with begin(tmp_path, study="next") as again:
        again.ask()
        assert again.trial(0).outcome == "hit"


class Faithful(Observer):
    """Counts how often it is closed, and what it is told afterwards."""

    closed = late = told = 0

    def note(self, text):
        self.late += self.closed

    def begin(self, *_):
        self.late += self.closed

    def turn(self, settings, trials, in_flight, evaluations):
        self.late += self.closed
        self.told += len(trials)

    def close(self):
        self.closed += 1


def test_observers_are_closed_once_when_nothing_more_comes(tmp_path):
    own, runs = Faithful(), Faithful()
    with begin(tmp_path, observers=[own]) as study:
        run(study)
        assert own.closed == 0
    study.close()
    assert (own.closed, own.late, own.told > 8) == (1, 0, True)
    given = {"trials": 4, "baseline": False, "sample": 2, "workers": 0, "storage": f"sqlite:///{tmp_path / 'a.db'}"}
    automl.search(Plain(), evaluator=lambda c: c.x, repeats=2, study="two", observers=[runs], **given).close()
    assert (runs.closed, runs.late, runs.told > 8) == (1, 0, True)
    refused = Faithful()
    with pytest.raises(automl.AutoMLError, match="with other settings"):
        automl.search(Plain(), evaluator=lambda c: c.x, repeats=2, seed=9, study="two", observers=[refused], **given)
    assert (refused.closed, refused.late) == (1, 0)


def test_a_paused_study_is_told_and_asks_again_when_it_goes_on(tmp_path):
    class Notes(Observer):
        said = ()

        def note(self, text):
            self.said = (*self.said, text)
            if text.startswith("paused"):  # so ask() waits now
                second.tell(theirs, {"fitness": 2.0})
                seen.append([trial.fitness for trial in second.trials()])
                automl.resume("mine", storage=opened.database.url, observers=[Observer()], progress=False).close()

    notes, seen = Notes(), []
    study, second = begin(tmp_path, window=4, observers=[notes]), begin(tmp_path, window=4)
    ours, theirs = study.ask(), second.ask()
    opened = automl.Study.open("mine", study.database.url)
    opened.pause()
    study.tell(ours, {"fitness": 1.0})
    assert not seen
    assert study.ask().number == 2
    assert [one for one in notes.said if "paused" in one] == [
        "paused: what was asked can be told; `automl resume mine` lets it go on"
    ]
    assert seen == [[]]  # taken note of now that it goes on
    assert [trial.fitness for trial in study.trials()] == [1.0, 2.0]
    for one in (study, second, opened):
        one.close()
