"""Exported files stand alone and reproduce the values; so do the criterion and the optimizer that come with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl.errors import InvalidInput
from automl.spaces.expressions import ExpressionSpace, Operator, define
from search_spaces.algorithms.activation import Activation
from search_spaces.algorithms.loss import Loss
from search_spaces.algorithms.optimizer import Optimizer
from workers.algorithms.function_networks import Moments, _delta, softmax


def _names(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(source, "exported.py", "exec"), names)
    return names


@pytest.mark.parametrize("space", [Activation(), Loss(), Optimizer()], ids=lambda space: space.kind)
def test_exported_functions_reproduce_the_values(space: ExpressionSpace) -> None:
    rng = np.random.default_rng(3)
    for candidate in (*space.references().values(), *space.sample_many(100, rng)):
        arguments = [rng.uniform(-2, 2, 40) for _ in space.variables]
        with np.errstate(all="ignore"):
            wanted = space.compiled(candidate).value(*arguments)
            by_numpy = _names(space.exported(candidate))[space.function_name](*arguments)
        np.testing.assert_allclose(by_numpy, wanted, rtol=1e-9, atol=1e-12, err_msg=candidate.value)
        tensors = [torch.tensor(item) for item in arguments]
        by_torch = _names(space.exported(candidate, "torch"))[space.function_name](*tensors)
        np.testing.assert_allclose(by_torch.numpy(), wanted, rtol=1e-9, atol=1e-12, err_msg=candidate.value)


def test_an_exported_file_runs_alone(tmp_path: Path) -> None:
    space = Activation()
    source = space.exported(space.references()["gelu"])
    file = tmp_path / "found.py"
    file.write_text(source + "\nprint(float(activation(np.array([1.0]))[0]))\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", str(file)], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(0.8413447460685429, rel=1e-9)
    assert '"""f(x) = 0.5 · x · (1 + erf(0.7071 · x))' in source


def test_the_exported_criterion_has_the_gradient_of_the_evaluator() -> None:
    space = Loss()
    rng = np.random.default_rng(0)
    for name in ("cross-entropy", "squared error", "focal (2)"):
        candidate = space.references()[name]
        logits, classes = rng.normal(size=(6, 4)) * 3, rng.integers(4, size=6)
        tensor = torch.tensor(logits, requires_grad=True)
        _names(space.exported(candidate, "torch"))["criterion"](tensor, torch.tensor(classes)).backward()
        slope = space.behaviour(candidate).call
        wanted = _delta(softmax(logits), np.eye(4)[classes], slope) / 6
        assert tensor.grad is not None
        np.testing.assert_allclose(tensor.grad.numpy(), wanted, rtol=1e-5, atol=1e-7)
    exported = _names(space.exported(space.references()["cross-entropy"], "torch"))["criterion"]
    logits, classes = torch.randn(9, 5), torch.arange(9) % 5
    torch.testing.assert_close(exported(logits, classes), torch.nn.functional.cross_entropy(logits, classes))


@pytest.mark.parametrize(
    "text", ["0.1 * cosine * m / (sqrt_abs(v) + 1e-8)", "0.05 * linear * b + 0.01 * w", "0.1 * g / t"]
)
def test_the_exported_optimizer_takes_the_steps_of_the_evaluator(text: str) -> None:
    space = Optimizer()
    candidate, steps = space.decode(text), 12
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    optimizer = _names(space.exported(candidate, "torch"))["Found"]([weights], steps=steps)
    mine, moments = weights.detach().numpy().copy()[None], Moments((1, 3))
    call = space.behaviour(candidate).call
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        (weights**4).sum().backward()
        optimizer.step()
        moments.gradient[...] = 4 * mine**3
        moments.advance(step)
        ones = np.ones((1, 3))
        mine = mine - call(
            moments.gradient, moments.buffer, moments.mean, moments.square, mine, step * ones,
            (1 - (step - 1) / steps) * ones, 0.5 * (1 + np.cos(np.pi * (step - 1) / steps)) * ones,
        )  # fmt: skip
        np.testing.assert_allclose(weights.detach().numpy(), mine[0], rtol=1e-4, atol=1e-5)


class _Own(Activation):
    own_operators = (
        define("mish(x) = x * tanh(softplus(x))"),
        Operator(
            "bump", lambda x: 1 / (1 + x * x), lambda x: -2 * x / np.square(1 + x * x), numpy="1 / (1 + {0} * {0})"
        ),
    )


def test_own_operators_are_exported_as_far_as_they_have_source() -> None:
    space = _Own()
    defined = space.decode("mish(2 * x)")
    x = np.linspace(-3, 3, 30)
    wanted = torch.nn.functional.mish(torch.tensor(2 * x)).numpy()
    np.testing.assert_allclose(_names(space.exported(defined))["activation"](x), wanted, rtol=1e-9)
    np.testing.assert_allclose(
        _names(space.exported(defined, "torch"))["activation"](torch.tensor(x)).numpy(), wanted, rtol=1e-9
    )
    raw = space.decode("bump(x)")
    np.testing.assert_allclose(_names(space.exported(raw))["activation"](x), 1 / (1 + x * x))
    with pytest.raises(InvalidInput, match="operator 'bump' has no torch source, so the function cannot be exported"):
        space.exported(raw, "torch")
    with pytest.raises(InvalidInput, match="framework 'jax' is unknown; it is 'numpy' or 'torch'"):
        space.exported(raw, "jax")  # type: ignore[arg-type]
