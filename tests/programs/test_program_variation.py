"""Sampling and mutation stay inside the space and do what the paper says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from automl.spaces.programs.code import decode
from search_spaces.algorithms.program import ProgramSpace
from search_spaces.algorithms.program_spaces import SIX, AutoMLZeroDigits, AutoMLZeroLinear, AutoMLZeroTwoLayer


def changed(one: bytes, other: bytes) -> list[int]:
    """Returns which of the three functions differ."""
    return [n for n, (a, b) in enumerate(zip(decode(one), decode(other), strict=True)) if a != b]


@pytest.mark.parametrize("space", [AutoMLZeroLinear(), AutoMLZeroTwoLayer(), AutoMLZeroDigits()], ids=lambda s: s.kind)
def test_everything_proposed_is_in_the_space(space: ProgramSpace) -> None:
    rng = np.random.default_rng(0)
    population = space.sample_many(300, rng)
    for _ in range(15):
        children = space.mutate_many(population, rng)
        for parent, child in zip(population, children, strict=True):
            assert len(changed(space.code(parent), space.code(child))) <= 1
        population = children
    for candidate in population:
        assert space.decode(candidate.value) == candidate
    crossed = space.crossover(population[0], population[1], rng)
    assert space.decode(crossed.value) == crossed


def test_sampling_is_uniform_over_operations_and_addresses() -> None:
    space = AutoMLZeroLinear()
    programs = [decode(space.code(candidate)) for candidate in space.sample_many(3000, np.random.default_rng(1))]
    items = [item for program in programs for function in program for item in function]
    assert all([len(function) for function in program] == [10, 2, 8] for program in programs)
    counts = Counter(space.language.operations[item.operation].name for item in items)
    assert set(counts) == set(SIX)
    assert max(counts.values()) < 1.1 * min(counts.values())
    written = Counter(item.out for item in items if space.language.operations[item.operation].output == "s")
    assert set(written) == {1, 2, 3}
    read = Counter(item.first for item in items if space.language.operations[item.operation].name == "scalar_diff")
    assert set(read) == {0, 1, 2, 3}
    constants = np.array(
        [item.x for item in items if space.language.operations[item.operation].name == "scalar_const_set"]
    )
    assert -1 <= constants.min() < -0.99
    assert 0.99 < constants.max() <= 1
    assert abs(constants.mean()) < 0.03


def test_a_tenth_of_children_are_their_parents() -> None:
    space = ProgramSpace(setup=10, predict=10, learn=10, mutations=["randomize"])
    rng = np.random.default_rng(2)
    parents = space.sample_many(4000, rng)
    children = space.mutate_many(parents, rng)
    same = np.mean([parent == child for parent, child in zip(parents, children, strict=True)])
    assert 0.08 < same < 0.12
    parts = Counter(n for p, c in zip(parents, children, strict=True) for n in changed(space.code(p), space.code(c)))
    assert max(parts.values()) < 1.15 * min(parts.values())


@pytest.mark.parametrize("kind", ["alter", "replace", "insert", "remove", "randomize"])
def test_each_kind_of_mutation(kind: str) -> None:
    space = ProgramSpace(setup=(2, 12), predict=(2, 12), learn=(2, 12), mutations=[kind], mutation_probability=1.0)
    rng = np.random.default_rng(3)
    parents = space.sample_many(2000, rng)
    children = space.mutate_many(parents, rng)
    grown, lines = Counter(), []
    for parent, child in zip(parents, children, strict=True):
        one, other = decode(space.code(parent)), decode(space.code(child))
        grown[sum(map(len, other)) - sum(map(len, one))] += 1
        for before, after in zip(one, other, strict=True):
            if len(before) == len(after):
                lines.append(sum(a != b for a, b in zip(before, after, strict=True)))
            elif len(after) > len(before):
                assert any(after[:n] + after[n + 1 :] == before for n in range(len(after)))
            else:
                assert any(before[:n] + before[n + 1 :] == after for n in range(len(before)))
    if kind in ("insert", "remove"):  # a full function loses a line instead, an empty one gets one
        way = 1 if kind == "insert" else -1
        assert grown[way] > 1700
        assert grown[way] + grown[-way] == 2000
    else:
        assert set(grown) == {0}
        assert max(lines) <= 1 if kind != "randomize" else max(lines) > 5


def test_altering_changes_one_argument_or_one_constant() -> None:
    space = ProgramSpace(setup=3, predict=3, learn=3, mutations=["alter"], mutation_probability=1.0)
    rng = np.random.default_rng(4)
    parents = space.sample_many(3000, rng)
    ratios = []
    for parent, child in zip(parents, space.mutate_many(parents, rng), strict=True):
        for before, after in zip(decode(space.code(parent)), decode(space.code(child)), strict=True):
            for a, b in zip(before, after, strict=True):
                assert a.operation == b.operation
                name = space.language.operations[a.operation].name
                differing = sum(x != y for x, y in zip(a, b, strict=True))
                assert differing <= (2 if "uniform" in name else 1)  # low and high may change places
                if name == "scalar_const_set" and a.x != b.x:
                    ratios.append(b.x / a.x)
    flips = np.mean(np.array(ratios) == -1)
    assert 0.02 < flips < 0.25
    assert 0.5 < np.std(np.log(np.array(ratios)[np.array(ratios) > 0])) < 1.5


def test_the_same_generator_gives_the_same_programs() -> None:
    space = AutoMLZeroTwoLayer()
    runs = []
    for _ in range(2):
        rng = np.random.default_rng(9)
        runs.append(space.mutate_many(space.sample_many(50, rng), rng))
    assert runs[0] == runs[1]
    assert space.mutate_many([], np.random.default_rng(0)) == []


def test_operations_by_function() -> None:
    space = ProgramSpace(
        operations={
            "setup": ["scalar_const_set"],
            "predict": ["vector_inner_product"],
            "learn": ["vector_sum", "scalar_diff"],
        }
    )
    for candidate in space.sample_many(100, np.random.default_rng(0)):
        setup, predict, learn = ({item.operation for item in function} for function in decode(space.code(candidate)))
        assert setup <= {56}
        assert predict <= {27}
        assert learn <= {2, 23}
