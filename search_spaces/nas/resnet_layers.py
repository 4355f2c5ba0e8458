"""Torch modules of residual networks (He et al., CVPR 2016): basic and bottleneck blocks."""

from __future__ import annotations

import torch
from torch import nn


def convolution(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Returns a convolution without bias that keeps the size but for its stride, and its batch norm."""
    made = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [made, nn.BatchNorm2d(after)]


class Residual(nn.Module):
    """Residual block; a 1x1 convolution brings its input to another shape where it must.

    Args:
        before: channels of the input.
        after: channels of the output.
        kernel: of the convolutions that look around.
        stride: of the first of them.
        inner: channels in the middle of a bottleneck; 0 makes a basic block.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int, inner: int) -> None:
        super().__init__()
        if inner:
            parts = [*convolution(before, inner, 1), nn.ReLU(), *convolution(inner, inner, kernel, stride), nn.ReLU()]
            self.branch = nn.Sequential(*parts, *convolution(inner, after, 1))
        else:
            parts = [*convolution(before, after, kernel, stride), nn.ReLU()]
            self.branch = nn.Sequential(*parts, *convolution(after, after, kernel))
        same = stride == 1 and before == after
        self.shortcut = nn.Identity() if same else nn.Sequential(*convolution(before, after, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.shortcut(x) + self.branch(x)).relu()  # type: ignore[no-any-return]
