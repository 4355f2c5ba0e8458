"""The best classes are evaluated again before one of them is reported as best, of random search alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest

import automl
from automl.evaluators.base import Evaluator
from automl.observers import Observer
from automl.spaces.fields import Integer
from automl.spaces.space import Space
from automl.storage.studies import StudyStore


class Numbers(Space):
    """Sixty functions."""

    x = Integer(0, 59)


@dataclass(frozen=True)
class Noisy(Evaluator):
    """The number itself, and noise that is larger than what most numbers differ by."""

    name: ClassVar[str] = "noisy"
    version: ClassVar[str] = "1"
    inline: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {"value": "maximize"}
    fails: bool = False

    def evaluate(self, work, how):
        x = work.behaviour.value["x"]
        if how.part == "validation" and how.replicate > 0 and self.fails and x % 3 == 0:
            raise ValueError("not every time")
        noise = how.seed % 1009 / 1009 * 40
        return {"value": x + (noise if how.part == "validation" else 0.0)}


@pytest.fixture
def search(tmp_path):
    opened = []

    def run(**given):
        given = {
            "evaluator": Noisy(),
            "strategy": "regularized_evolution",
            "settings": {"population": 10, "tournament": 3},
            "trials": 60,
            "workers": 0,
            "window": 4,
            "finalists": 2,
            "confirm": 4,
            "test_seeds": 2,
            "sample": 3,
            "study": "noisy",
            "storage": f"sqlite:///{tmp_path / 'noisy.db'}",
        } | given
        opened.append(automl.search(given.pop("space", Numbers()), **given))
        return opened[-1]

    yield run
    for study in opened:
        study.close()


def child(study, word):
    store = StudyStore(study.database)
    record = store.find(f"{study.name}/{word}")
    return sorted(store.trials(record.id), key=lambda trial: trial.number) if record else []


def standing(study, word, confirmed, role):
    """Returns (figure, candidate, confirmed) of each class, best first: the mean where it was confirmed."""
    trials = study.trials() if not word else StudyStore(study.database).trials(_id(study, word))
    found = {trial.candidate: (trial.fitness, trial.candidate, False) for trial in trials}
    for trial in confirmed:
        if trial.origin == role:
            found[trial.candidate] = (trial.fitness, trial.candidate, True)
    return sorted(found.values(), reverse=True)


def _id(study, word):
    return StudyStore(study.database).find(f"{study.name}/{word}").id


def test_the_best_of_both_searches_are_ranked_by_their_means(search):
    study = search(finalists=2, trials=40)
    confirmed, tested = child(study, "confirmed"), child(study, "test")
    assert {trial.replicates for trial in confirmed} == {4}
    for word, role in (("", "search winner"), ("random", "random winner")):
        own = sorted((trial for trial in confirmed if trial.origin == role), key=lambda trial: -trial.fitness)
        assert 2 <= len(own) <= 6
        winners = [trial.candidate for trial in tested if trial.origin == role]
        assert winners == [trial.candidate for trial in own[:2]]
        if len(own) < 6:  # nobody who looked better was passed over
            assert all(item[2] for item in standing(study, word, confirmed, role)[:2])
    [first, *_] = [trial for trial in tested if trial.origin == "search winner"]
    mean = max(trial.fitness for trial in confirmed if trial.origin == "search winner")
    assert (study.best.candidate.json, study.best.fitness, study.best.replicates) == (first.candidate, mean, 4)
    assert next(t for t in study.trials() if t.number == study.best.trial).key == first.key
    assert mean != next(trial.fitness for trial in study.trials() if trial.key == first.key)  # one evaluation's luck


def test_what_it_cost_is_counted_and_said(search):
    study = search()
    report = study.report().json()
    paid = report["confirmation"]["evaluations"]
    confirmed = child(study, "confirmed")
    before = {trial.key: trial.replicates for trial in [*child(study, "random"), *study.trials()]}
    assert paid == sum(4 - before[key] for key in {trial.key for trial in confirmed}) > 0
    assert report["winners"][0]["validation"] == pytest.approx(study.best.fitness)
    assert len(report["winners"][0]["validation_values"]) == 4
    assert "mean of 4 evaluations" in str(study.report()).replace("\n", " ")
    cost = dict(next(rows for title, rows in study.report().data.facts if title == "Study"))["total cost"]
    assert "confirmation" in cost


@pytest.mark.parametrize("given", [{"confirm": 1}, {"evaluator": lambda candidate: candidate.x}])
def test_nothing_is_confirmed_where_it_is_off_or_another_evaluation_says_nothing(search, given):
    study = search(**given)
    assert study.finished
    assert child(study, "confirmed") == []
    assert study.best.fitness == max(trial.fitness for trial in (*study.trials(), *child(study, "random")))
    assert study.report().json()["confirmation"] is None


def test_who_fails_when_evaluated_again_is_not_the_best(search):
    study = search(evaluator=Noisy(fails=True))
    failed = {trial.candidate for trial in child(study, "confirmed") if trial.outcome == "failed"}
    assert failed
    assert study.best.candidate.json not in failed
    assert not failed & {trial.candidate for trial in child(study, "test") if trial.origin != "random sample"}


class Stopping(Observer):
    """Breaks the program off in its confirmation, after so many turns."""

    def __init__(self, turns):
        self.turns, self.phase = turns, ""

    def begin(self, settings, phase, trials, evaluations):
        self.phase = phase

    def turn(self, settings, trials, in_flight, evaluations):
        if self.phase == "confirmation":
            self.turns -= 1
            if self.turns < 0:
                raise ConnectionAbortedError


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_broken_off_and_gone_on_with_it_is_the_same(search, tmp_path, turns):
    whole = search(storage=f"sqlite:///{tmp_path / 'whole.db'}")
    with pytest.raises(ConnectionAbortedError):
        search(observers=[Stopping(turns)])
    study = search()
    figures = [
        [(trial.number, trial.candidate, trial.fitness, trial.origin) for trial in child(one, word)]
        for one in (whole, study)
        for word in ("confirmed", "test")
    ]
    assert figures[:2] == figures[2:]
    assert study.best == whole.best


def test_a_larger_budget_is_confirmed_anew(search, tmp_path):
    study = search(space=f"{__file__}:Numbers", evaluator=f"{__file__}:Noisy", trials=20)
    first = child(study, "confirmed")
    url = f"sqlite:///{tmp_path / 'noisy.db'}"
    larger = automl.resume("noisy", trials=60, storage=url, workers=0)
    again = child(larger, "confirmed-2")
    assert first
    assert again
    assert larger.best.fitness == max(trial.fitness for trial in again if trial.origin == "search winner")
    known = {trial.key for trial in first} & {trial.key for trial in again}
    assert all(trial.outcome == "hit" for trial in again if trial.key in known)
    larger.close()
