"""Recurrent networks that predict the next token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Behaviour, Module, Probe
from automl.spaces.fields import Choice, Integer
from automl.spaces.orders import Ordinal
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.trained import TrainedNetwork, token_sizes

if TYPE_CHECKING:
    from torch import nn

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


class RNN(TrainedNetwork):
    """Space of recurrent networks for token sequences: cell, depth, widths, norm, skips, tying, dropout.

    Networks map (batch, places) tokens to (batch, places, tokens) logits, for `automl.NextToken`. Between the embedding
    and the output stand recurrent layers of one width and, where the embedding has another, a linear layer back to it.
    A skip adds a layer's input to its output where both are equally wide: with one layer between two widths there is
    none, and the candidate with and without is one function.

    Args:
        tokens: Number of different tokens. A search takes it from the task unless it is given.
        context: Number of places, for the multiply-accumulates; likewise.
        widths: Widths of embedding and layers to choose from.
        layers: Largest number of layers.
        recipe: Whether learning rate and weight decay are fields.

    Raises:
        InvalidSpace: a number is below 1.

    Example:
        >>> space = RNN(tokens=50, recipe=False)
        >>> one = {"cell": "gru", "depth": 1, "embedding": 32, "width": 32, "norm": False, "skip": False}
        >>> space.costs(space.decode({**one, "tied": True, "dropout": 0.0}))["parameters"]
        7986.0
    """

    equal_shares = (0.00, 0.03)
    defaults = Defaults(
        evaluator="next-token",
        evaluator_settings={"task": "descriptions", "epochs": 10},
        trials=40,
    )

    cell = Choice(*GATES)
    norm = Choice(False, True)
    skip = Choice(False, True)
    tied = Choice(False, True)
    dropout = Ordinal(0.0, 0.1, 0.2, 0.3)

    def __init__(
        self,
        tokens: int = 128,
        context: int = 64,
        widths: Sequence[int] = (32, 64, 96, 128),
        layers: int = 3,
        recipe: bool = True,
    ) -> None:
        super().__init__(recipe, tokens=tokens, context=context, layers=layers)
        self._tokens, self._context, self._widths = tokens, context, list(widths)
        self.depth = Integer(1, layers)
        self.embedding, self.width = (
            Ordinal(*self._widths) if len(self._widths) > 1 else Choice(*self._widths) for _ in range(2)
        )

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "widths": self._widths}

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return token_sizes(inputs, outputs)

    def build(self, c: Candidate) -> nn.Module:
        return self._network(c, c.embedding, c.width)

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network; hashed at widths from 3 up, on up to four places."""
        embedding, width = (3 + self._widths.index(size) for size in (candidate.embedding, candidate.width))
        return Module(
            build=lambda: self.build(candidate),
            probe=Probe((Array((min(4, self._context),), low=0, high=self._tokens - 1),)),
            reduced=lambda: self._network(candidate, embedding, width),
            frame={"widths": self._widths, "context": self._context},
        )

    def _network(self, c: Candidate, embedding: int, width: int) -> nn.Module:
        from search_spaces.nas.token_layers import LanguageModel, Recurrent

        body = Recurrent(c.cell, embedding, width, c.depth, c.norm, c.dropout, c.skip)
        return LanguageModel(self._tokens, embedding, body, c.tied)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates for a whole context, in closed form."""
        c, tokens = candidate, self._tokens
        parameters = tokens * c.embedding * (1 if c.tied else 2) + tokens
        work = c.embedding * tokens
        for before in [c.embedding] + [c.width] * (c.depth - 1):
            matrices = GATES[c.cell] * c.width * (before + c.width)
            parameters += matrices + 2 * GATES[c.cell] * c.width + (2 * before if c.norm else 0)
            work += matrices
        if c.width != c.embedding:
            parameters += (c.width + 1) * c.embedding
            work += c.width * c.embedding
        return {"parameters": float(parameters), "macs": float(self._context * work)}

    def describe(self, candidate: Candidate) -> str:
        c = candidate
        more = [name for name in ("norm", "skip", "tied") if getattr(c, name)] + [f"dropout {c.dropout}"]
        return f"{c.depth} x {c.cell} of {c.width}, embedding {c.embedding}, {', '.join(more)}"
