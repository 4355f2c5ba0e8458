"""Latency as a cost: measured for each candidate, recorded, and the same when a search goes on."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

import automl
from automl.behaviour import Array
from automl.errors import InvalidInput


class Slow(nn.Module):
    """Counts its passes."""

    def __init__(self):
        super().__init__()
        self.inner, self.modes = nn.Linear(4, 2), []

    def forward(self, x, *, scale):
        self.modes.append((self.training, len(x)))
        return self.inner(x) * scale


def test_it_is_measured_warm_for_each_batch_size_and_leaves_the_module_as_it_was():
    module = Slow().train()
    found = automl.latency(module, Array((4,)), Array((1,), name="scale"), batch=[1, 8], device="cpu", runs=10)
    assert list(found) == ["latency_ms_1", "latency_ms_8"]
    assert module.modes == [(False, 1)] * 12 + [(False, 8)] * 12
    assert module.training
    assert next(module.parameters()).device == torch.device("cpu")
    for wrong in ({"batch": 0}, {"batch": []}, {"runs": 0}):
        with pytest.raises(InvalidInput, match="at least 1"):
            automl.latency(module, Array((4,)), **wrong)


class Net(automl.Space):
    """Its cost comes out differently whenever it is asked for, as what is measured does."""

    x = automl.Integer(0, 30)

    def costs(self, c):
        return {"latency_ms_1": time.perf_counter()}


def fitness(candidate):
    return float(candidate.x)


def run(path, trials, **more):
    return automl.search(
        Net(), evaluator=fitness, strategy="nsga2", trials=trials, workers=0, window=1, seed=3, baseline=False,
        settings={"objectives": "fitness:maximize,latency_ms_1:minimize", "population": 4}, study="a",
        storage=f"sqlite:///{path}/a.db", finalists=1, confirm=1, test_seeds=1, sample=2, front=2, **more,
    )  # fmt: skip


def test_a_strategy_that_goes_on_is_told_what_was_recorded(tmp_path):
    told = []
    study = run(tmp_path, 12)
    before = [(trial.number, trial.costs) for trial in study.trials()]
    study.close()
    from automl.strategies.nsga2 import NSGA2

    judge, known = NSGA2._judge, dict(before)

    def judged(self, trial):
        told.append((trial.number, dict(trial.costs)))
        return judge(self, trial)

    NSGA2._judge = judged
    try:
        again = run(tmp_path, 16)
    finally:
        NSGA2._judge = judge
    after = {trial.number: trial.costs for trial in again.trials()}
    again.close()
    assert {number: costs for number, costs in after.items() if number in known} == known
    assert all(costs == after[number] for number, costs in told)
    assert {number for number, _ in told} >= set(known)
