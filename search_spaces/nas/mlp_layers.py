"""Torch modules of perceptrons."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class Block(nn.Module):
    """Norm, linear layer, activation, dropout; added to its input where it is residual."""

    def __init__(self, width: int, activation: str, norm: str, dropout: float, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.branch = nn.Sequential(
            *([NORMS[norm](width)] if norm != "none" else []),
            nn.Linear(width, width),
            ACTIVATIONS[activation](),
            *([nn.Dropout(dropout)] if dropout else []),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.branch(x) if self.residual else self.branch(x)  # type: ignore[no-any-return]
