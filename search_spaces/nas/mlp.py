"""Multilayer perceptrons, residual or not: for whatever is a row of numbers, and for small images as such a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Behaviour, Module, Probe
from automl.spaces.fields import Choice, Integer
from automl.spaces.orders import Ordinal
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.trained import TrainedNetwork

if TYPE_CHECKING:
    from torch import nn

WIDTHS = (16, 32, 64, 128, 256)


class MLP(TrainedNetwork):
    """Space of multilayer perceptrons: a linear layer, up to six blocks of one width, a linear layer.

    A block is norm, linear layer, activation and dropout, and may be residual. Without blocks the network is one linear
    layer, whatever the other fields say: such candidates are one function.

    Args:
        features: Numbers of an input; images are flattened. A search takes it from the task unless it is given.
        outputs: Classes, labels or values; likewise.
        recipe: Whether learning rate and weight decay are fields.

    Raises:
        InvalidSpace: a number is below 1.

    Example:
        >>> import numpy as np
        >>> space = MLP(features=13, outputs=3)
        >>> space.size()
        37800
        >>> sorted(space.training(space.sample(np.random.default_rng(0))))
        ['learning_rate', 'weight_decay']
    """

    equal_shares = (0.10, 0.00)

    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "digits", "epochs": 15, "optimizer": "adamw"},
        trials=100,
    )

    depth = Integer(0, 6)
    width = Ordinal(*WIDTHS)
    activation = Choice("relu", "gelu", "silu", "tanh")
    norm = Choice("none", "batch", "layer")
    residual = Choice(False, True)
    dropout = Ordinal(0.0, 0.1, 0.2, 0.3, 0.5)

    def __init__(self, features: int = 64, outputs: int = 10, recipe: bool = True) -> None:
        super().__init__(recipe, features=features, outputs=outputs)
        self._features, self._outputs = features, outputs

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return {"features": math.prod(inputs[0].shape), "outputs": outputs} if len(inputs) == 1 else {}

    def build(self, c: Candidate) -> nn.Module:
        return self._network(c, c.width)

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network; hashed at widths from 4 up."""
        return Module(
            build=lambda: self.build(candidate),
            probe=Probe((Array((self._features,)),)),
            reduced=lambda: self._network(candidate, 4 + WIDTHS.index(candidate.width)),
            frame={"widths": list(WIDTHS)},
        )

    def _network(self, c: Candidate, width: int) -> nn.Module:
        from torch import nn

        from search_spaces.nas.mlp_layers import Block

        if c.depth == 0:
            return nn.Sequential(nn.Flatten(), nn.Linear(self._features, self._outputs))
        blocks = [Block(width, c.activation, c.norm, c.dropout, c.residual) for _ in range(c.depth)]
        return nn.Sequential(nn.Flatten(), nn.Linear(self._features, width), *blocks, nn.Linear(width, self._outputs))

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates, in closed form."""
        features, outputs = self._features, self._outputs
        if candidate.depth == 0:
            return {"parameters": float((features + 1) * outputs), "macs": float(features * outputs)}
        width, depth = candidate.width, candidate.depth
        norms = 0 if candidate.norm == "none" else 2 * width
        return {
            "parameters": float((features + 1) * width + depth * ((width + 1) * width + norms) + (width + 1) * outputs),
            "macs": float(features * width + depth * width * width + width * outputs),
        }

    def describe(self, candidate: Candidate) -> str:
        if candidate.depth == 0:
            return "linear"
        kind = "residual" if candidate.residual else "plain"
        return (
            f"{candidate.depth} {kind} x {candidate.width}, {candidate.activation}, norm {candidate.norm}, "
            f"dropout {candidate.dropout}"
        )
