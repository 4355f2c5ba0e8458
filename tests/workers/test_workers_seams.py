"""Where settings of a training meet: what is watched, what is averaged, what is counted."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from automl.errors import InvalidInput
from automl.evaluators.task import Task
from workers.networks.averages import Average, Patience
from workers.networks.classification import Classification
from workers.networks.resizing import resized
from workers.networks.zero_cost import ZeroCost


def own(size=4):
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=(12, 1, size, size)).astype(np.float32), np.arange(12) % 3) for _ in range(3)]
    return Task(*parts, name="own")


def test_which_metric_is_watched_is_in_the_settings():
    one, other = (
        Classification(own(), scores=dict.fromkeys(names), patience=2)
        for names in (("loss", "accuracy"), ("accuracy", "loss"))
    )
    assert one.settings() != other.settings()
    plain = Classification(own(), scores={"loss": None, "accuracy": None})
    assert "watched" not in plain.settings()


def test_who_watches_the_validation_part_does_not_learn_from_it():
    with pytest.raises(InvalidInput, match="watches the validation part"):
        Classification(own(), patience=2).trained_on("train+validation")
    assert len(Classification(own()).trained_on("train+validation").data().train[0]) == 24


def test_tied_weights_are_averaged_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = self.other = nn.Linear(2, 2)

    module = Tied()
    average = Average(module, 0.5)
    before = average.module.one.weight.clone()
    with torch.no_grad():
        module.one.weight.add_(1.0)
    average.update(module)
    assert torch.allclose(average.module.one.weight, before + 1 - 2 / 11)


def test_a_first_figure_that_is_none_is_beaten():
    patience = Patience(2, larger=True)
    patience.look(math.nan, nn.Linear(1, 1))
    patience.look(0.5, nn.Linear(1, 1))
    assert (patience.best, patience.since) == (0.5, 0)


def test_enlarged_images_follow_data_that_are_changed_in_place():
    task = own()
    evaluator = Classification(task, resize=8)
    before = evaluator.settings()["task"]["fingerprint"]
    task.train[0][:] = 0.5
    assert evaluator.settings()["task"]["fingerprint"] != before
    assert (evaluator.data().train[0] == 0.5).all()
    assert resized(task, 8).train[0].shape[-1] == 8


def test_a_network_whose_patterns_are_alike_has_scores():
    from automl.behaviour import Module
    from automl.evaluators.base import Evaluation, Work

    def build():
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.ReLU(), nn.Linear(2, 3))

    found = ZeroCost(own(), batch_size=12).evaluate(Work(Module(build), {}, "{}"), Evaluation(1))
    assert all(math.isfinite(value) for value in found.values())


def test_pieces_in_which_nothing_counts_change_nothing():
    from automl.behaviour import Module
    from automl.evaluators.base import Evaluation, Work
    from workers.networks.other_kinds import Segmentation

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(16, 1, 4, 4)).astype(np.float32)
    targets = (inputs[:, 0] > 0).astype(int)
    targets[::4] = 255
    task = Task((inputs, targets), (inputs + 0.1, targets), (inputs + 0.2, targets), name="dense")
    losses = [
        Segmentation(task, epochs=2, batch_size=16, ignore=255, pieces=pieces).evaluate(
            Work(Module(lambda: nn.Conv2d(1, 2, 1)), {}, "{}"), Evaluation(1)
        )["loss"]
        for pieces in (1, 4, 16)
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)
