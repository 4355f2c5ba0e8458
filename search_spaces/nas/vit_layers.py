"""Torch modules at both ends of a vision transformer."""

from __future__ import annotations

import torch
from torch import nn


class Patches(nn.Module):
    """Images (batch, channels, height, width) to the patches' vectors (batch, places, width)."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(x).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]


class Mean(nn.Module):
    """Mean over all places."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1)
