"""Values and derivatives of expressions, against finite differences and against torch's automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from automl.spaces.expressions import BUILT_IN, Operator, define
from automl.spaces.expressions.running import Compiled
from automl.spaces.expressions.simplify import simplified
from automl.spaces.expressions.text import read
from automl.spaces.expressions.tree import size, variables
from search_spaces.algorithms.activation import Activation
from search_spaces.algorithms.loss import Loss

_X, _Y = np.array([0.3, 0.71, 1.4, 2.2, 3.1]), np.array([1.9, 0.2, 0.65, 2.7, 1.1])


@pytest.mark.parametrize(
    "operator", [item for item in BUILT_IN.values() if item.derivative], ids=lambda item: item.name
)
def test_derivatives_agree_with_finite_differences(operator: Operator) -> None:
    assert operator.derivative is not None
    signed = _X if operator.name in ("sqrt", "log") else np.array([1.0, -1.0, 1.0, -1.0, -1.0]) * _X
    points = (signed, _Y)[: operator.arity]
    found = operator.derivative(*points)
    for place, slope in enumerate(found if isinstance(found, tuple) else (found,)):
        step = np.zeros((operator.arity, len(_X)))
        step[place] = 1e-6
        up, down = (operator.value(*(p + way * s for p, s in zip(points, step, strict=True))) for way in (1, -1))
        np.testing.assert_allclose(np.broadcast_to(slope, _X.shape), (up - down) / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["abs", "relu", "max", "min"])
def test_at_a_kink_the_derivative_is_the_mean_of_both_sides(name: str) -> None:
    operator = BUILT_IN[name]
    assert operator.derivative is not None
    zero = np.zeros(1)
    found = operator.derivative(*(zero, zero)[: operator.arity])
    expected = {"abs": [0.0], "relu": [0.5], "max": [0.5, 0.5], "min": [0.5, 0.5]}[name]
    assert [float(item[0]) for item in (found if isinstance(found, tuple) else (found,))] == expected


@pytest.mark.parametrize("space", [Activation(), Loss()], ids=lambda space: space.kind)
def test_values_and_derivatives_of_random_expressions_agree_with_torch(space: Activation | Loss) -> None:
    rng = np.random.default_rng(1)
    compared = 0
    for candidate in space.sample_many(300, rng):
        arguments = [rng.uniform(0.05, 0.95, 50) for _ in space.variables]
        with np.errstate(all="ignore"):
            value, slope = space.compiled(candidate).value_and_derivative(*arguments)
        names: dict[str, object] = {}
        exec(space.exported(candidate, "torch"), names)
        tensors = [torch.tensor(item, requires_grad=True) for item in arguments]
        wanted = names[space.function_name](*tensors)  # type: ignore[operator]
        np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=1e-9, atol=1e-9, err_msg=candidate.value)
        assert space.towards is not None
        if not wanted.requires_grad:
            continue
        (gradient,) = torch.autograd.grad(
            wanted.sum(), tensors[space.variables.index(space.towards)], allow_unused=True
        )
        expected = np.zeros(50) if gradient is None else gradient.numpy()
        clear = np.isfinite(expected) & np.isfinite(slope) & (np.abs(slope) < 1e8)
        np.testing.assert_allclose(slope[clear], expected[clear], rtol=1e-6, atol=1e-6, err_msg=candidate.value)
        compared += clear.any()
    assert compared > 150


def test_single_precision_stays_single_and_constants_fill_the_shape() -> None:
    x = np.linspace(0.1, 2, 7, dtype=np.float32)
    for text in ("x * sigmoid(2) + exp(1)", "sin(3)", "max(x, 0.1 * x)", "relu(x) + softplus(x)", "-(0.5)"):
        for found in Compiled(read(text, BUILT_IN, ("x",)), BUILT_IN, ("x",), "x").value_and_derivative(x):
            assert found.dtype == np.float32
            assert found.shape == x.shape


def test_division_by_a_constant_zero_is_infinite_and_no_error() -> None:
    compiled = Compiled(read("x / 0 + 1 / (x * 0)", BUILT_IN, ("x",)), BUILT_IN, ("x",), "x")
    with np.errstate(all="ignore"):
        value, slope = compiled.value_and_derivative(_X)
    assert np.isinf(value).all()
    assert not np.isfinite(slope).any()


def test_equal_parts_run_once() -> None:
    calls = []

    def counted(x: np.ndarray) -> np.ndarray:
        calls.append(1)
        return np.tanh(x)

    operators = {**BUILT_IN, "counted": Operator("counted", counted)}
    tree = read("counted(x) * counted(x) + counted(counted(x))", operators, ("x",))
    Compiled(tree, operators, ("x",)).value(_X)
    assert len(calls) == 2
    assert size(tree) == 9
    assert variables(tree) == {"x"}


def test_simplified_expressions_have_the_same_values() -> None:
    space = Activation()
    shorter = 0
    for candidate in space.sample_many(500, np.random.default_rng(4)):
        tree = space.tree(candidate)
        short = simplified(tree, BUILT_IN)
        shorter += size(short) < size(tree)
        with np.errstate(all="ignore"):
            one, other = (Compiled(item, BUILT_IN, ("x",)).value(_X) for item in (tree, short))
        np.testing.assert_array_equal(one, other, err_msg=candidate.value)
    assert shorter > 50


def test_a_defined_operator_is_its_formula() -> None:
    mish = define("mish(x) = x * tanh(softplus(x))")
    operators = {**BUILT_IN, "mish": mish}
    short = Compiled(read("mish(2 * x)", operators, ("x",)), operators, ("x",), "x")
    long = Compiled(read("2 * x * tanh(softplus(2 * x))", BUILT_IN, ("x",)), BUILT_IN, ("x",), "x")
    for one, other in zip(short.value_and_derivative(_X), long.value_and_derivative(_X), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    blend = define("blend(a, b) = 0.25 * a + 0.75 * b")
    assert blend.arity == 2
    assert blend.derivative is not None
    assert [float(np.mean(item)) for item in blend.derivative(_X, _Y)] == [0.25, 0.75]
    assert define("step(x) = 0.5 * sign(x)").derivative is None
