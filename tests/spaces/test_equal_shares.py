"""Shares of equal candidates: what is estimated, and that what shipped spaces say of themselves is so."""

from __future__ import annotations

import numpy as np
import pytest

import automl
from automl import registry
from automl.hashing import Hasher
from automl.setup.shares import Share, equal_shares
from automl.spaces.space import Candidate, Space

QUICK = (
    "automl-zero-digits",
    "automl-zero-linear",
    "automl-zero-two-layer",
    "darts",
    "digits-cells",
    "hierarchical-cells",
    "hpolib",
    "nasbench101",
    "nasbench201",
    "nasbench-graph",
)
"""Spaces that are hashed in a millisecond a candidate; the others are measured by hand."""


class Mod(automl.Space):
    """Numbers that are keyed by their remainder."""

    x = automl.Integer(0, 10**6)


def by_remainder(candidates: list[Candidate]) -> list[bytes]:
    return [(candidate.x % 8).to_bytes(1, "little") for candidate in candidates]


def hashed(space: Space):
    hasher = Hasher()

    def keys_of(candidates: list[Candidate]) -> list[bytes]:
        pairs = [(space.behaviour(one), space.training(one)) for one in candidates]
        return [item.key for item in hasher.hash_many(pairs, [one.json for one in candidates])]

    return keys_of


def test_eight_functions_are_eight_functions() -> None:
    shares = equal_shares(Mod(), by_remainder, np.random.default_rng(0))
    assert shares.functions == pytest.approx(8)
    assert shares.samples.equal == shares.samples.of - 7
    low, high = shares.samples.interval
    assert low < shares.samples.value < high
    assert (high - low) / 2 <= 0.025


def test_where_no_two_are_equal_the_share_is_nothing_and_ends_soon() -> None:
    shares = equal_shares(Mod(), lambda some: [one.json.encode() for one in some], np.random.default_rng(0))
    assert shares.samples.value == shares.mutants.value == 0
    assert shares.samples.of < 200
    assert shares.samples.interval[0] == 0


def test_one_encoding_drawn_twice_is_not_an_equal_candidate() -> None:
    class Few(automl.Space):
        x = automl.Choice(*range(5))

    shares = equal_shares(Few(), lambda some: [one.json.encode() for one in some], np.random.default_rng(0), most=100)
    assert shares.samples == Share(0, 4)


def test_a_share_of_nothing_says_nothing() -> None:
    assert Share(0, 0).interval == (0.0, 1.0)


@pytest.mark.parametrize("name", QUICK)
def test_shipped_spaces_say_what_is_measured(name: str) -> None:
    space = registry.load("spaces", name)()
    shares = equal_shares(space, hashed(space), np.random.default_rng(1), seconds=600)
    said = type(space).equal_shares
    assert shares.samples.value == pytest.approx(said[0], abs=0.07)
    assert shares.mutants.value == pytest.approx(said[1], abs=0.09)


def test_every_shipped_space_says_its_shares() -> None:
    assert not [name for name in registry.names("spaces") if registry.load("spaces", name).equal_shares is None]


def test_a_small_space_has_no_more_functions_than_candidates() -> None:
    class Few(automl.Space):
        x = automl.Integer(0, 11)

    shares = equal_shares(Few(), lambda some: [one.json.encode() for one in some], np.random.default_rng(0))
    assert shares.functions == 12
    halves = equal_shares(Few(), lambda some: [bytes([one.x // 2]) for one in some], np.random.default_rng(0))
    assert halves.functions == 6
