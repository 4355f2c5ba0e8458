"""Torch modules of networks that predict the next token."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class LanguageModel(nn.Module):
    """Tokens (batch, places) to logits (batch, places, tokens): embedding, a body that keeps its width, an output.

    Args:
        tokens: number of different tokens.
        width: channels of the body's input and output.
        body: what lies between.
        tied: whether the output has the embedding's matrix (Press and Wolf 2017).
    """

    def __init__(self, tokens: int, width: int, body: nn.Module, tied: bool) -> None:
        super().__init__()
        self.embedding, self.body = nn.Embedding(tokens, width), body
        self.output = nn.Linear(width, tokens)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.output(self.body(self.embedding(tokens)))  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """Recurrent layers one after another, each with a norm before it where asked for; then a projection to the input's
    width where they have another one.
    """

    def __init__(self, cell: str, before: int, width: int, layers: int, norm: bool, dropout: float, skip: bool) -> None:
        super().__init__()
        kind: Callable[..., nn.Module] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        sizes = [before] + [width] * (layers - 1)
        self.norms = nn.ModuleList(nn.LayerNorm(size) if norm else nn.Identity() for size in sizes)
        self.layers = nn.ModuleList(kind(size, width, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.project = nn.Linear(width, before) if width != before else nn.Identity()
        self.skip = skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for norm, layer in zip(self.norms, self.layers, strict=True):
            found = self.dropout(layer(norm(x))[0])
            x = x + found if self.skip and x.shape == found.shape else found
        return self.project(x)  # type: ignore[no-any-return]
