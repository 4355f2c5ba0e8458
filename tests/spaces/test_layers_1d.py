"""Chains of layers for sequences: which are one function, that the graph is what is trained, costs, defaults."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import automl
from automl import registry
from automl.behaviour import Array, Module, Probe
from automl.errors import InvalidSpace
from automl.hashing import Hasher
from automl.spaces.costs import module_costs
from automl.testing.spaces import SpaceContract
from search_spaces.nas.layers_1d import LAYERS, Layers1D

pytestmark = pytest.mark.usefixtures("one_thread")


class TestLayers1D(SpaceContract):
    def space(self):
        return Layers1D()


def keys(space, candidates, as_module=False):
    behaviours = [
        Module(lambda one=one: space.build(one), probe=Probe((Array((40,)),))) if as_module else space.behaviour(one)
        for one in candidates
    ]
    hashed = Hasher().hash_many([(one, {}) for one in behaviours])
    assert not [one.fallback for one in hashed if one.fallback]
    return [one.key for one in hashed]


def read(space, text):
    names = text.split()
    return space.decode({"layers": names + ["identity"] * (space.settings()["depth"] - len(names))})


SAME = [
    ("conv relu norm", "identity conv relu identity norm"),
    ("conv relu relu max_pool", "conv max_pool relu"),
    ("conv tanh max_pool", "conv max_pool tanh"),
]
OTHER = [
    ("conv relu", "relu conv"),
    ("conv", "dilated_conv"),
    ("conv relu average_pool", "conv average_pool relu"),
    ("conv max_pool", "conv average_pool"),
    ("conv conv", "conv"),
    ("norm norm", "norm"),  # the norm adds a little to the variance, so the second one is not idle
    ("max_pool max_pool", "max_pool"),
]


def test_the_same_function_has_one_key_and_another_has_another():
    space = Layers1D(channels=4, depth=5)
    for one, other in SAME:
        first, second = keys(space, [read(space, one), read(space, other)])
        assert first == second, (one, other)
    for one, other in OTHER:
        first, second = keys(space, [read(space, one), read(space, other)])
        assert first != second, (one, other)


def test_pools_are_other_networks_until_one_position_is_left():
    """Forty positions are 20, 10, 5, 3, 2 and 1 after pools: only the seventh changes nothing."""
    space = Layers1D(channels=4, depth=8)
    found = keys(space, [read(space, f"conv {'max_pool ' * many}") for many in range(1, 8)])
    assert len(set(found)) == 6
    assert found[5] == found[6]


def test_the_graph_that_is_hashed_is_the_network_that_is_trained():
    """Chains fall into the same classes by the graph (of images one pixel high) as by the torch module."""
    space, rng = Layers1D(channels=3, depth=4), np.random.default_rng(0)
    some = [read(space, text) for pair in (*SAME[1:], *OTHER[:4]) for text in pair]
    some = [one for one in some if len(one.layers) == 4] + space.sample_many(6, rng)
    by_graph, by_module = keys(space, some), keys(space, some, as_module=True)
    together = set(zip(by_graph, by_module, strict=True))
    assert len(together) == len(set(by_graph)) == len(set(by_module)) < len(some)


def test_each_layer_costs_what_the_network_says():
    space = Layers1D(channels=5, depth=3)
    for name in LAYERS:
        candidate = space.decode({"layers": ["max_pool", name, "conv"]})
        network = space.build(candidate)
        assert space.costs(candidate) == module_costs(network, Array((40,)))
        assert network(torch.zeros(2, 40)).shape == (2, 10)


def test_a_chain_is_described_without_its_identities():
    space = Layers1D(depth=3)
    assert space.describe(read(space, "identity conv identity")) == "conv"
    assert space.describe(read(space, "")) == "nothing"


def test_its_search_is_ready():
    defaults = Layers1D.defaults
    evaluator = registry.load("evaluators", defaults.evaluator)(**defaults.evaluator_settings)
    assert evaluator.sizes() == ((Array((40,)),), 10)
    assert registry.load("spaces", "layers-1d") is Layers1D
    for wrong in ({"channels": 0}, {"depth": True}):
        with pytest.raises(InvalidSpace, match=r"must be a whole number of at least 1"):
            Layers1D(**wrong)


def test_a_search_says_how_many_encodings_were_recognised_before_they_were_proposed(tmp_path, capsys):
    study = automl.search(
        Layers1D(depth=3), evaluator=lambda candidate, seed: float(candidate.layers.count("conv")), workers=0, trials=8,
        strategy="surrogate", settings={"hashed": 40}, baseline=False, finalists=1, confirm=1, test_seeds=1, sample=2,
        storage=f"sqlite:///{tmp_path}/a.db", progress=False,
    )  # fmt: skip
    pool = study.report().data.settings["environment"]["pool"]
    print(study.report())
    study.close()
    equal = pool["encodings"] - pool["functions"]
    assert equal > 0
    assert f"{equal:,} of {pool['encodings']:,} encodings were recognised as equal to others" in " ".join(
        capsys.readouterr().out.split()
    )
