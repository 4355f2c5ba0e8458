"""Spaces of a grammar: uniform draws, reading, variation, and what is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats
from torch import nn

import automl
from automl.behaviour import Array, Probe
from automl.errors import InvalidCandidate, InvalidSpace
from automl.spaces.grammar import Grammar
from automl.spaces.grammar.terms import read
from automl.testing.spaces import SpaceContract
from search_spaces.nas.hierarchical import HierarchicalCells

STEPS = "sequence(cell, cell) | branch(cell, cell) | residual(cell) | relu | abs"


class Cells(Grammar):
    rules = {"cell": STEPS}
    operations = ("relu", "abs")
    depth = 3


class Motifs(Grammar):
    """Rules under rules, repeats, and modules of torch."""

    rules = {
        "net": ["sequence(block, repeat(block, 2), head)"],
        "block": "residual(layer) | layer | branch(layer, layer)",
        "layer": {"linear": 3.0, "sequence(linear, act)": 1.0},
        "act": "relu | tanh",
        "head": "linear",
    }
    operations = ("linear", "relu", "tanh")
    depth = 5

    def operation(self, name: str) -> nn.Module:
        return {"linear": lambda: nn.Linear(4, 4), "relu": nn.ReLU, "tanh": nn.Tanh}[name]()


class TestCells(SpaceContract):
    def space(self) -> automl.Space:
        return Cells()

    def probe(self) -> Probe:
        return Probe((Array((4,)),))


class TestMotifs(SpaceContract):
    samples = 12

    def space(self) -> automl.Space:
        return Motifs()

    def probe(self) -> Probe:
        return Probe((Array((4,)),))


class TestHierarchicalCells(SpaceContract):
    def space(self) -> automl.Space:
        return HierarchicalCells()


@pytest.mark.parametrize("seed", range(3))
def test_derivations_are_drawn_uniformly(seed: int) -> None:
    space, rng = Cells(), np.random.default_rng(seed)
    drawn = Counter(candidate.value for candidate in space.sample_many(20 * 302, rng))
    assert len(drawn) <= space.size() == 302  # no term of this grammar has two derivations
    observed = [*drawn.values(), *[0] * (302 - len(drawn))]
    assert stats.chisquare(observed).pvalue > 1e-4


def test_weights_are_the_chances_of_alternatives() -> None:
    drawn = [Motifs().sample(np.random.default_rng(seed)).value for seed in range(400)]
    first = Counter(read(text, Motifs.operations).parts[-1].name for text in drawn)
    assert first == {"linear": 400}
    acts = sum(text.count(f"sequence(linear, {act})") for text in drawn for act in ("relu", "tanh"))
    plain = sum(text.count("linear") for text in drawn) - acts - 400
    assert 0.2 < acts / (acts + plain) < 0.3  # one to three


@pytest.mark.parametrize("space", [Cells(), Motifs(), HierarchicalCells(5)], ids=lambda space: space.kind)
def test_mutation_changes_the_term_and_keeps_to_the_rules(space: Grammar) -> None:
    rng = np.random.default_rng(0)
    for parent in space.sample_many(60, rng):
        child = space.mutate(parent, rng)
        assert child != parent
        assert space.decode(child.value) == child
        assert space.derivation(child).height <= space.depth


def test_crossover_takes_parts_of_both_parents() -> None:
    space, rng = Cells(), np.random.default_rng(0)
    one = space.decode("sequence(branch(relu, relu), residual(relu))")
    other = space.decode("branch(residual(abs), residual(abs))")
    children = {space.crossover(one, other, rng).value for _ in range(100)}
    assert any("relu" in child and "abs" in child for child in children)
    assert all(space.decode(child).value == child for child in children)


def test_a_space_of_one_term_is_exhausted() -> None:
    class One(Grammar):
        rules = {"cell": "relu"}
        operations = ("relu",)

    space, rng = One(), np.random.default_rng(0)
    only = space.sample(rng)
    assert space.size() == 1
    assert space.mutate(only, rng) == only


def test_equal_terms_have_one_key_and_a_branch_knows_no_order() -> None:
    space = Cells(4)

    def key(text: str) -> str:
        behaviour = space.behaviour(space.decode(text))
        return automl.functional_hash(behaviour, probe=Probe((Array((4,)),)))

    assert key("branch(relu, abs)") == key("branch(abs, relu)")
    assert key("sequence(relu, abs)") == key("sequence(relu, relu)")
    assert key("sequence(abs, relu)") != key("branch(abs, relu)")


def test_the_built_network_is_what_the_graph_says() -> None:
    space = HierarchicalCells(channels=4, cells=1)
    cell = space.decode("sequence(branch(nor_conv_3x3, skip_connect), residual(avg_pool_3x3))")
    module = space.build(cell)
    assert sum(parameter.numel() for parameter in module.parameters()) == space.costs(cell)["parameters"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("branch(relu", "expected a comma or a closing bracket (position 12)"),
        ("sequence(relu)", "sequence has one part; give at least two (position 1)"),
        ("residual(relu, abs)", "residual has 2 parts; it takes one"),
        ("sequence(relu, rely)", "did you mean relu? (position 16)"),
        ("sequnce(relu, abs)", "unknown composition 'sequnce'; did you mean sequence?"),
        ("repeat(relu, 0)", "expected a number from 1 to 1000, found '0'"),
        ("repeat(relu)", "repeat needs a number of times"),
        ("relu abs", "expected the end, found 'abs'"),
        ("relu; import os", "expected the end, found ';'"),
        ("", "expected an operation or a composition, found 'the end'"),
        ("residual(residual(residual(relu)))", "needs 4 rules inside rules, and depth is 3; raise depth"),
        ("repeat(relu, 3)", "is not made by rule 'cell'"),
        ("residual(" * 200 + "relu" + ")" * 200, "more than 100 brackets inside brackets"),
        ("x" * 200_000, "a text of 200,000 characters"),
        (3, "3 is no candidate of Cells; write a text such as"),
        (None, "None is no candidate of Cells"),
    ],
)
def test_what_is_no_candidate_is_refused_in_a_sentence(text: object, said: str) -> None:
    with pytest.raises(InvalidCandidate) as caught:
        Cells().decode(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("given", "operations", "depth", "said"),
    [
        ({}, ("relu",), 3, "has no rules"),
        ({"cell": "relu"}, (), 3, "has no operations"),
        (
            {"cell": "sequence(blok, relu)", "block": "relu"},
            ("relu",),
            3,
            "unknown rule or operation 'blok'; did you mean block?",
        ),
        ({"cell": "sequence(cell, cell)"}, ("relu",), 3, "rule 'cell' never ends: cell → cell → …"),
        ({"a": "residual(b)", "b": "residual(a)"}, ("relu",), 3, "rule 'a' never ends: a → b → a → …"),
        ({"cell": "relu", "lost": "relu"}, ("relu",), 3, "rule 'lost' is reached from no other rule"),
        (
            {"a": "residual(b)", "b": "residual(c)", "c": "relu"},
            ("relu",),
            2,
            "ends in 3 rules inside rules at the earliest",
        ),
        ({"cell": {"relu": -1.0}}, ("relu",), 3, "the weight of 'relu' is -1.0; give a positive number"),
        ({"cell": "relu | relu"}, ("relu",), 3, "'relu' stands there twice"),
        ({"relu": "relu"}, ("relu",), 3, "'relu' is a rule and an operation"),
        ({"branch": "relu"}, ("relu",), 3, "'branch' cannot be the name"),
        ({"cell": STEPS}, ("relu", "abs"), 0, "depth is 0"),
        ({"cell": STEPS}, ("relu", "abs"), 40, "give a depth below"),
        ({"cell": 3}, ("relu",), 3, "give a text, a list of texts"),
    ],
)
def test_faulty_rules_are_refused_when_the_space_is_made(given, operations, depth, said) -> None:
    kind = type("Faulty", (Grammar,), {"rules": given, "operations": operations, "depth": depth})
    with pytest.raises(InvalidSpace, match="Faulty") as caught:
        kind()
    assert said in str(caught.value)


def test_a_grammar_without_modules_says_so_where_one_is_built() -> None:
    space = Cells()
    with pytest.raises(InvalidSpace, match="define operation"):
        space.build(space.decode("relu"))
