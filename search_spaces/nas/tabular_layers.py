"""Torch modules of networks for tables, after Gorishniy et al. 2021."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from search_spaces.nas.transformer_layers import Attention, Layer


class Added(nn.Sequential):
    """Modules one after another, whose result is added to their input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


class Features(nn.Module):
    """Rows of numbers (batch, features) to a vector for each, and one of its own behind them: (batch, features + 1,
    width).
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.scale, self.shift = (nn.Parameter(torch.empty(features, width)) for _ in range(2))
        self.answer = nn.Parameter(torch.empty(width))
        for one in self.parameters():
            nn.init.uniform_(one, -(width**-0.5), width**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = x[..., None] * self.scale + self.shift
        return torch.cat((found, self.answer.expand(x.shape[0], 1, -1)), 1)


class Answer(nn.Module):
    """The last of the vectors."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, -1]


def dropped(rate: float) -> list[nn.Module]:
    """Returns a dropout, or nothing for a rate of 0."""
    return [nn.Dropout(rate)] if rate else []


def residual(model: Any, features: int, outputs: int, width: int) -> nn.Module:
    """Returns a residual perceptron with the choices of `tabular.ResidualMLP`."""
    inner = model.ratio * width
    blocks = [
        Added(
            nn.BatchNorm1d(width),
            nn.Linear(width, inner),
            nn.ReLU(),
            *dropped(model.inner_dropout),
            nn.Linear(inner, width),
            *dropped(model.dropout),
        )
        for _ in range(model.depth)
    ]
    return nn.Sequential(
        nn.Linear(features, width), *blocks, nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, outputs)
    )


def transformer(model: Any, features: int, outputs: int, width: int, head: int) -> nn.Module:
    """Returns an FT-Transformer with the choices of `tabular.FTTransformer`."""
    layers = [
        Layer(width, Attention(width, model.heads, head), model.ratio * width, model.activation, model.dropout)
        for _ in range(model.depth)
    ]
    return nn.Sequential(
        Features(features, width), *layers, Answer(), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, outputs)
    )
