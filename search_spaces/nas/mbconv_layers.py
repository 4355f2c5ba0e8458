"""Torch modules of inverted residual blocks."""

from __future__ import annotations

import torch
from torch import nn


def block(before: int, after: int, expansion: int, kernel: int, halve: bool) -> nn.Module:
    """Returns a block: the identity for an expansion of 0, or a 1x1 convolution with stride 2 where it must halve."""
    if expansion:
        return Inverted(before, after, expansion, kernel, halve)
    if not halve:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(before, after, 1, stride=2, bias=False), nn.BatchNorm2d(after))


class Inverted(nn.Module):
    """Inverted residual of MobileNetV2: expand, depthwise convolution, project; adds its input where shapes agree."""

    def __init__(self, before: int, after: int, expansion: int, kernel: int, halve: bool) -> None:
        super().__init__()
        inner = expansion * before
        self.adds = not halve and before == after
        self.branch = nn.Sequential(
            nn.Conv2d(before, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, inner, kernel, stride=2 if halve else 1, padding=kernel // 2, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.branch(x) if self.adds else self.branch(x)  # type: ignore[no-any-return]
