"""The text of expressions: it reads back as the same tree, and what cannot be read is refused with its position."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import InvalidCandidate, InvalidSpace
from automl.hashing.hasher import Hasher
from automl.spaces.expressions import BUILT_IN, Call, Constant, Operator, Variable, define, variation
from automl.spaces.expressions.operators import SIGNS
from automl.spaces.expressions.text import read, write
from automl.spaces.expressions.tree import Tree
from search_spaces.algorithms.activation import Activation
from search_spaces.algorithms.loss import Loss
from search_spaces.algorithms.optimizer import Optimizer

_UNARY = [item.name for item in BUILT_IN.values() if item.arity == 1]
_BINARY = [item.name for item in BUILT_IN.values() if item.arity == 2]
_LEAVES = st.one_of(
    st.sampled_from([Variable("x"), Variable("y")]),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Constant(value + 0.0)),
)
_TREES = st.recursive(
    _LEAVES,
    lambda parts: st.one_of(
        st.builds(lambda name, one: Call(name, (one,)), st.sampled_from(_UNARY), parts),
        st.builds(lambda name, one, other: Call(name, (one, other)), st.sampled_from(_BINARY), parts, parts),
    ),
    max_leaves=12,
)


@given(_TREES)
@settings(max_examples=400, deadline=None)
def test_reads_back_as_the_same_tree(tree: Call) -> None:
    text = write(tree)
    assert read(text, BUILT_IN, ("x", "y")) == tree
    assert write(read(text, BUILT_IN, ("x", "y"))) == text


@pytest.mark.parametrize("space", [Activation(), Activation(most=80), Loss(most=40)], ids=["small", "large", "loss"])
def test_thousands_of_drawn_expressions_read_back_as_the_same_tree(space: Activation | Loss) -> None:
    rng = np.random.default_rng(5)
    for _ in range(500):
        tree = variation.sample(space.grammar, rng)
        assert read(write(tree), space.known, space.variables) == tree


@given(_TREES)
@settings(max_examples=200, deadline=None)
def test_spaces_and_more_brackets_do_not_matter(tree: Call) -> None:
    def bracketed(part: Call) -> str:
        """The text of a tree with brackets round each part; a constant keeps its minus."""
        if isinstance(part, Call) and part.operator in SIGNS:
            one, other = map(bracketed, part.arguments)
            return f"(\t{one}\n{SIGNS[part.operator]}\u00a0{other} )"
        if isinstance(part, Call):
            sign = "- " if part.operator == "neg" else f"{part.operator} "
            return f"({sign}( {' , '.join(map(bracketed, part.arguments))} ))"
        return f"({write(part)})"

    assert read(bracketed(tree), BUILT_IN, ("x", "y")) == tree


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("007 + 00.5", "7 + 0.5"),  # Python knows no such number
        ("x + ٣", "x + 3"),
        ("lambda * if + None", "lambda * if + None"),  # its words are names like others
        ("µ + \u03bc", "µ + \u03bc"),  # and two names that it takes for one stay two
        ("x² * x\n+\n\n1", "x² * x + 1"),
        ("max (x,\tx)", "max(x, x)"),
        ("add(neg(x), 1.)", "-x + 1"),
        ("-(0.5) - -0.5", "-(0.5) - -0.5"),
        ("- 0.5 * x", "-0.5 * x"),
        ("9007199254740993", "9007199254740992"),
    ],
)
def test_the_language_is_the_one_described_and_not_python(text: str, canonical: str) -> None:
    names = ("x", "lambda", "if", "None", "µ", "\u03bc", "x²")
    tree = read(text, BUILT_IN, names)
    assert write(tree) == canonical
    assert read(canonical, BUILT_IN, names) == tree


@pytest.mark.parametrize(
    "text",
    ["x**2", "x // 2", "+x", "max(*x)", "max(x, x,)", "max(x, y=1)", "(x, x)", "x,", "(tanh)(x)", "tanh(x)(x)", "2(x)",
     "x if x else x", "lambda x: x", "[x]", "x.real", "x[0]", "'x'", "1_000", "0x10", "1j", "1 if x", "x := 1", "...",
     "tanh()", "__import__('os')", "x # y", "x\\", "x\x00", "tanh(x for x in x)", "x; x", "not x", "x < 1"],
)  # fmt: skip
def test_what_only_python_would_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidCandidate, match=r" at position \d+ of "):
        read(text, BUILT_IN, ("x",))


def test_an_operator_written_as_a_sign_is_refused_where_the_space_left_it_out() -> None:
    space = Activation(operators=["tanh", "max"])
    with pytest.raises(InvalidCandidate, match=r"operator 'mul' is not allowed in this space at position 10 of"):
        space.decode("max(x,x) * x")
    with pytest.raises(InvalidCandidate, match=r"operator 'add' is not allowed in this space at position 7 of"):
        space.decode("((x)) + (x)")
    with pytest.raises(InvalidCandidate, match=r"operator 'neg' is not allowed in this space at position 6 of"):
        space.decode("tanh(-x)")


def _sum(terms: int) -> str:
    return "+".join(["x"] * terms)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (_sum(502), "more than 500 operators, each an argument of the next"),
        (_sum(3000), "more than 500 operators, each an argument of the next"),
        (f"1 - ({_sum(502)})", r"more than 500 operators, .* at position 6 of"),
        ("x+" * 60_000 + "x", "has 120,001 characters; write at most 100,000"),
        ("1" * 5000, r"constant 1+\.\.\. is too large at position 1"),
        ("(" * 3000 + "x" + ")" * 3000, "nested more than 100 deep at position 101"),
        ("tanh(" * 3000 + "x" + ")" * 3000, "nested more than 100 deep at position 505"),
        ("-(" * 3000 + "x" + ")" * 3000, "nested more than 100 deep at position 201"),
        ("(" * 99_999, "nested more than 100 deep"),
        (("-" * 50 + "(") * 50 + "x" + ")" * 50, "more than 500 operators"),
    ],
    ids=lambda value: value[:8],
)
def test_long_and_deep_texts_get_a_short_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidCandidate, match=sentence) as caught:
        Activation(most=10_000).decode(text)
    assert len(str(caught.value)) < 300


def test_a_caller_who_is_deep_in_the_stack_gets_the_sentence_too() -> None:
    def below(frames: int) -> Tree:
        return below(frames - 1) if frames else read(_sum(400), BUILT_IN, ("x",))

    room = sys.getrecursionlimit() - len(inspect.stack())
    with pytest.raises(InvalidCandidate, match="more than 500 operators"):
        below(room - 200)


def test_as_tall_a_tree_as_is_read_is_also_run_hashed_and_shown() -> None:
    space = Activation(most=2000)
    candidate = space.decode(_sum(501))
    assert space.costs(candidate) == {"operations": 500.0}
    assert space.describe(candidate).count("+") == 500
    assert len(space.picture(candidate)) == 502
    assert space.decode(space.mutate(candidate, np.random.default_rng(0)).value).value != candidate.value
    assert not Hasher().hash_many([(space.behaviour(candidate), {})], [candidate.json])[0].fallback
    with pytest.raises(InvalidCandidate, match=r"x\.\.\.' has 1001 operators and leaves, and this space at most 12"):
        Activation().decode(_sum(501).replace("+", " + "))


def test_a_space_of_large_expressions_draws_none_that_cannot_be_read() -> None:
    space, rng = Activation(operators=["tanh"], most=400), np.random.default_rng(1)
    candidate = space.decode("tanh(" * 99 + "x" + ")" * 99)
    for _ in range(20):
        candidate = space.mutate(candidate, rng)
        assert space.decode(candidate.value) == candidate


@given(st.text(alphabet="xy12.e+-*/(), maxtnh", max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    refusal, tree = "", None
    try:
        tree = read(text, BUILT_IN, ("x", "y"))
    except InvalidCandidate as error:
        refusal = str(error)
    assert tree is not None or " at position " in refusal
    assert "\n" not in refusal
    assert tree is None or read(write(tree), BUILT_IN, ("x", "y")) == tree


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("x*sigmoid( x )", "x * sigmoid(x)"),
        ("((x)) + (x + x)", "x + (x + x)"),
        ("(x + x) + x", "x + x + x"),
        ("x - (x - x) * x", "x - (x - x) * x"),
        ("x / (x * x)", "x / (x * x)"),
        ("-x * 2.0", "-x * 2"),
        ("-(x * 2)", "-(x * 2)"),
        ("--x", "-(-x)"),
        ("1e-3 - -0.50", "0.001 - -0.5"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    space = Activation()
    assert space.decode(text).value == canonical
    assert space.decode(canonical).json == f'"{canonical}"'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x * sigmod(x)", "unknown operator 'sigmod' at position 5 of 'x * sigmod(x)'; did you mean sigmoid?"),
        ("max(x)", "operator 'max' takes 2 arguments and was given 1 at position 1 of 'max(x)'"),
        ("tanh(x, x)", "operator 'tanh' takes 1 argument and was given 2 at position 1 of 'tanh(x, x)'"),
        ("x +", "expected a number, a variable or an operator at position 4 of 'x +'"),
        ("x + y", "unknown variable 'y' at position 5 of 'x + y'; known: x"),
        ("tanh", "operator 'tanh' without arguments at position 1 of 'tanh'; write tanh(…)"),
        ("(x", "expected ')' at position 3 of '(x'"),
        ("x $ 2", "unexpected '$' at position 3 of 'x $ 2'"),
        ("x 2", "unexpected '2' at position 3 of 'x 2'"),
        ("x + 1e999", "constant 1e999 is too large at position 5 of 'x + 1e999'"),
        ("", "expected a number, a variable or an operator at position 1 of ''"),
        (
            "sign(x)",
            "operator 'sign' has no derivative, and these functions are trained through at position 1 of 'sign(x)'; "
            "give Operator('sign', …, derivative=…), or leave the operator out",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_position(text: str, sentence: str) -> None:
    with pytest.raises(InvalidCandidate) as caught:
        Activation().decode(text)
    assert str(caught.value) == sentence


def test_an_operator_left_out_and_a_size_too_large_are_refused() -> None:
    with pytest.raises(InvalidCandidate, match="operator 'exp' is not allowed in this space at position 1"):
        Activation(operators=["add", "tanh"]).decode("exp(x)")
    with pytest.raises(InvalidCandidate, match=r"has 5 operators and leaves, and this space at most 3; set most=5"):
        Activation(most=3).decode("x + x + x")
    with pytest.raises(InvalidCandidate, match="an expression is a text such as 'x', not 3"):
        Activation().decode(3)
    for deep in ("(" * 5000 + "x" + ")" * 5000, "-" * 5000 + "x"):
        with pytest.raises(InvalidCandidate, match="nested more than 100 deep"):
            Activation().decode(deep)


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"operators": ["tan"]}, "unknown operator 'tan'; did you mean tanh"),
        ({"operators": ["sign"]}, "operator 'sign' has no derivative"),
        ({"operators": "tanh"}, "give a list of names"),
        ({"operators": []}, "allow at least one operator"),
        ({"most": 2}, "most=2: an expression needs room"),
        ({"constants": [float("nan")]}, "constant nan is not a finite number"),
    ],
)
def test_impossible_settings_are_refused(settings_: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidSpace, match=sentence):
        Activation(**settings_)  # type: ignore[arg-type]


def test_impossible_operators_are_refused() -> None:
    with pytest.raises(InvalidSpace, match="takes 3 arguments; operators take one or two"):
        Operator("three", lambda x, y, z: x + y + z)
    with pytest.raises(InvalidSpace, match="the name must be an identifier"):
        Operator("a b", np.tanh)
    with pytest.raises(InvalidSpace, match="defines no operator; write it as"):
        define("mish = x * tanh(softplus(x))")
    with pytest.raises(InvalidCandidate, match="unknown variable 'y' at position"):
        define("mish(x) = y * tanh(x)")
    with pytest.raises(InvalidSpace, match="no operator takes two arguments, and a Loss needs p and t"):
        Loss(operators=["exp"])


@pytest.mark.parametrize("space", [Activation(), Loss(), Optimizer()], ids=lambda space: space.kind)
def test_references_and_samples_are_points_of_their_space(space: Activation | Loss | Optimizer) -> None:
    rng = np.random.default_rng(0)
    found = space.references()
    assert len(found) >= 5
    for candidate in (*found.values(), *space.sample_many(50, rng)):
        assert space.decode(candidate.value) == candidate
        assert space.describe(candidate).startswith(f"{space.result} = ")
        assert space.picture(candidate).nodes["result"]["label"] == space.result
        assert space.costs(candidate)["operations"] >= 0
    assert type(space)(**space.settings()).settings() == space.settings()


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("x * sigmoid(x)", "f(x) = x · σ(x)"),
        ("square(square(x))", "f(x) = (x²)²"),
        ("square(x + 1) / x", "f(x) = (x + 1)² / x"),
        ("x - (x - 0.5)", "f(x) = x − (x − 0.5)"),
        ("log_abs(abs(x))", "f(x) = ln(abs(|x|))"),
        ("sqrt(x) * -2", "f(x) = √x · (−2)"),
        ("max(x + 0, x * 1) / (3 - 2)", "f(x) = x"),
        ("-(-x) * exp(1)", "f(x) = x · 2.718"),
        ("0 + 1 * (x - 0)", "f(x) = x"),
        ("x / (1 - 1)", "f(x) = x / 0"),
        ("tanh(x) + (x - x)", "f(x) = tanh(x)"),
    ],
)
def test_formulas(text: str, formula: str) -> None:
    space = Activation()
    assert space.describe(space.decode(text)) == formula
