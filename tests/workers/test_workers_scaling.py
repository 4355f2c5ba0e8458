"""Regression of large targets: networks learn them in standard units, and everybody else sees the user's own."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import automl
from automl import InvalidInput, Regression, Task, data
from automl.behaviour import Module
from automl.delivery.formats import python, weights
from automl.delivery.formats.form import Trained
from automl.evaluators.base import Evaluation, Work
from automl.evaluators.checkpoints import Checkpoint
from automl.evaluators.parts import PARTS
from automl.setup.parts import PartSettings, assemble
from automl.testing.delivery import DeliveryContract
from workers.networks.scaling import in_units, loss_in_units

pytestmark = pytest.mark.usefixtures("one_thread")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
PRICES = 300_000 + 50_000 * (X[:, 0] - X[:, 1])
HOUSES = pd.DataFrame(X, columns=["size", "age", "rooms"]).assign(price=PRICES)
TABLE = data.from_frame(HOUSES, "price")
SETTINGS = {"epochs": 6, "batch_size": 16, "scores": ["r2", "mae", "rmse"]}
HERE = f"{__file__}:Line"


class Line(automl.Space):
    width = automl.Choice(4, 8)

    def build(self, c):
        return network(c.width)


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.main, self.other = nn.Linear(3, 8), nn.Linear(8, 1), nn.Linear(8, 1)

    def forward(self, x):
        found = torch.relu(self.first(x))
        return (self.main(found), self.other(found), None) if self.training else self.main(found)


def network(width=8):
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 1))


def run(evaluator, make=network, how=None):
    return evaluator.evaluate(Work(Module(make), {}, "{}"), how or Evaluation(3))


def by_hand(task):
    """The same task with its targets scaled before anybody trains, and what they were scaled by."""
    mean, spread = task.train[1].mean(), task.train[1].std()
    scaled = ((getattr(task, part)[0], (getattr(task, part)[1] - mean) / spread) for part in PARTS)
    return Task(*scaled), spread


def test_targets_of_a_table_are_learned_and_measured_in_the_users_own_units():
    settings = SETTINGS | {"epochs": 20, "learning_rate": 0.03}
    found = run(Regression(TABLE, **settings))
    assert found["r2"] > 0.8
    assert 100 < found["mae"] < 45_000
    assert run(Regression(TABLE, **settings, scale_targets=False))["r2"] < 0  # it stays near 0, far below any price


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        ({"loss": "huber"}, network),
        ({"ema": 0.9, "pieces": 2}, Heads),
        ({}, lambda: nn.Sequential(network(), nn.Flatten(0))),
    ],
    ids=["huber", "heads", "flat"],
)
def test_it_is_the_training_of_targets_that_somebody_scaled_by_hand(settings, make):
    task, spread = by_hand(TABLE)
    theirs = run(Regression(task, **SETTINGS, **settings), make)
    ours = run(Regression(TABLE, **SETTINGS, **settings), make)
    assert ours["r2"] == pytest.approx(theirs["r2"], abs=2e-3)
    assert ours["mae"] == pytest.approx(theirs["mae"] * spread, rel=2e-3)


def test_several_targets_are_scaled_each_by_its_own_and_one_that_never_changes_is_moved():
    targets = np.stack([PRICES, np.full(200, 7.0), X[:, 2]], 1)
    task = Task(*((X[cut], targets[cut]) for cut in (slice(0, 120), slice(120, 160), slice(160, 200))))
    module = in_units(nn.Identity(), Regression(task).parts("cpu").train)
    assert module.center.tolist() == pytest.approx(targets[:120].mean(0), rel=1e-5)
    assert module.scale.tolist() == pytest.approx([targets[:120, 0].std(), 1.0, targets[:120, 2].std()], rel=1e-5)
    assert math.isfinite(run(Regression(task, **SETTINGS, scale_targets=True), lambda: nn.Linear(3, 3))["mae"])


def test_a_loss_of_the_users_is_given_the_users_own_units():
    settings = Regression(TABLE, loss=lambda outputs, targets: (outputs - targets).abs().mean())
    module, (inputs, targets) = in_units(network(), settings.parts("cpu").train), settings.parts("cpu").train.first(8)
    assert loss_in_units(settings.loss, module, settings)(module(inputs), targets) > 1_000
    plain = Regression(TABLE)
    assert loss_in_units(nn.functional.l1_loss, module, plain)(module(inputs), targets) < 10


def test_contexts_and_studies_written_before_keep_their_meaning(tmp_path):
    arrays = Task(TABLE.train, TABLE.validation, TABLE.test, "table")
    written = Regression(arrays).settings()
    assert "scale_targets" not in written
    assert Regression(TABLE, scale_targets=False).settings() == written
    assert Regression(TABLE).settings() == Regression(arrays, scale_targets=True).settings() != written
    with pytest.raises(InvalidInput, match="scale_targets is 'yes'; it must be True, False or None"):
        Regression(TABLE, scale_targets="yes")
    HOUSES.to_csv(tmp_path / "houses.csv", index=False)
    made = assemble(HERE, PartSettings(evaluator="regression", task=f"{tmp_path}/houses.csv:price"))
    stored = {**made.identity(), "evaluator_given": made.evaluator_given}
    assert assemble(HERE, stored=stored).identity() == made.identity()
    before = json.loads(json.dumps(stored))
    del before["evaluator"]["settings"]["scale_targets"]
    again = assemble(HERE, stored=before)
    assert again.evaluator.scaled is False
    assert again.identity()["evaluator"] == before["evaluator"]
    assert assemble(HERE, PartSettings(settings={"scale_targets": True}), before).evaluator.scaled is True


def test_a_training_that_goes_on_ends_as_one_that_was_never_broken_off(tmp_path):
    evaluator, kept = Regression(TABLE, **SETTINGS), Checkpoint(tmp_path / "state")
    run(evaluator, how=Evaluation(3, fidelity={"epochs": 2}, checkpoint=kept))
    assert run(evaluator, how=Evaluation(3, checkpoint=kept)) == run(evaluator)


class TestDelivery(DeliveryContract):
    def evaluator(self):
        return Regression(TABLE, epochs=1, batch_size=32)

    def work(self):
        return Work(Module(network), {}, "{}")


def test_exports_give_the_users_own_units(tmp_path):
    evaluator = Regression(TABLE)
    module = evaluator.untrained(Work(Module(network), {}, "{}"), Evaluation(3)).eval()
    inputs = torch.from_numpy(TABLE.test[0])
    ours = module(inputs)
    assert ours.mean() > 100_000
    trained = Trained(module, (inputs[:4],), evaluator.described_data())
    torch.testing.assert_close(python.write(trained, tmp_path).load()(inputs), ours)
    written = weights.write(trained, tmp_path)
    names = {"model": network(), "inputs": inputs}
    exec(written.usage.replace(weights.FILE, str(tmp_path / weights.FILE)), names)  # what its README says
    torch.testing.assert_close(names["outputs"], ours)
    assert weights.write(dataclasses.replace(trained, facts={}), tmp_path).usage != written.usage
