"""Networks for tables: residual perceptrons and transformers over features.

Source: Gorishniy et al., NeurIPS 2021, *Revisiting deep learning models for tabular data* (arXiv 2106.11959): its
ResNet and its FT-Transformer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Behaviour, Module, Probe
from automl.spaces.fields import Choice, Integer
from automl.spaces.orders import Ordinal
from automl.spaces.space import Candidate, Defaults, Space
from search_spaces.nas.trained import TrainedNetwork
from search_spaces.nas.transformer_costs import layer_costs

if TYPE_CHECKING:
    from torch import nn

HEAD = 8


class ResidualMLP(Space):
    """Blocks of batch norm, linear layer, ReLU, dropout, linear layer, dropout, each added to its input.

    Example:
        >>> ResidualMLP().size()
        576
    """

    depth = Integer(1, 6)
    width = Ordinal(32, 64, 128, 256)
    ratio = Ordinal(1, 2)
    inner_dropout = Ordinal(0.0, 0.1, 0.2, 0.4)
    dropout = Ordinal(0.0, 0.1, 0.2)


class FTTransformer(Space):
    """A vector for each feature, attention among them, and a vector of its own from which the answer is read.

    Example:
        >>> FTTransformer().size()
        324
    """

    depth = Integer(1, 3)
    width = Ordinal(16, 32, 48)
    heads = Ordinal(1, 2, 4)
    ratio = Ordinal(1, 2)
    activation = Choice("relu", "reglu")
    dropout = Ordinal(0.0, 0.1, 0.2)


class Tabular(TrainedNetwork):
    """Space of networks for rows of numbers: a residual perceptron or an FT-Transformer, each with its own choices.

    Categories are numbers by then: `automl.data.from_frame` makes an input of each value.

    Args:
        features: Numbers of a row. A search takes it from the task unless it is given.
        outputs: Classes, labels or values; likewise.
        recipe: Whether learning rate and weight decay are fields.

    Raises:
        InvalidSpace: a number is below 1.

    Example:
        >>> space = Tabular(features=13, outputs=3, recipe=False)
        >>> small = {"kind": "FTTransformer", "depth": 1, "width": 16, "heads": 2, "ratio": 1}
        >>> found = space.decode({"model": {**small, "activation": "reglu", "dropout": 0.1}})
        >>> space.size(), space.costs(found)["parameters"]
        (900, 2483.0)
    """

    equal_shares = (0.00, 0.00)
    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "breast-cancer", "epochs": 20, "optimizer": "adamw"},
        trials=60,
    )

    model = Choice(ResidualMLP(), FTTransformer())

    def __init__(self, features: int = 30, outputs: int = 2, recipe: bool = True) -> None:
        super().__init__(recipe, features=features, outputs=outputs)
        self._features, self._outputs = features, outputs

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return {"features": math.prod(inputs[0].shape), "outputs": outputs} if len(inputs) == 1 else {}

    def build(self, c: Candidate) -> nn.Module:
        return self._network(c.model, c.model.width, HEAD)

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network; hashed at a sixteenth of its width, with heads of two channels."""
        model = candidate.model
        return Module(
            build=lambda: self.build(candidate),
            probe=Probe((Array((self._features,)),)),
            reduced=lambda: self._network(model, 2 + model.width // 16, 2),
            frame={"head": HEAD},
        )

    def _network(self, model: Candidate, width: int, head: int) -> nn.Module:
        from search_spaces.nas import tabular_layers as parts

        if model.kind == "FTTransformer":
            return parts.transformer(model, self._features, self._outputs, width, head)
        return parts.residual(model, self._features, self._outputs, width)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates, in closed form."""
        model, features, outputs = candidate.model, self._features, self._outputs
        width = model.width
        inner = model.ratio * width
        if model.kind == "FTTransformer":
            own, work = layer_costs(width, model.heads, HEAD, inner, features + 1, gated=model.activation == "reglu")
            parameters = 2 * features * width + width + model.depth * own + 2 * width + (width + 1) * outputs
            return {"parameters": float(parameters), "macs": float(model.depth * work + width * outputs)}
        matrices = features * width + model.depth * 2 * width * inner + width * outputs
        biases = width + model.depth * (inner + width) + outputs
        return {
            "parameters": float(matrices + biases + 2 * width * (model.depth + 1)),
            "macs": float(matrices),
        }

    def describe(self, candidate: Candidate) -> str:
        model = candidate.model
        rest = {name: value for name, value in model.value.items() if name not in ("kind", "depth", "width")}
        text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in rest.items())
        return f"{model.kind} {model.depth} x {model.width}, {text}"
