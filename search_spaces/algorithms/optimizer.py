"""The space of update rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from automl.spaces.expressions import Call, Constant, ExpressionSpace, variation
from automl.spaces.expressions.source import Framework
from automl.spaces.expressions.space import LARGEST
from automl.spaces.expressions.text import write
from automl.spaces.expressions.tree import size
from automl.spaces.space import Candidate, Defaults

RATES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Learning rates at which the references are tried, as the constants of the space."""

NAMED = {
    "sgd": "{rate} * cosine * g",
    "momentum": "{rate} * cosine * b",
    "adam": "{rate} * cosine * m / (sqrt_abs(v) + 1e-8)",
    "rmsprop": "{rate} * cosine * g / (sqrt_abs(v) + 1e-8)",
    "sign of momentum": "{rate} * cosine * sign(b)",
}


_OPTIMIZER = '''

class Found(torch.optim.Optimizer):
    """Give it all steps of the training beforehand: the decays `linear` and `cosine` end there."""

    def __init__(self, params, steps):
        super().__init__(params, {"steps": steps})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    self._move(w, group["steps"])
        return loss

    def _move(self, w, steps):
        state, g = self.state[w], w.grad
        if not state:
            state.update(t=0, b=torch.zeros_like(w), v=torch.zeros_like(w))
        state["t"] += 1
        t, b, v = state["t"], state["b"], state["v"]
        b.mul_(0.9).add_(g)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        m, v = b * (0.1 / (1 - 0.9**t)), v / (1 - 0.999**t)
        linear = torch.full_like(w, 1 - (t - 1) / steps)
        cosine = 0.5 * (1 + torch.cos(torch.pi * (1 - linear)))
        w.sub_(update(g, b, m, v, w, torch.full_like(w, t), linear, cosine))
'''


def _share(x: Any) -> Any:
    """Maps every number into [0, 1] and leaves that range as it is."""
    size = np.abs(x)
    return np.fmax(np.where(size <= 1.0, size, 1.0 / np.maximum(size, 1.0)), 0.0)


def _square(v: Any) -> Any:
    """Maps every number to one that is not negative and leaves such numbers as they are."""
    return np.fmin(np.abs(v), LARGEST)


def _count(t: Any) -> Any:
    """Maps every number to at least 1 and leaves such numbers as they are."""
    return np.fmin(np.fmax(np.abs(t), 1.0), LARGEST)


@dataclass(eq=False)
class Optimizer(ExpressionSpace):
    """Space of update rules (what is subtracted from a weight), rated by the accuracy that networks reach with them.

    A candidate is the text of an expression in these variables, one value for each weight: `g`, the gradient; `b`, the
    momentum buffer (b ← 0.9 b + g); `m` and `v`, the bias-corrected moving averages of g (decay rate 0.9) and of g²
    (decay rate 0.999); `w`, the weight; `t`, the number of the step, from 1; `linear` and `cosine`, schedules that fall
    from 1 towards 0 during training. No learning rate is applied outside the expression. The functional hash is
    computed from values in the ranges that these variables have in training, so that |v| and v get one key. After Bello
    et al. 2017 (arXiv 1709.07417).

    Example:
        >>> space = Optimizer()
        >>> space.describe(space.decode("0.01 * g"))
        'Δw = 0.01 · g'
    """

    equal_shares = (0.00, 0.09)

    defaults = Defaults(
        evaluator="optimizer",
        strategy="regularized_evolution",
        strategy_settings={"population": 50, "tournament": 10},
        objective="accuracy",
        trials=400,
    )
    variables: ClassVar[tuple[str, ...]] = ("g", "b", "m", "v", "w", "t", "linear", "cosine")
    leaves: ClassVar[tuple[str, ...]] = (*("g", "b", "m") * 3, "v", "v", "w", "t", "linear", "cosine")
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("g", "b", "m"),)
    domain: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "v": _square,
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

    def sample(self, rng: np.random.Generator) -> Candidate:
        """Draws a learning rate times a rule: steps of size one teach nothing. Mutation may remove or change it."""
        rate = Constant(RATES[int(rng.integers(len(RATES)))])
        rule = variation.sample(replace(self.grammar, most=max(3, self.most - 2)), rng)
        tree = Call("mul", (rate, rule))
        return Candidate(write(tree if "mul" in self.in_use and size(tree) <= self.most else rule))

    def usage(self, framework: Framework) -> str:
        return _OPTIMIZER if framework == "torch" else ""

    def references(self) -> dict[str, Candidate]:
        return self.readable(
            {f"{name} {rate}": text.format(rate=rate) for name, text in NAMED.items() for rate in RATES}
        )
