"""The space of update rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from automl.expressions import ExpressionSpace
from automl.space import Candidate, Defaults

RATES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Learning rates at which the references are tried, as the constants of the space."""

NAMED = {
    "sgd": "{rate} * cosine * g",
    "momentum": "{rate} * cosine * b",
    "adam": "{rate} * cosine * m / (sqrt_abs(v) + 1e-8)",
    "rmsprop": "{rate} * cosine * g / (sqrt_abs(v) + 1e-8)",
    "sign of momentum": "{rate} * cosine * sign(b)",
}


def _share(x: Any) -> Any:
    """Maps every number into [0, 1] and leaves that range as it is."""
    size = np.abs(x)
    return np.where(size <= 1.0, size, 1.0 / size)


def _count(t: Any) -> Any:
    """Maps every number to at least 1 and leaves such numbers as they are."""
    return np.maximum(np.abs(t), 1.0)


@dataclass(eq=False)
class Optimizer(ExpressionSpace):
    """Update rules: what is subtracted from a weight, by the accuracy of networks trained with them on two tasks.

    Arguments, for each weight: the gradient g; the momentum buffer b ← 0.9 b + g; the averages m of g and v of g² with
    decays 0.9 and 0.999, bias corrected; the weight w; the step t, from 1; the decays `linear` and `cosine`, from 1
    towards 0. The key covers the values in these ranges, so that |v| and v are one. After Bello et al. 2017
    (arXiv 1709.07417).
    """

    defaults = Defaults(
        evaluator="optimizer",
        strategy_settings={"population": 50, "tournament": 10},
        objective="accuracy",
        trials=300,
    )
    variables: ClassVar[tuple[str, ...]] = ("g", "b", "m", "v", "w", "t", "linear", "cosine")
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("g", "b", "m"),)
    domain: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "v": np.abs,
        "t": _count,
        "linear": _share,
        "cosine": _share,
    }
    result: ClassVar[str] = "Δw"
    function_name: ClassVar[str] = "update"
    usual: ClassVar[tuple[str, ...] | None] = (
        "add", "sub", "mul", "div", "neg", "max", "min", "abs", "square", "cube", "sqrt_abs", "exp", "log_abs",
        "tanh", "sign",
    )  # fmt: skip

    constants: Sequence[float] = (1e-8, 1e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0)
    most: int = 15

    def references(self) -> dict[str, Candidate]:
        return self.readable(
            {f"{name} {rate}": text.format(rate=rate) for name, text in NAMED.items() for rate in RATES}
        )
