"""Torch modules of HyTra's layers, for images and for sequences.

Source: Li et al., ICCV 2021 (arXiv 2103.12424), written from the method. A residual convolution and a residual
attention differ in the middle; both begin with a depthwise convolution that carries the stride, and whose zero padding
is the only information about position (Chu et al. 2021).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_CONVOLUTION: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d}
_NORM: dict[int, type[nn.Module]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
_POOL: dict[int, type[nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d}
_WHOLE: dict[int, type[nn.Module]] = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}


def convolution(dims: int, *args: int, **named: Any) -> nn.Module:
    """Returns a convolution over so many axes, without bias unless it is asked for."""
    return _CONVOLUTION[dims](*args, **{"bias": False, **named})


def norm(dims: int, channels: int, *, zero: bool = False) -> nn.Module:
    """Returns a batch norm over so many axes; with a scale of 0 at the start if `zero`."""
    made = _NORM[dims](channels)
    if zero:
        nn.init.zeros_(made.weight)  # type: ignore[arg-type]
    return made


class Stem(nn.Sequential):
    """Input to the finest scale: (batch, channels, …), or sequences as (batch, positions) of one channel."""

    def __init__(self, dims: int, channels: int, width: int, kernel: int, stride: int, pool: bool) -> None:
        self.grey = dims == 1 and channels == 1
        layers = [
            convolution(dims, channels, width, kernel, stride=stride, padding=kernel // 2),
            norm(dims, width),
            nn.ReLU(),
        ]
        if pool:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        super().__init__(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.grey and x.ndim == 2:
            x = x[:, None]
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


def shortcut(dims: int, before: int, after: int, stride: int) -> nn.Module:
    """Returns what carries a layer's input to its sum: the identity where the shapes agree."""
    if stride == 1 and before == after:
        return nn.Identity()
    pool = [_POOL[dims](stride, stride=stride, ceil_mode=True)] if stride > 1 else []
    return nn.Sequential(*pool, convolution(dims, before, after, 1), norm(dims, after))


def reduce(dims: int, before: int, inner: int, stride: int) -> nn.Module:
    """Returns the first part of a layer's branch: to the bottleneck, and to the layer's own scale."""
    depthwise = convolution(dims, inner, inner, 3, stride=stride, padding=1, groups=inner, bias=True)
    return nn.Sequential(convolution(dims, before, inner, 1), depthwise, norm(dims, inner), nn.ReLU())


def mix(dims: int, operation: str, inner: int, heads: int) -> nn.Module:
    """Returns the middle of a layer's branch: a convolution of 3, or attention over all positions."""
    middle = convolution(dims, inner, inner, 3, padding=1) if operation == "conv" else Attention(dims, inner, heads)
    return nn.Sequential(middle, norm(dims, inner), nn.ReLU())


def expand(dims: int, inner: int, after: int) -> nn.Module:
    """Returns the end of a layer's branch: out of the bottleneck, with a norm that lets nothing through at first."""
    return nn.Sequential(convolution(dims, inner, after, 1), norm(dims, after, zero=True))


class Attention(nn.Module):
    """Self-attention over all positions, from one 1x1 projection to queries, keys and values."""

    def __init__(self, dims: int, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = convolution(dims, channels, 3 * channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, values = self.weights(x)
        return (values @ weights.transpose(-1, -2)).reshape(x.shape)

    def weights(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the weights (batch, heads, queries, keys), which sum to 1 over keys, and the values
        (batch, heads, channels, keys).
        """
        batch, channels = x.shape[:2]
        parts = self.project(x).reshape(batch, 3, self.heads, channels // self.heads, -1)
        queries, keys, values = parts.unbind(1)
        scores = queries.transpose(-1, -2) @ keys / (channels // self.heads) ** 0.5
        return scores.softmax(-1), values


class Start(nn.Module):
    """Brings the stem's output to the scale at which the first layer works, with a quarter of that scale's channels."""

    def __init__(self, dims: int, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            convolution(dims, before, before, stride, stride=stride, groups=before),
            convolution(dims, before, after, 1),
            norm(dims, after),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)  # type: ignore[no-any-return]


def head(dims: int, channels: int, classes: int) -> nn.Module:
    """Returns the classifier: mean over all positions, then a linear layer."""
    return nn.Sequential(_WHOLE[dims](1), nn.Flatten(), nn.Linear(channels, classes))
