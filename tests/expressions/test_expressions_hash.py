"""Which functions are one under the key, and which are not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from automl.hashing import Hasher
from automl.spaces.expressions import Call, Constant, ExpressionSpace, Tree
from automl.spaces.expressions.text import write
from search_spaces.algorithms.activation import Activation
from search_spaces.algorithms.loss import Loss
from search_spaces.algorithms.optimizer import Optimizer
from workers.algorithms.functions import ActivationTraining


def _keys(space: ExpressionSpace, *texts: str) -> list[bytes]:
    candidates = [space.decode(text) for text in texts]
    found = Hasher(ActivationTraining().probe()).hash_many([(space.behaviour(c), {}) for c in candidates])
    assert not any(item.fallback for item in found)
    return [item.key for item in found]


EQUAL = {
    Activation: [
        ("relu(x)", "max(x, 0)", "max(0, x)", "0.5 * (x + abs(x))", "x - min(x, 0)"),
        ("x * sigmoid(x)", "sigmoid(x) * x", "x * sigmoid(-(-x))", "sigmoid(x + x - x) * x"),
        ("tanh(x)", "2 * sigmoid(2 * x) - 1", "-tanh(-x)"),
        ("x + 0 * sin(x)", "x", "x + (1 - 1)", "-(-x)"),
        ("square(x) * x", "cube(x)", "x * x * x"),
        ("abs(x)", "max(x, -x)", "abs(-x)"),
    ],
    Loss: [
        ("-(t * log(p))", "log(p) * -t", "-(t * log(p)) + square(t)", "-(square(t) * log(p))"),
        ("square(p - t)", "square(t - p)", "p * p - 2 * p * t", "abs(p - t) * abs(t - p)"),
        ("log(p) * t - p", "log(p) * cube(t) - p + tanh(t)"),
    ],
    Optimizer: [
        ("0.1 * b", "b * 0.1", "b / 10"),
        ("m / (sqrt_abs(v) + 1e-8)", "m / (1e-8 + sqrt_abs(abs(v)))"),
        ("0.1 * cosine * g", "g * abs(cosine) * 0.1", "0.1 * min(cosine, 1) * g"),
        ("max(t, 1) * g", "t * g"),
    ],
}

DIFFERENT = {
    Activation: [
        ("relu(x)", "x", "abs(x)", "-relu(x)", "softplus(x)", "max(x, 0.01 * x)", "max(x, 0.1 * x)"),
        ("x * sigmoid(x)", "x * sigmoid(1.02 * x)", "-x * sigmoid(x)", "cube(x)", "cube(x) + sin(x)"),
        ("sin(x)", "sin(x) + 1", "cos(x)", "2 * sin(x)"),
    ],
    Loss: [
        ("-(t * log(p))", "t * log(p)", "-log(p)", "-(t * log(p)) * (1 - p)", "-2 * t * log(p)", "-(t * log(p)) + p"),
        ("square(p - t)", "abs(p - t)", "cube(p - t)"),
    ],
    Optimizer: [
        (
            "0.1 * g",
            "-0.1 * g",
            "0.1 * b",
            "0.1 * m",
            "0.01 * g",
            "0.1 * sign(g)",
            "0.1 * linear * g",
            "0.1 * cosine * g",
        ),
        ("m / (sqrt_abs(v) + 1e-8)", "g / (sqrt_abs(v) + 1e-8)", "m / (sqrt_abs(v) + 0.001)", "m / (v + 1e-8)"),
    ],
}


def _cases(table: dict[type, list[tuple[str, ...]]]) -> list[tuple[type, tuple[str, ...]]]:
    return [(space, texts) for space, rows in table.items() for texts in rows]


@pytest.mark.parametrize(("space", "texts"), _cases(EQUAL))
def test_one_function_has_one_key_however_it_is_written(space: type[ExpressionSpace], texts: tuple[str, ...]) -> None:
    keys = _keys(space(), *texts)
    assert [text for text, key in zip(texts, keys, strict=True) if key != keys[0]] == []


@pytest.mark.parametrize(("space", "texts"), _cases(DIFFERENT))
def test_different_functions_have_different_keys(space: type[ExpressionSpace], texts: tuple[str, ...]) -> None:
    assert len(set(_keys(space(), *texts))) == len(texts)


@pytest.mark.parametrize("space", [Activation(), Loss(), Optimizer()], ids=lambda space: space.kind)
def test_domains_leave_alone_what_evaluators_give(space: ExpressionSpace) -> None:
    rng = np.random.default_rng(0)
    given = {
        "p": np.clip(rng.random(100), 1e-6, 1.0).astype(np.float32),
        "t": (rng.random(100) < 0.5).astype(np.float32),
        "v": np.square(rng.normal(size=100)).astype(np.float32),
        "linear": rng.random(100).astype(np.float32),
        "cosine": rng.random(100).astype(np.float32),
    }
    if isinstance(space, Optimizer):
        given["t"] = np.arange(1, 101, dtype=np.float32)
    for name, mapped in space.domain.items():
        found = mapped(given[name])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, given[name])
        outside = mapped(np.array([-7.0, -0.3, 0.0, 0.2, 5.0, np.inf, -np.inf, np.nan]))
        np.testing.assert_array_equal(mapped(outside), outside)


def test_random_expressions_are_hashed_by_what_they_compute() -> None:
    rng = np.random.default_rng(2)
    for space in (Activation(), Loss(), Optimizer()):
        candidates = space.sample_many(30, rng)
        found = Hasher().hash_many([(space.behaviour(c), {}) for c in candidates], [c.json for c in candidates])
        assert not any(item.fallback for item in found)
        roomy = dataclasses.replace(space, most=space.most + 6, operators=[*space.in_use])
        rewritten = [roomy.decode(f"0 * 2 - (-({c.value}))") for c in candidates]
        again = Hasher().hash_many([(roomy.behaviour(c), {}) for c in rewritten])
        assert [item.key for item in again] == [item.key for item in found]
        assert len({item.key for item in found}) > 15


def _rewritten(tree: Tree, rng: np.random.Generator) -> Tree:
    """The same function in another spelling: operands swapped, minima as maxima, powers as products, signs doubled."""
    if not isinstance(tree, Call):
        return Call("neg", (Call("neg", (tree,)),)) if rng.random() < 0.15 else tree
    name, parts = tree.operator, [_rewritten(part, rng) for part in tree.arguments]
    if name in ("add", "mul", "max", "min") and rng.random() < 0.5:
        parts.reverse()
    if rng.random() < 0.5:
        negative = [Call("neg", (part,)) for part in parts]
        others = {
            "sub": lambda: Call("add", (parts[0], negative[1])),
            "square": lambda: Call("mul", (parts[0], parts[0])),
            "cube": lambda: Call("mul", (parts[0], Call("square", (parts[0],)))),
            "relu": lambda: Call("max", (parts[0], Constant(0.0))),
            "min": lambda: Call("neg", (Call("max", tuple(negative)),)),
            "neg": lambda: Call("mul", (Constant(-1.0), parts[0])),
            "div": lambda: Call("neg", (Call("div", (negative[0], parts[1])),)),
        }
        if name in others:
            return others[name]()
    return Call(name, tuple(parts))


@pytest.mark.parametrize("space", [Activation(), Loss(), Optimizer()], ids=lambda space: space.kind)
def test_rewritten_expressions_keep_their_key(space: ExpressionSpace) -> None:
    """All but a few: where terms cancel at a probe point, or a sine of a large number is taken, rounding may show."""
    rng = np.random.default_rng(11)
    roomy = dataclasses.replace(space, most=200, operators=[*space.known] if space.towards is None else None)
    hasher, changed, split = Hasher(), 0, 0
    for candidate in space.sample_many(80, rng):
        tree = space.tree(candidate)
        other = roomy.decode(write(_rewritten(tree, rng)))
        changed += other != candidate
        found = hasher.hash_many([(space.behaviour(candidate), {}), (roomy.behaviour(other), {})])
        split += found[0].key != found[1].key
    assert changed > 50
    assert split <= 2
