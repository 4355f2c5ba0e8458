"""The space of activation functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from automl.spaces.expressions import ExpressionSpace
from automl.spaces.space import Candidate, Defaults

NAMED = {
    "relu": "max(x, 0)",
    "leaky relu": "max(x, 0.01 * x)",
    "silu": "x * sigmoid(x)",
    "gelu": "0.5 * x * (1 + erf(0.7071067811865476 * x))",
    "tanh": "tanh(x)",
    "softplus": "log(1 + exp(x))",
}


@dataclass(eq=False)
class Activation(ExpressionSpace):
    """Space of activation functions f(x), to be rated by the accuracy of small networks trained with them.

    A candidate is the text of an expression in x, such as "x * sigmoid(x)"; `decode` brings it into normal form and
    refuses what it cannot read with InvalidCandidate. The settings `operators`, `constants` and `most` bound the
    expressions (see `ExpressionSpace`). The functional hash is computed from f and its derivative, since training uses
    both. The default evaluator is `workers.algorithms.functions.ActivationTraining`. `references()` returns known
    functions by name, with which results are compared. After Ramachandran et al. 2017 (arXiv 1710.05941).

    Example:
        >>> space = Activation()
        >>> space.decode("x*sigmoid( x )").value
        'x * sigmoid(x)'
        >>> sorted(space.references())[:3]
        ['gelu', 'leaky relu', 'relu']
    """

    equal_shares = (0.01, 0.10)

    defaults = Defaults(
        evaluator="activation",
        strategy="regularized_evolution",
        strategy_settings={"population": 50, "tournament": 10},
        objective="accuracy",
        trials=400,
    )
    towards: ClassVar[str | None] = "x"
    function_name: ClassVar[str] = "activation"

    constants: Sequence[float] = (-1.0, 0.01, 0.1, 0.5, 1.0, 2.0)

    def references(self) -> dict[str, Candidate]:
        return self.readable(NAMED)
