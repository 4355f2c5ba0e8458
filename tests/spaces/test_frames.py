"""Frames of modules: what results depend on and the hash does not see is in the key."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import automl
from automl import Choice, Replace, Variants
from search_spaces.nas.hytra import HyTra
from search_spaces.nas.mbconv import MBConv
from search_spaces.nas.widths import Widths

PAIRS = {
    "mbconv": (MBConv(widths=(8, 16), blocks=(1, 1)), MBConv(widths=(64, 128), blocks=(1, 1))),
    "mbconv stem": (MBConv(stem=8), MBConv(stem=16)),
    "hytra": (HyTra(), HyTra(widths=(32, 64, 128))),
    "widths": (Widths((8, 16)), Widths((32, 64))),
}


@pytest.mark.parametrize("name", PAIRS)
def test_spaces_that_are_hashed_narrow_have_their_widths_in_the_key(name: str) -> None:
    one, other = (space.behaviour(space.sample(np.random.default_rng(0))).frame for space in PAIRS[name])
    assert one != other


def test_a_frame_is_in_the_key_and_none_changes_nothing() -> None:
    probe = automl.Probe((automl.Array((4,)),))

    def key(**frame: object) -> object:
        return automl.functional_hash(automl.Module(lambda: nn.Linear(4, 2), probe=probe, frame=frame))

    assert key(width=8) == key(width=8) != key(width=16)
    assert key() == automl.functional_hash(automl.Module(lambda: nn.Linear(4, 2), probe=probe))


def loaded(seed: int):
    weights = nn.Linear(8, 8)
    with torch.no_grad():
        weights.weight.copy_(torch.randn(8, 8, generator=torch.Generator().manual_seed(seed)))
        weights.bias.zero_()

    def model() -> nn.Module:
        made = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        made[0].load_state_dict(weights.state_dict())
        return made

    return model


def variants(make_model) -> Variants:
    changes = {"0": Replace(keep=None, fresh=lambda old: nn.Linear(8, 8)), "1": Choice("keep", "ReLU", "GELU")}
    return Variants(make_model, changes, inputs=[(8,)])


def keys(space: Variants, *values: dict[str, str]) -> list[object]:
    return [automl.functional_hash(space.behaviour(space.decode(value))) for value in values]


def test_weights_that_are_loaded_belong_to_the_function() -> None:
    kept = {"0": "keep", "1": "keep"}
    [one], [other], [again] = (keys(variants(loaded(seed)), kept) for seed in (1, 2, 1))
    assert one == again != other


def test_a_loaded_part_that_is_kept_is_not_one_that_is_made_anew() -> None:
    kept, fresh = keys(variants(loaded(1)), {"0": "keep", "1": "keep"}, {"0": "fresh", "1": "keep"})
    assert kept != fresh


def test_variants_of_parts_without_loaded_weights_are_recognised() -> None:
    same, other = keys(variants(loaded(1)), {"0": "keep", "1": "keep"}, {"0": "keep", "1": "ReLU"})
    assert same == other
    plain = variants(lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)))
    same, other = keys(plain, {"0": "keep", "1": "keep"}, {"0": "fresh", "1": "keep"})
    assert same == other
