"""Idle workers are measured on the pool's clock, spoken of, and a window is named that would keep them busy."""

import math
import random
from dataclasses import dataclass

import pytest

import automl
from automl.behaviour import Configuration
from automl.engine.idle import MUCH, idle_share, window_for


class Wide(automl.Space):
    x = automl.Integer(0, 100_000)

    def behaviour(self, candidate):
        return Configuration([candidate.value["x"]])


@dataclass(frozen=True)
class Costs(automl.Evaluator):
    name = "costs"
    version = "1"
    metrics = {"v": "maximize"}
    sigma: float = 1.0

    def evaluate(self, work, how):
        x = work.behaviour.value[0]
        return {"v": float(x), "cost_seconds": 600 * math.exp(self.sigma * random.Random(x).gauss(0, 1))}


def searched(tmp_path, **given):
    said = []

    class Heard(automl.observers.Observer):
        def note(self, text):
            said.append(text)

    study = automl.search(
        Wide(),
        evaluator=Costs(),
        strategy="random",
        trials=400,
        simulated_workers=20,
        baseline=False,
        confirm=1,
        test_seeds=1,
        sample=2,
        progress=False,
        observers=[Heard()],
        storage=f"sqlite:///{tmp_path / 'idle.db'}",
        **given,
    )
    noted = study.store.by_id(study.record_id).settings["environment"].get("idle_share")
    study.close()
    return [one for one in said if "were idle" in one], noted


def test_the_share_is_said_and_a_window_that_does_better(tmp_path):
    [said], noted = searched(tmp_path, window=20)
    assert noted > 0.3
    assert said.startswith(f"Warning: the 20 workers were idle for {noted:.0%} of the time")
    better = int(said.partition("--window ")[2].split()[0])
    _, less = searched(tmp_path, window=better)
    assert less is None or less < noted / 2  # None: a tenth at most


def test_told_as_they_come_nobody_is_idle(tmp_path):
    assert searched(tmp_path, asynchronous=True) == ([], None)


def test_the_simulation_agrees_with_what_was_measured():
    spread = [math.exp(random.Random(number).gauss(0, 1)) for number in range(255)]
    assert idle_share(spread, 100, 400) == pytest.approx(0.5, abs=0.15)
    assert idle_share(spread, 10_000, 160_000) < MUCH
    assert idle_share([1.0], 100, 400) == 0.0
    window = window_for(spread, 100, above=400)
    assert idle_share(spread, 100, window) <= MUCH < idle_share(spread, 100, window // 2)
    assert window_for(spread, 100, above=100 * 64) is None
