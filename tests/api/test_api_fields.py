"""Declarative spaces: whatever is sampled, mutated or crossed reads back as itself and lies in its space."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import automl
from automl import Choice, Integer, Real, Repeat, Space
from automl.errors import InvalidCandidate, InvalidSpace
from automl.spaces.fields import Field

scalars = st.one_of(st.booleans(), st.integers(-5, 5), st.text("abc", max_size=2), st.none())


@st.composite
def integers(draw):
    low = draw(st.integers(1, 50))
    return Integer(low, low + draw(st.integers(0, 60)), log=draw(st.booleans()))


@st.composite
def reals(draw):
    low = draw(st.floats(1e-6, 100, allow_nan=False))
    return Real(low, low * draw(st.floats(1, 1e4)), log=draw(st.booleans()))


choices = st.lists(scalars, min_size=1, max_size=4, unique_by=lambda option: json.dumps(option)).map(
    lambda options: Choice(*options)
)
leaves = st.one_of(integers(), reals(), choices)
counter = iter(range(10**9))


def space_of(fields):
    """Returns a space with these fields, whose class no other space has."""
    return type(f"Space{next(counter)}", (Space,), {f"f{place}": field for place, field in enumerate(fields)})()


def branch(inner):
    spaces = st.lists(inner, min_size=1, max_size=3).map(space_of)
    repeats = st.tuples(inner, st.integers(0, 2), st.integers(0, 3)).map(lambda x: Repeat(x[0], x[1], x[1] + x[2]))
    conditional = st.tuples(st.lists(spaces, min_size=1, max_size=2), st.booleans()).map(
        lambda x: Choice(*x[0], *(["none"] if x[1] else []))
    )
    return st.one_of(spaces, repeats, conditional)


spaces = st.lists(st.recursive(leaves, branch, max_leaves=6), min_size=1, max_size=3).map(space_of)
seeds = st.integers(0, 2**32)


def is_of(space, candidate):
    """Insists that a candidate is a point of the space in canonical form."""
    again = space.decode(json.loads(candidate.json))
    assert again == candidate
    assert again.json == candidate.json
    assert hash(again) == hash(candidate)


@settings(max_examples=150, deadline=None)
@given(spaces, seeds)
def test_samples_mutants_and_children_are_of_the_space(space, seed):
    rng = np.random.default_rng(seed)
    one, other = space.sample(rng), space.sample(rng)
    for candidate in (one, other):
        is_of(space, candidate)
    before = one.json
    for _ in range(5):
        is_of(space, space.mutate(one, rng))
        is_of(space, space.crossover(one, other, rng))
    assert one.json == before  # nothing is changed in place
    assert space.sample(np.random.default_rng(seed)) == space.sample(np.random.default_rng(seed))
    many = space.mutate_many([one, other, one], rng)
    assert len(many) == 3
    assert len(space.sample_many(4, rng)) == 4


@settings(max_examples=100, deadline=None)
@given(spaces, seeds)
@example(space_of([Repeat(Real(0.0, 1.0), 0, 0)]), 0)
def test_a_mutant_differs_wherever_there_is_something_else(space, seed):
    rng = np.random.default_rng(seed)
    size = space.size()
    one = space.sample(rng)
    differs = [space.mutate(one, rng) != one for _ in range(20)]
    if size == 1:
        assert not any(differs)
    else:
        assert any(differs)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(choices, st.integers(0, 3).map(lambda n: Integer(0, n))), min_size=1, max_size=3), seeds)
def test_one_mutation_changes_one_field_and_finite_spaces_are_counted(fields, seed):
    space, rng = space_of(fields), np.random.default_rng(seed)
    one = space.sample(rng)
    child = space.mutate(one, rng)
    assert sum(
        one.value[name] != child.value[name] or type(one.value[name]) is not type(child.value[name])
        for name in one.value
    ) == (space.size() > 1)
    seen = {space.sample(rng).json for _ in range(3000)} if space.size() <= 64 else set()
    assert not seen or len(seen) == space.size()


@given(leaves, seeds)
@settings(max_examples=200, deadline=None)
def test_a_field_stays_within_its_bounds(field, seed):
    rng = np.random.default_rng(seed)
    value = field.sample(rng)
    for _ in range(10):
        value = field.mutate(value, rng)
        assert field.check(value, "here") == value
        if isinstance(field, Integer | Real):
            assert field.low <= value <= field.high
    assert isinstance(field, Field)


class Inner(Space):
    depth = Integer(1, 3)


class Conditional(Space):
    block = Choice(Inner(), "none", None, 3)
    layers = Repeat(Choice("a", "b"), 1, 3)
    rate = Real(0.1, 0.9)


GOOD = {"block": {"kind": "Inner", "depth": 2}, "layers": ["a", "b"], "rate": 0.5}


def test_candidates_show_their_fields():
    candidate = Conditional().decode(GOOD)
    assert candidate.block.kind == "Inner"
    assert candidate.block.depth == 2
    assert candidate.layers == ("a", "b")
    assert candidate.rate == 0.5
    with pytest.raises(AttributeError, match="rat"):
        _ = candidate.rat
    with pytest.raises(AttributeError, match="immutable"):
        candidate.rate = 0.1
    assert Conditional().decode(GOOD | {"rate": 0.5, "block": "none"}).block == "none"
    whole = Conditional().decode(dict(reversed(GOOD.items())))
    assert whole == candidate


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rate": 2}, "candidate.rate: 2 is not a number from 0.1 to 0.9"),
        ({"rate": "0.5"}, "candidate.rate"),
        ({"rate": True}, "candidate.rate"),
        ({"rate": float("nan")}, "candidate.rate"),
        ({"layers": []}, "candidate.layers"),
        ({"layers": ["a", "c"]}, r"candidate.layers\[1\]"),
        ({"layers": "ab"}, "candidate.layers"),
        ({"block": {"kind": "Other", "depth": 1}}, "candidate.block"),
        ({"block": {"kind": "Inner"}}, "'depth' is missing"),
        ({"block": {"kind": "Inner", "depth": 1.0}}, "candidate.block.depth"),
        ({"block": {"kind": "Inner", "depth": 9}}, "candidate.block.depth"),
        ({"block": {"kind": "Inner", "depth": 1, "more": 1}}, "'more' is no field"),
        ({"block": True}, "candidate.block"),
        ({"extra": 1}, "'extra' is no field"),
    ],
)
def test_what_is_no_candidate_is_refused_and_the_place_named(wrong, words):
    with pytest.raises(InvalidCandidate, match=words):
        Conditional().decode(GOOD | wrong)


def test_a_choice_knows_one_from_true():
    class Flags(Space):
        flag = Choice(1, True, "1")

    assert [type(Flags().decode({"flag": value}).flag) for value in (1, True, "1")] == [int, bool, str]
    assert len({Flags().sample(np.random.default_rng(seed)).json for seed in range(60)}) == 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Choice(), "at least one"),
        (lambda: Choice("a", "b", "a"), "twice"),
        (lambda: Choice(Inner(), Inner()), "twice"),
        (lambda: Choice(object()), "JSON"),
        (lambda: Choice(float("nan")), "JSON"),
        (lambda: Integer(3, 2), "smaller first"),
        (lambda: Integer(0.5, 2), "whole numbers"),
        (lambda: Integer(0, 2, log=True), "starts at 1"),
        (lambda: Real(3, 2), "smaller first"),
        (lambda: Real(0, float("inf")), "finite"),
        (lambda: Real(0, 1, log=True), "above 0"),
        (lambda: Repeat(Integer(0, 1), 3, 2), "minimum <= maximum"),
        (lambda: Repeat("x", 1, 2), "neither a field nor a space"),
    ],
)
def test_fields_that_make_no_sense(make, words):
    with pytest.raises((InvalidSpace, automl.InvalidInput), match=words):
        make()


def test_fields_of_base_classes_come_along():
    class Wider(Inner):
        width = Choice(8, 16)

    assert list(Wider().record.fields) == ["depth", "width"]
    assert Wider().size() == 6
