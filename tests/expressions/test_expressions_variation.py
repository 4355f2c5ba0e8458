"""Sampling, mutation and crossover stay inside the space and reach all of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from automl.spaces.expressions import Call, Constant, ExpressionSpace, Variable
from automl.spaces.expressions.text import write
from automl.spaces.expressions.tree import replaced, size, variables, walk
from search_spaces.algorithms.activation import Activation
from search_spaces.algorithms.loss import Loss
from search_spaces.algorithms.optimizer import Optimizer

SPACES = [Activation(), Loss(), Optimizer(), Activation(operators=["tanh"], constants=[]), Loss(most=3)]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{space.kind}-{space.most}-{len(space.in_use)}")
def test_what_is_proposed_belongs_to_the_space(space: ExpressionSpace) -> None:
    rng = np.random.default_rng(0)
    candidates = space.sample_many(60, rng)
    for _ in range(3):
        mutants = space.mutate_many(candidates, rng)
        crossed = [
            space.crossover(one, other, rng) for one, other in zip(candidates, reversed(candidates), strict=True)
        ]
        for candidate in (*mutants, *crossed):
            assert space.decode(candidate.value) == candidate
            found = variables(space.tree(candidate))
            assert all(not found.isdisjoint(group) for group in space.needs)
        if space.most > 3:
            assert all(one != other for one, other in zip(mutants, candidates, strict=True))
        candidates = mutants


def test_equal_seeds_propose_equal_candidates() -> None:
    for space in SPACES:
        first, second = (space.sample_many(20, np.random.default_rng(7)) for _ in range(2))
        assert first == second
        one, other = (space.mutate_many(first, np.random.default_rng(8)) for _ in range(2))
        assert one == other


def test_samples_have_all_sizes_operators_and_leaves() -> None:
    space = Activation()
    trees = [space.tree(candidate) for candidate in space.sample_many(2000, np.random.default_rng(0))]
    sizes = Counter(map(size, trees))
    assert set(sizes) >= set(range(3, space.most + 1))
    parts = [part for tree in trees for _, part in walk(tree)]
    assert {part.operator for part in parts if isinstance(part, Call)} == set(space.in_use)
    assert {part.value for part in parts if isinstance(part, Constant)} == set(space.constants)


def test_mutation_changes_one_place_and_moves_constants() -> None:
    space = Activation()
    rng = np.random.default_rng(0)
    parent = space.decode("max(0.5 * x, tanh(x))")
    children = {space.mutate(parent, rng).value for _ in range(600)}
    assert len(children) > 100
    assert {"tanh(x)", "max(0.5 * x, sin(x))", "min(0.5 * x, tanh(x))", "max(x, tanh(x))"} <= children
    moved = [value for value in map(_constant, children) if value is not None and value not in space.constants]
    assert moved
    assert all(float(f"{value:.3g}") == value for value in moved)


def _constant(text: str) -> float | None:
    if text.startswith("max(") and text.endswith(" * x, tanh(x))"):
        try:
            return float(text.removeprefix("max(").removesuffix(" * x, tanh(x))"))
        except ValueError:
            return None
    return None


def test_crossover_puts_a_subtree_of_one_parent_into_the_other() -> None:
    space = Activation()
    one, other = space.decode("max(0.5 * x, tanh(x))"), space.decode("sin(exp(x)) - erf(x)")
    rng = np.random.default_rng(0)
    allowed = {
        write(replaced(space.tree(one), path, part))
        for path, _ in walk(space.tree(one))
        for _, part in walk(space.tree(other))
    }
    found = {space.crossover(one, other, rng).value for _ in range(500)}
    assert found <= allowed
    assert len(found) > 20
    assert "max(0.5 * x, sin(exp(x)))" in found


def test_optimizers_are_drawn_with_a_rate_that_mutation_may_lose() -> None:
    space = Optimizer()
    rng = np.random.default_rng(0)
    candidates = space.sample_many(50, rng)
    for candidate in candidates:
        tree = space.tree(candidate)
        assert isinstance(tree, Call)
        assert tree.operator == "mul"
        assert isinstance(tree.arguments[0], Constant)
    mutants = space.mutate_many(candidates * 5, rng)
    assert any(not isinstance(tree, Call) or tree.operator != "mul" for tree in map(space.tree, mutants))
    assert Variable("g") in {part for candidate in candidates for _, part in walk(space.tree(candidate))}
