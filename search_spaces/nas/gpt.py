"""Transformers that predict the next token (Radford et al. 2019), with the choices that later ones made differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Behaviour, Module, Probe
from automl.spaces.fields import Choice, Repeat
from automl.spaces.orders import Ordinal
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.trained import TrainedNetwork, token_sizes
from search_spaces.nas.transformer_costs import LayerChoices, layer_costs

if TYPE_CHECKING:
    from torch import nn

HEAD = 16


class GPT(TrainedNetwork):
    """Space of causal transformers for token sequences: width, positions, activation, tying, and for each layer its
    heads and ratio.

    Networks map (batch, places) tokens to (batch, places, tokens) logits, for `automl.NextToken`.

    Args:
        tokens: Number of different tokens. A search takes it from the task unless it is given.
        context: Largest number of places; likewise.
        widths: Widths to choose from.
        layers: Largest number of layers.
        recipe: Whether learning rate and weight decay are fields.

    Raises:
        InvalidSpace: a number is below 1.

    Example:
        >>> space = GPT(tokens=50, context=16, recipe=False)
        >>> layers = [{"heads": 1, "ratio": 2}]
        >>> one = {"width": 32, "positions": "rotary", "activation": "gelu", "tied": True, "dropout": 0.0}
        >>> space.costs(space.decode({**one, "layers": layers}))["parameters"]
        8162.0
    """

    equal_shares = (0.00, 0.00)
    defaults = Defaults(
        evaluator="next-token",
        evaluator_settings={"task": "descriptions", "epochs": 10},
        trials=40,
    )

    positions = Choice("learned", "rotary", "none")
    activation = Choice("gelu", "relu", "swiglu")
    tied = Choice(False, True)
    dropout = Ordinal(0.0, 0.1, 0.2)

    def __init__(
        self,
        tokens: int = 128,
        context: int = 64,
        widths: Sequence[int] = (32, 64, 96),
        layers: int = 4,
        recipe: bool = True,
    ) -> None:
        super().__init__(recipe, tokens=tokens, context=context, layers=layers)
        self._tokens, self._context, self._widths = tokens, context, list(widths)
        self.width = Ordinal(*self._widths) if len(self._widths) > 1 else Choice(*self._widths)
        self.layers = Repeat(LayerChoices(), 1, layers)

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "widths": self._widths}

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return token_sizes(inputs, outputs)

    def build(self, c: Candidate) -> nn.Module:
        return self._network(c, c.width, HEAD)

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network; hashed at widths from 4 up, with heads of two channels, on up to eight places."""
        places = min(8, self._context)
        return Module(
            build=lambda: self.build(candidate),
            probe=Probe((Array((places,), low=0, high=self._tokens - 1),)),
            reduced=lambda: self._network(candidate, 4 + self._widths.index(candidate.width), 2),
            frame={"widths": self._widths, "head": HEAD, "context": self._context},
        )

    def _network(self, c: Candidate, width: int, head: int) -> nn.Module:
        from torch import nn

        from search_spaces.nas.token_layers import LanguageModel
        from search_spaces.nas.transformer_layers import Attention, Layer, Positions

        rotary = c.positions == "rotary"
        layers: list[nn.Module] = [
            Layer(
                width,
                Attention(width, layer.heads, head, causal=True, rotary=rotary),
                layer.ratio * width,
                c.activation,
                c.dropout,
            )
            for layer in c.layers
        ]
        if c.positions == "learned":
            layers.insert(0, Positions(self._context, width))
        return LanguageModel(self._tokens, width, nn.Sequential(*layers, nn.LayerNorm(width)), c.tied)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates for a whole context, in closed form."""
        width, places, gated = candidate.width, self._context, candidate.activation == "swiglu"
        parameters = self._tokens * width * (1 if candidate.tied else 2) + self._tokens + 2 * width
        parameters += places * width if candidate.positions == "learned" else 0
        macs = places * width * self._tokens
        for layer in candidate.layers:
            own, work = layer_costs(width, layer.heads, HEAD, layer.ratio * width, places, gated=gated)
            parameters, macs = parameters + own, macs + work
        return {"parameters": float(parameters), "macs": float(macs)}

    def describe(self, candidate: Candidate) -> str:
        layers = ", ".join(f"heads {layer.heads} ratio {layer.ratio}" for layer in candidate.layers)
        tied = "tied" if candidate.tied else "untied"
        how = f"{candidate.positions} positions, {candidate.activation}, {tied}, dropout {candidate.dropout}"
        return f"width {candidate.width}, {how}: {layers}"
