"""Variants of a module that somebody has: places, changes, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import automl
from automl import Choice, Drop, Integer, Real, Replace, Together, Variants
from automl.errors import InvalidCandidate, InvalidSpace
from automl.testing.spaces import SpaceContract


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.linear = nn.Linear(8, 8)
        self.act = nn.ReLU()
        self.scale = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * self.act(self.linear(self.norm(x)))


class Net(nn.Module):
    def __init__(self, blocks: int = 4) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self._drop = nn.Dropout(0.1)
        self.head = nn.Sequential(nn.LeakyReLU(0.1), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(self._drop(x))


CHANGES = {
    "blocks.*.act": Choice("keep", "GELU", "identity"),
    "blocks.*": Drop(at_most=2),
    "blocks.*.norm": Together(Replace(keep=None, batch=lambda old: nn.BatchNorm1d(old.normalized_shape[0]))),
    "_drop": Real(0.0, 0.5),
    "head.0.negative_slope": Choice(0.1, 0.2),
}


def space(inputs: bool = True) -> Variants:
    return Variants(Net, CHANGES, inputs=[(8,)] if inputs else ())


class TestVariants(SpaceContract):
    samples = 10

    def space(self) -> automl.Space:
        return space()


def plain(**changes: object) -> dict[str, object]:
    acts = {f"blocks.{number}.act": "keep" for number in range(4)}
    return {**acts, "blocks.*": [], "blocks.*.norm": "keep", "_drop": 0.1, "head.0.negative_slope": 0.1, **changes}


def test_each_place_has_a_field_and_together_one_for_all() -> None:
    assert set(space().record.fields) == set(plain())


def test_the_candidate_of_all_keeps_is_the_model_itself() -> None:
    one, model = space(), Net()
    built = one.build(one.decode(plain()))
    assert str(built) == str(model)
    key = automl.functional_hash(one.behaviour(one.decode(plain())))
    assert key == automl.functional_hash(automl.Module(Net, probe=one.behaviour(one.decode(plain())).probe))
    assert one.describe(one.decode(plain())).count("=") == 2  # the two numbers


def test_changes_reach_the_model() -> None:
    one = space()
    changed = one.decode(
        plain(
            **{
                "blocks.0.act": "GELU",
                "blocks.*": ["blocks.1", "blocks.3"],
                "blocks.*.norm": "batch",
                "_drop": 0.25,
                "head.0.negative_slope": 0.2,
            }
        )
    )
    built = one.build(changed)
    assert isinstance(built.blocks[0].act, nn.GELU)
    assert [type(block).__name__ for block in built.blocks] == ["Block", "Identity", "Block", "Identity"]
    assert isinstance(built.blocks[2].norm, nn.BatchNorm1d)
    assert (built._drop.p, built.head[0].negative_slope) == (0.25, 0.2)
    assert one.costs(changed)["parameters"] < one.costs(one.decode(plain()))["parameters"]
    assert built(torch.zeros(2, 8)).shape == (2, 3)


def test_what_was_changed_in_a_dropped_part_makes_no_other_function() -> None:
    one = space()
    dropped = {"blocks.*": ["blocks.1"]}
    keys = {
        automl.functional_hash(one.behaviour(one.decode(plain(**dropped, **{"blocks.1.act": act}))))
        for act in ("keep", "GELU", "identity")
    }
    assert len(keys) == 1


def test_each_candidate_is_made_of_a_fresh_model() -> None:
    one = space(inputs=False)
    first, second = (one.build(one.decode(plain())) for _ in range(2))
    assert first.head[1] is not second.head[1]
    assert not torch.equal(first.head[1].weight, second.head[1].weight)


def test_attributes_and_double_wild_cards_are_matched() -> None:
    one = Variants(Net, {"**.linear": Choice("keep", "identity"), "blocks.*.scale": Real(0.5, 2.0)})
    assert [name for name in one.record.fields if name.endswith("linear")] == [f"blocks.{n}.linear" for n in range(4)]
    built = one.build(one.sample(np.random.default_rng(0)))
    assert all(0.5 <= block.scale <= 2.0 for block in built.blocks)


def test_names_of_torch_take_the_arguments_that_they_need_from_the_part() -> None:
    one = Variants(lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), {"1": Choice("keep", "SyncBatchNorm")})
    built = one.build(one.decode({"1": "SyncBatchNorm"}))
    assert built[1].num_features == 4


@pytest.mark.parametrize("at_most", [1, 2, 4, 9])
def test_dropped_places_are_drawn_uniformly(at_most: int) -> None:
    field = Drop(at_most).among([f"b{number}" for number in range(4)])
    rng = np.random.default_rng(at_most)
    drawn = [tuple(field.sample(rng)) for _ in range(100 * field.size())]
    counts = [drawn.count(value) for value in set(drawn)]
    assert len(counts) == field.size() == {1: 5, 2: 11, 4: 16, 9: 16}[at_most]
    assert stats.chisquare(counts).pvalue > 1e-4
    for value in map(list, set(drawn)):
        child = field.mutate(value, rng)
        assert child != value
        assert field.check(child, "drop") == child
        assert field.check(field.crossover(value, child, rng), "drop") is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"block.*.act": Choice("GELU")},
            "matches no part of the model, and no number or text of one; nearest",
        ),
        ({"blocks.*.act": Choice("GELU"), "blocks.0.*": Choice("ReLU")}, "both match blocks.0."),
        ({"blocks.*.act": Choice("GELUU")}, "blocks.0.act: 'GELUU' is no module of torch.nn; did you mean GELU"),
        ({"blocks.*.act": Choice("Linear")}, "Linear needs 'in_features', which the ReLU there does not have"),
        ({"blocks.*.act": Real(0.0, 1.0)}, "blocks.0.act is a ReLU, and 0.0 says nothing about it"),
        (
            {"head.*": Drop(at_most=1)},
            "gives outputs of shape [(2, 8)] where the model gives [(2, 3)]",
        ),
        (
            {"blocks.0.linear": Replace(wide=lambda old: nn.Linear(8, 9))},
            "'blocks.0.linear' = wide cannot be run: RuntimeError",
        ),
        (
            {"blocks.0.linear": Replace(none=lambda: None)},
            "the option 'none' gives None; let it return a",
        ),
        ({}, "no changes"),
        ({"blocks.": Choice("GELU")}, "is no pattern"),
        ({"blocks.*": 3}, "3 is neither a field nor a space"),
    ],
)
def test_what_does_not_fit_is_refused_when_the_space_is_made(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidSpace, match=re.escape(said)):
        Variants(Net, changes, inputs=[(8,)])


def test_models_and_options_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidSpace, match="make_model returns 3"):
        Variants(lambda: 3, {"a": Choice("GELU")})
    with pytest.raises(InvalidSpace, match="is no function"):
        Variants(3, {"a": Choice("GELU")})
    with pytest.raises(InvalidSpace, match="a module that all candidates would share"):
        Replace(relu=nn.ReLU())
    with pytest.raises(InvalidSpace, match="at_most=0"):
        Drop(at_most=0)
    with pytest.raises(InvalidSpace, match="holds for all places already"):
        Together(Drop(at_most=1))
    with pytest.raises(InvalidCandidate, match=re.escape("candidate.blocks.*: ['blocks.9']")):
        space(inputs=False).decode(plain(**{"blocks.*": ["blocks.9"]}))


def test_making_a_space_draws_nothing_from_the_callers_generator() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    Variants(Net, {"blocks.*.act": Choice("keep", "GELU"), "_drop": Integer(0, 1)}, inputs=[(8,)])
    assert torch.equal(torch.rand(1), wanted)
