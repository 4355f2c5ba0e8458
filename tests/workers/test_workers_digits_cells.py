"""The digits search space: what is trained, what the key covers, and that it can be searched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.registry import load
from search_spaces.nas.digits_cells import DigitsCells

SKIPS = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"


def test_the_network_trains_every_sampled_cell():
    space, rng = DigitsCells(), np.random.default_rng(0)
    for candidate in space.sample_many(20, rng):
        module = space.behaviour(candidate).build()
        logits = module(torch.zeros(3, 1, 8, 8))
        assert logits.shape == (3, 10)
        convolutions = candidate.value.count("nor_conv")
        assert sum(isinstance(part, torch.nn.Conv2d) for part in module.modules()) == 1 + 2 * convolutions


def test_settings_decide_the_network_and_the_frame():
    space = DigitsCells(channels=4, cells=3)
    graph = space.behaviour(space.decode(SKIPS))
    assert graph.frame == {"network": "digits-cells", "channels": 4, "cells": 3}
    assert graph.build()[0].out_channels == 4
    assert DigitsCells().behaviour(space.decode(SKIPS)).frame != graph.frame
    with pytest.raises(InvalidInput, match="channels is 0; it must be at least 1"):
        DigitsCells(channels=0)


def test_other_settings_are_other_functions():
    from automl.hashing import functional_hash

    candidate = DigitsCells().decode(SKIPS)
    keys = {functional_hash(DigitsCells(cells=cells).behaviour(candidate)) for cells in (1, 2)}
    assert len(keys) == 2


def test_defaults_name_parts_that_exist():
    defaults = DigitsCells.defaults
    evaluator = load("evaluators", defaults.evaluator)(**defaults.evaluator_settings)
    strategy = load("strategies", defaults.strategy)(**defaults.strategy_settings)
    assert defaults.objective in evaluator.metrics
    assert strategy.population < defaults.trials
    assert load("spaces", "digits-cells") is DigitsCells


@pytest.mark.usefixtures("one_thread")
def test_a_cell_that_sees_shapes_beats_one_that_sees_pixels():
    """Fitness says something about architectures: without a 3x3 operation nothing but grey values can be told apart."""
    space, defaults = DigitsCells(), DigitsCells.defaults
    evaluator = load("evaluators", "classification")(**defaults.evaluator_settings)

    def accuracy(cell):
        candidate = space.decode(cell)
        return evaluator.evaluate(Work(space.behaviour(candidate), {}, candidate.json), Evaluation(1))["accuracy"]

    assert accuracy(SKIPS.replace("skip_connect~0", "nor_conv_3x3~0")) > accuracy(SKIPS) + 0.3


def test_workers_and_this_process_train_to_the_very_same_figures(ray_session):
    """Bit for bit: otherwise the same seed would not give the same trials."""
    from automl.pool import Job, WorkerSetup
    from automl.setup.targets import resolve
    from workers.pools.inline import InlinePool
    from workers.pools.ray_pool import RayPool

    space, reference = resolve("digits-cells")
    evaluator = load("evaluators", "classification")(task="digits", epochs=2)
    plan = WorkerSetup(reference, evaluator, "accuracy")
    candidates = space.sample_many(4, np.random.default_rng(5))
    found = []
    for open_pool in (InlinePool, InlinePool, lambda plan: RayPool(plan, workers=2, num_cpus=0, num_gpus=0.25)):
        with open_pool(plan) as pool:
            done = {}
            for number, candidate in enumerate(candidates):
                while pool.capacity() == 0:
                    done.update((item.job, item.metrics) for item in pool.completed())
                pool.submit([Job(number, candidate.json, Evaluation(2**60 + number))])
            while len(done) < len(candidates):
                done.update((item.job, item.metrics) for item in pool.completed())
        found.append([done[number] for number in range(len(candidates))])
    assert found[0] == found[1] == found[2]
    assert len({metrics["loss"] for metrics in found[0]}) == len(candidates)
