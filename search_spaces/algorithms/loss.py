"""The space of loss functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from automl.spaces.expressions import ExpressionSpace
from automl.spaces.expressions.running import Compiled
from automl.spaces.expressions.source import Framework
from automl.spaces.space import Candidate, Defaults

NAMED = {
    "cross-entropy": "-(t * log(p))",
    "squared error": "square(p - t)",
    "absolute error": "abs(p - t)",
    "focal (2)": "-(t * square(1 - p) * log(p))",
    "binary cross-entropy": "-(t * log(p) + (1 - t) * log(1.000001 - p))",
}

SMALLEST = 1e-6
"""Probabilities are kept at or above it, so that logarithms are finite."""


def _probability(p: Any) -> Any:
    """Maps every number into [SMALLEST, 1] and leaves that range as it is."""
    return np.fmax(np.where((p >= 0.0) & (p <= 1.0), p, 1.0 / (1.0 + np.abs(p))), SMALLEST)


def _class(t: Any) -> Any:
    """Maps every number to 0 or 1 and leaves these as they are."""
    return (t > 0.5).astype(t.dtype)


@dataclass(eq=False)
class Loss(ExpressionSpace):
    """Space of loss functions f(p, t) of a probability and a target (0 or 1), rated by the accuracy reached with them.

    The loss of an example is the sum of f over the classes. Training uses the derivative with respect to p only, so the
    functional hash is computed from this derivative: losses that differ by a function of the target get one key. After
    Gonzalez and Miikkulainen 2020 (arXiv 1905.11528).

    Example:
        >>> space = Loss()
        >>> space.describe(space.decode("(p - t) * (p - t)"))
        'f(p, t) = (p − t) · (p − t)'
    """

    equal_shares = (0.29, 0.37)

    defaults = Defaults(
        evaluator="loss",
        strategy="regularized_evolution",
        strategy_settings={"population": 50, "tournament": 10},
        objective="accuracy",
        trials=600,
    )
    variables: ClassVar[tuple[str, ...]] = ("p", "t")
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("p",), ("t",))
    towards: ClassVar[str | None] = "p"
    domain: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"p": _probability, "t": _class}
    result: ClassVar[str] = "f(p, t)"
    function_name: ClassVar[str] = "loss"
    usual: ClassVar[tuple[str, ...] | None] = (
        "add", "sub", "mul", "div", "neg", "max", "min", "abs", "square", "cube", "sqrt", "exp", "log",
        "sin", "tanh", "sigmoid", "softplus", "relu",
    )  # fmt: skip

    constants: Sequence[float] = (-1.0, 0.1, 0.5, 1.0, 2.0, 3.0)
    most: int = 15

    def outputs(self, compiled: Compiled) -> Callable[..., Any]:
        return _Slope(compiled)

    def usage(self, framework: Framework) -> str:
        return _CRITERION if framework == "torch" else ""

    def references(self) -> dict[str, Candidate]:
        return self.readable(NAMED)


_CRITERION = f'''

def criterion(logits, classes):
    """The mean loss of a batch: logits of shape (examples, classes), right classes of shape (examples,)."""
    p = torch.softmax(logits, dim=1)
    p = p + (p.clamp(min={SMALLEST!r}) - p).detach()
    t = torch.nn.functional.one_hot(classes, logits.shape[1]).to(logits.dtype)
    return loss(p, t).sum(dim=1).mean()
'''


@dataclass(frozen=True, slots=True)
class _Slope:
    """Gives the derivative alone."""

    compiled: Compiled

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled.value_and_derivative(*arguments)[1]
