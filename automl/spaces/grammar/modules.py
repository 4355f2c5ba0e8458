"""Torch modules of the compositions; imported only where a module is built."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


class Sum(nn.Module):
    """Sum of what several modules make of one input.

    Example:
        >>> Sum([nn.Identity(), nn.Identity()])(torch.ones(2))
        tensor([2., 2.])
    """

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.parts[0](x)
        for part in self.parts[1:]:
            total = total + part(x)
        return total
