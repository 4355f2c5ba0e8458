"""The networks around DARTS' cells: what the paper's code builds, at any size of image."""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
import pytest
import torch

import automl
from automl.behaviour import Array
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator
from automl.setup.parts import PartSettings, assemble
from automl.setup.targets import reference_to, sized
from automl.spaces.costs import module_costs
from search_spaces.nas.darts import DARTS
from search_spaces.nas.darts_layers import DropPath, FactorizedReduce
from workers.networks.classification import Classification

SECOND = (
    "DARTS_V2 = Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def test_the_published_architecture_has_the_published_number_of_parameters() -> None:
    space = DARTS(layers=20, channels=36, images=3, resolution=32)
    assert space.costs(space.decode(SECOND))["parameters"] == 3_349_342  # the log of the paper's code: 3.349342 MB


@pytest.mark.parametrize(("layers", "channels", "images", "resolution"), [(4, 4, 1, 7), (3, 3, 3, 12), (1, 3, 1, 8)])
def test_costs_are_those_of_the_network(layers: int, channels: int, images: int, resolution: int) -> None:
    space = DARTS(layers, channels, images, resolution=resolution, auxiliary=False)
    for seed in range(2):
        one = space.sample(np.random.default_rng(seed))
        one = space.decode({**one.value, "normal_concat": [2 + seed, 5]} if seed else one.value)
        assert space.costs(one) == module_costs(space.build(one), Array((images, resolution, resolution)))


def test_an_auxiliary_head_speaks_in_training_only() -> None:
    space = DARTS(layers=3, channels=2)
    network = space.build(space.sample(np.random.default_rng(0)))
    for size in (28, 32, 7, 5):
        main, auxiliary = network.train()(torch.randn(2, 1, size, size))
        assert main.shape == auxiliary.shape == (2, 10)
    assert network.eval()(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    without = DARTS(layers=3, channels=2, auxiliary=False)
    assert without.build(without.sample(np.random.default_rng(0))).train()(torch.randn(2, 1, 28, 28)).shape == (2, 10)


def test_reduction_reads_every_pixel_of_odd_and_even_images() -> None:
    for size in (6, 7):
        module = FactorizedReduce(2, 4).eval()
        x = (torch.rand(1, 2, size, size) + 0.1).requires_grad_()
        module.even.weight.data.fill_(1.0)
        module.odd.weight.data.fill_(1.0)
        out = module(x)
        assert out.shape == (1, 4, -(-size // 2), -(-size // 2))
        out.sum().backward()
        read = x.grad[0, 0] != 0
        rows = torch.arange(size)
        assert torch.equal(read, rows[:, None] % 2 == rows[None, :] % 2)  # as published: even-even and odd-odd


def test_drop_path_leaves_skips_alone_and_keeps_the_mean() -> None:
    space = DARTS(layers=1, channels=2)
    edge = ["skip_connect", 0], ["sep_conv_3x3", 1]
    cell = space.build(space.decode({"normal": [edge] * 4, "reduce": [edge] * 4})).cells[0]
    kinds = [any(isinstance(one, DropPath) for one in edge.modules()) for edge in cell.edges]
    assert kinds == [True, True] * 4  # in a reduction cell a skip from outside is an operation
    deep = DARTS(layers=3, channels=2)
    cell = deep.build(deep.decode({"normal": [edge] * 4, "reduce": [edge] * 4})).cells[0]
    assert [any(isinstance(one, DropPath) for one in edge.modules()) for edge in cell.edges] == [False, True] * 4
    drop = DropPath().train()
    drop.drop_path_prob = 0.25
    torch.manual_seed(0)
    dropped = drop(torch.ones(4000, 1, 2, 2))
    assert {round(float(one), 4) for one in dropped.unique()} == {0.0, 1.3333}
    assert abs(float(dropped.mean()) - 1.0) < 0.04
    assert torch.equal(dropped[:, :, :1, :1].expand_as(dropped), dropped)  # an example is dropped whole
    assert torch.equal(drop.eval()(torch.ones(2, 1, 2, 2)), torch.ones(2, 1, 2, 2))


def test_keys_are_those_of_before_for_the_usual_size_and_have_other_sizes_in_them() -> None:
    usual, one = DARTS(), DARTS().decode(SECOND)
    assert usual.graph(one).frame == {}
    keys = {
        automl.functional_hash(DARTS(**given).behaviour(one))
        for given in ({}, {"layers": 4}, {"channels": 8}, {"classes": 3}, {"images": 3}, {"auxiliary": False})
    }
    assert len(keys) == 6
    assert automl.functional_hash(DARTS(resolution=8).behaviour(one)) == automl.functional_hash(usual.behaviour(one))


def test_an_evaluator_trains_a_larger_network_than_the_search_has() -> None:
    small = DARTS(layers=2, channels=2, resolution=8)
    plain = Classification("digits", epochs=1, batch_size=512)
    larger = Classification("digits", epochs=1, batch_size=512, network={"layers": 3, "channels": 4})
    larger = larger.for_space(reference_to(small))
    one = small.sample(np.random.default_rng(0))
    work = automl.evaluators.base.Work(small.behaviour(one), {}, one.json)
    assert plain.for_space(reference_to(small)) == plain
    assert not {"space", "network"} & set(plain.settings())
    assert "space" not in larger.settings()
    assert larger.settings()["network"] == {"layers": 3, "channels": 4}
    counts = [sum(one.numel() for one in each.behaviour(work).build().parameters()) for each in (plain, larger)]
    whole = DARTS(layers=3, channels=4, resolution=8)
    assert counts[1] == sum(one.numel() for one in whole.build(one).parameters()) > counts[0]
    assert not larger.misfit(work)
    assert larger.priced(reference_to(small)).load().costs(one) == whole.costs(one)
    assert plain.priced(reference_to(small)).load() is small
    with pytest.raises(InvalidInput, match="unknown size of the networks of DARTS 'depth'"):
        Classification("digits", network={"depth": 3}).for_space(reference_to(small))
    with pytest.raises(InvalidInput, match="layers is 0"):
        sized(reference_to(small), {"layers": 0})


class Larger(Evaluator):
    """Says that it trains networks of more layers than the searched space has."""

    name = "larger"
    metrics: ClassVar[dict[str, str]] = {"accuracy": "maximize"}

    def priced(self, space):
        return sized(space, {"layers": 4})

    def evaluate(self, work, how):
        return {"accuracy": 0.5 + len(work.candidate) % 7 / 100}


@pytest.mark.parametrize("strategy", ["nsga2", "surrogate"])
def test_costs_and_bounds_are_those_of_the_networks_that_are_trained(strategy, tmp_path) -> None:
    small, whole = DARTS(layers=2, channels=2), DARTS(layers=4, channels=2)
    some = small.sample_many(40, np.random.default_rng(1))
    bound = float(np.median([whole.costs(one)["parameters"] for one in some]))
    assert max(small.costs(one)["parameters"] for one in some) < bound  # kept by all at the searched size
    study = automl.search(
        small, evaluator=Larger(), strategy=strategy, settings={"constraints": f"parameters<={bound}"}, trials=10,
        workers=0, baseline=False, finalists=1, confirm=1, test_seeds=1, sample=2, progress=False,
        storage=f"sqlite:///{tmp_path}/a.db",
    )  # fmt: skip
    for trial in study.trials():
        assert trial.costs["parameters"] == whole.costs(whole.decode(json.loads(trial.candidate)))["parameters"]
        if strategy == "surrogate" and trial.origin not in ("sample", "random"):
            assert trial.costs["parameters"] <= bound or trial.number < 5
    study.close()


def test_a_search_takes_images_and_classes_from_the_task() -> None:
    parts = assemble("darts", PartSettings(task="digits", settings={"layers": 3}))
    assert {"images": 1, "classes": 10, "resolution": 8, "layers": 3}.items() <= parts.space.settings().items()
