"""Nothing takes for ever without a word: what is evaluated for long is named, wherever it runs, and may be ended."""

import time
import warnings

import pytest
from evidence_parts import database

import automl
from automl.engine import troubles
from automl.engine.run_config import RunConfig
from automl.engine.troubles import SlowEvaluations
from automl.pool import Running


class Line(automl.Space):
    x = automl.Integer(0, 10_000)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """The bounds are a minute and five minutes; here they are a part of a second."""
    monkeypatch.setattr(troubles, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(troubles, "SLOW_SECONDS", 0.3)
    monkeypatch.setattr(troubles, "FIRST_SECONDS", 0.3)


class Watching(automl.observers.Observer):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def until_named(watching, words):
    """Stands for an evaluation that hangs: it ends once it has been named, or else after a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end and not any(words in text for text in watching.said):
        time.sleep(0.01)


def search(tmp_path, watching, hangs, **given):
    """Searches with an evaluator in which the `hangs`-th evaluation hangs until it is named."""
    calls = []

    def rate(candidate, seed):
        calls.append(candidate.x)
        if len(calls) == hangs:
            until_named(watching, f"trial {hangs - 1} ")
        return float(candidate.x)

    evaluator = automl.FunctionEvaluator(rate, code_version="1")
    common = {"trials": 8, "baseline": False, "confirm": 1, "test_seeds": 1, "finalists": 1, "sample": 2, "window": 1}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        study = automl.search(
            Line(),
            evaluator=evaluator,
            storage=database(tmp_path),
            observers=[watching],
            **{**common, "workers": 0, **given},
        )
    named = [text for text in watching.said if "has been evaluated by" in text]
    assert named == [
        str(one.message).join(("Warning: ", "")) for one in warned if "has been evaluated" in str(one.message)
    ]
    study.close()
    return named


@pytest.mark.parametrize(
    ("hangs", "than"),
    [(1, "and none has ended yet"), (3, "where the longest so far is"), (7, "where the median is")],
)
@pytest.mark.parametrize("where", [{}, {"workers": None, "simulated_workers": 1}], ids=["inline", "simulated"])
def test_what_hangs_in_this_process_is_named_while_it_does(tmp_path, hangs, than, where):
    named = search(tmp_path, Watching(), hangs, **where)
    said = next(text for text in named if f"trial {hangs - 1} " in text)  # on a busy machine others may be slow, too
    assert said.startswith(f'Warning: trial {hangs - 1} ({{"x":')
    assert "has been evaluated by this process for" in said
    assert than in said
    assert said.endswith("`--timeout SECONDS`, or `--timeout auto`, ends such evaluations")


def test_what_ends_soon_is_not_named(tmp_path, monkeypatch):
    monkeypatch.setattr(troubles, "SLOW_SECONDS", 60.0)
    monkeypatch.setattr(troubles, "FIRST_SECONDS", 60.0)
    assert search(tmp_path, Watching(), hangs=0) == []


class Sent:
    """A pool of workers elsewhere, as `SlowEvaluations` sees it."""

    evaluates_here = False

    def __init__(self, running):
        self._running, self.limits = running, []

    def running(self):
        return self._running

    def limit(self, seconds):
        self.limits.append(seconds)


def test_a_batch_is_named_by_its_first_and_their_number():
    slow = SlowEvaluations(Sent([Running(5, "ray-0", 9.0, 11), Running(17, "ray-1", 0.1)]), first=None)
    slow.ended(0.001)
    [said] = slow.look(lambda job: f"trial {job}")
    assert said.startswith("trial 5, or one of 11 in its batch, has been evaluated by ray-0 for 9 s")
    time.sleep(0.03)
    assert slow.look(str) == []  # once


@pytest.mark.parametrize(("here", "known"), [(True, 1), (False, 5)])
def test_auto_limits_what_comes_once_enough_has_ended(here, known):
    pool = Sent([Running(5, "a worker", 1e6)])
    pool.evaluates_here = here
    slow = SlowEvaluations(pool, first=100.0)
    for ended in range(1, 7):
        slow.ended(2.0)
        time.sleep(0.03)
        said = slow.look(str)
        assert (pool.limits == [20.0]) is (ended >= known)
        assert bool(said) is (not here and ended == 1)  # named as long as nothing ends it
        if here:
            break


@pytest.mark.parametrize("hangs", [1, 3], ids=["the first", "before enough have ended"])
def test_auto_ends_what_hangs_before_anybody_knows_what_is_usual(tmp_path, hangs):
    calls = []

    def rate(candidate, seed):
        calls.append(candidate.x)
        if len(calls) <= hangs:
            time.sleep(600)
        return float(candidate.x)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        study = automl.search(
            Line(),
            evaluator=automl.FunctionEvaluator(rate, code_version="1"),
            storage=database(tmp_path),
            timeout="auto",
            first_timeout=2,
            trials=6,
            window=1,
            baseline=False,
            workers=0,
        )
    failed = [one for one in study.trials() if one.fitness is None]
    assert [one.number for one in failed] == list(range(hangs))
    assert {one.error for one in failed} == {"took longer than 2 s"}
    [said, *_] = [str(one.message) for one in warned if "has been evaluated" in str(one.message)]
    assert said.endswith("`--timeout auto` ends one of the first after 2 s (--first-timeout)")
    study.close()


def test_the_limit_of_the_first_evaluations():
    given = {None: None, "auto": 86400.0, 7: 7.0}
    assert {timeout: RunConfig(timeout=timeout).first_limit for timeout in given} == given
    assert RunConfig(timeout="auto", first_timeout=5.0).first_limit == 5.0


def test_the_limits_of_hashing():
    given = {None: 300.0, "auto": 30.0, 7: 7.0}
    assert {timeout: RunConfig(timeout=timeout).hash_seconds for timeout in given} == given
    assert RunConfig(timeout="auto", hash_timeout=5.0).hash_seconds == 5.0


def test_a_cheaper_evaluation_counts_as_the_full_one_that_it_stands_for(tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr(SlowEvaluations, "ended", lambda self, seconds: heard.append(seconds))

    class Stepping(automl.Evaluator):
        name = "stepping"
        version = "1"
        metrics = {"score": "maximize"}

        def settings(self):
            return {}

        def approximations(self):
            return [automl.Fidelity(1 / 9, {"steps": 1}), automl.Fidelity(1 / 3, {"steps": 3})]

        def evaluate(self, work, how):
            return {"score": work.behaviour.value["x"], "cost_seconds": how.fidelity.get("steps", 9)}

    automl.search(
        Line(),
        evaluator=Stepping(),
        strategy="successive_halving",
        trials=20,
        simulated_workers=2,
        baseline=False,
        storage=database(tmp_path),
    ).close()
    assert len(heard) >= 20
    assert set(map(round, heard)) == {9}
