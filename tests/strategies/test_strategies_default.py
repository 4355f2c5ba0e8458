"""Which strategy a search gets that names none, and that a study keeps it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import automl
from automl.observers import Observer
from automl.setup.choosing import EVOLUTION, MOST_EVALUATIONS, SURROGATE, choose
from automl.setup.parts import PartSettings, assemble
from automl.spaces.space import Defaults
from search_spaces.nas.nasbench101 import NASBench101


class Line(automl.Space):
    x = automl.Integer(0, 20)


class Words(automl.Space):
    """Declares nothing, and its candidates are configurations."""

    def sample(self, rng):
        return automl.Candidate(int(rng.integers(100)))

    def mutate(self, candidate, rng):
        return self.sample(rng)

    def decode(self, value):
        return automl.Candidate(value)


class Failing(Words):
    def sample(self, rng):
        raise RuntimeError("not today")


class Tuned(Line):
    defaults = Defaults(strategy_settings={"population": 7})


class Named(Line):
    defaults = Defaults(strategy="random")


class Long(Line):
    defaults = Defaults(trials=5_000)


@dataclass(frozen=True)
class Quick(automl.Evaluator):
    name = "quick"
    inline = True
    metrics = {"height": "maximize"}

    def evaluate(self, work, how):
        return {"height": float(work.behaviour.value["x"])}


@dataclass(frozen=True)
class Table(Quick):
    name = "table"
    metrics = {"height": "maximize", "cost_seconds": "minimize"}


def height(candidate):
    return float(candidate.x)


@pytest.mark.parametrize(
    ("space", "evaluator", "most", "settings", "name", "why"),
    [
        (Line(), height, 200, {}, SURROGATE, "up to 2,000 evaluations"),
        (Line(), height, MOST_EVALUATIONS, {}, SURROGATE, "up to 2,000 evaluations"),
        (Line(), height, MOST_EVALUATIONS + 1, {}, EVOLUTION, "2,001 evaluations are more"),
        (Line(), height, None, {}, SURROGATE, "up to 2,000 evaluations"),
        (Long(), height, None, {}, EVOLUTION, "5,000 evaluations are more"),
        (Line(), Quick(), 200, {}, EVOLUTION, "evaluator quick takes less than a proposal"),
        (Line(), Table(), 200, {}, SURROGATE, "up to 2,000 evaluations"),
        (Line(), height, 200, {"population": 5}, EVOLUTION, "population is a setting of it"),
        (Line(), height, 200, {"strategy.tournament": 5}, EVOLUTION, "tournament is a setting of it"),
        (Line(), height, 200, {"hashed": 20}, SURROGATE, "up to 2,000 evaluations"),
        (Words(), height, 200, {}, EVOLUTION, "neither declared fields nor a graph"),
        (Failing(), height, 200, {}, EVOLUTION, "neither declared fields nor a graph"),
        (NASBench101(), height, 200, {}, SURROGATE, "up to 2,000 evaluations"),
        (Tuned(), height, 200, {}, EVOLUTION, ""),
        (Named(), height, 200, {}, "random", ""),
        ("activation", None, 200, {}, EVOLUTION, ""),
        ("automl-zero-linear", None, 200, {}, EVOLUTION, ""),
        ("nasbench201", None, 200, {}, SURROGATE, "up to 2,000 evaluations"),
        ("nasbench-graph", None, 200, {}, SURROGATE, ""),
    ],
)
def test_the_choice_follows_space_evaluator_budget_and_settings(space, evaluator, most, settings, name, why):
    parts = assemble(space, PartSettings(evaluator=evaluator, settings=settings), most=most)
    assert parts.strategy.name == name
    assert why in parts.why if why else parts.why == ""
    assert parts.why == "" or parts.why.startswith(f"Strategy {name}, for none was named: ")


def test_the_settings_of_whichever_is_chosen_reach_it():
    given = {"population": 5, "hashed": 30}
    for name, value in given.items():
        parts = assemble(Line(), PartSettings(evaluator=height, settings={name: value}))
        assert getattr(parts.strategy, name) == value
        assert parts.strategy_given == {name}
    assert assemble(Tuned(), PartSettings(evaluator=height)).strategy.population == 7
    with pytest.raises(automl.InvalidInput, match="unknown setting of strategy regularized_evolution 'hashed'"):
        assemble(Line(), PartSettings(evaluator=height, settings=given))
    with pytest.raises(automl.InvalidInput, match="did you mean population"):
        assemble(Line(), PartSettings(evaluator=height, settings={"populaton": 5}))


def test_a_search_draws_nothing_for_the_choice():
    """A space with declared fields is not sampled: its own generator, where it has one, stays as it was."""

    class Counting(Line):
        drawn = 0

        def sample(self, rng):
            type(self).drawn += 1
            return super().sample(rng)

    choose(Counting(), Quick(), 10)
    assert Counting.drawn == 0
    Counting().sample(np.random.default_rng(0))
    assert Counting.drawn == 1


class Heard(Observer):
    def __init__(self):
        self.said = []

    def note(self, text):
        if "for none was named" in text:
            self.said.append(text)


def test_a_study_keeps_its_strategy_and_the_choice_is_said_once(tmp_path):
    heard = Heard()
    given = {"evaluator": height, "workers": 0, "baseline": False, "finalists": 1, "sample": 2, "confirm": 1}
    given |= {"study": "line", "storage": f"sqlite:///{tmp_path}/a.db", "progress": False, "observers": [heard]}
    first = automl.search(Line(), trials=6, **given)
    assert first.settings["strategy"]["name"] == SURROGATE
    assert len(heard.said) == 1
    first.close()
    again = automl.search(Line(), trials=MOST_EVALUATIONS + 500, **given)  # ends when all 21 are known
    assert again.settings["strategy"] == first.settings["strategy"]
    assert again.record_id == first.record_id
    assert 6 < len(list(again.trials())) < 50
    assert len(heard.said) == 1
    again.close()
    dry = automl.plan(Line(), evaluator=height, trials=MOST_EVALUATIONS + 500, workers=0, storage=given["storage"])
    assert "strategy regularized_evolution (" in dry
    assert "2,500 evaluations are more than the 2,000 that the surrogate is for" in dry
