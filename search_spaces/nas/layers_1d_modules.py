"""Torch modules of chains of layers for sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

_MODULES: dict[str, Callable[[int], nn.Module]] = {
    "identity": lambda _: nn.Identity(),
    "conv": lambda channels: nn.Conv1d(channels, channels, 3, padding=1, bias=False),
    "dilated_conv": lambda channels: nn.Conv1d(channels, channels, 3, padding=2, dilation=2, bias=False),
    "norm": nn.BatchNorm1d,
    "relu": lambda _: nn.ReLU(),
    "tanh": lambda _: nn.Tanh(),
    "max_pool": lambda _: nn.MaxPool1d(3, stride=2, padding=1),
    "average_pool": lambda _: nn.AvgPool1d(3, stride=2, padding=1, count_include_pad=False),
}


def network(layers: Sequence[str], channels: int, classes: int) -> nn.Module:
    """Returns the network of a chain: (batch, positions) sequences to (batch, classes) logits."""
    return nn.Sequential(
        nn.Unflatten(1, (1, -1)),
        nn.Conv1d(1, channels, 1),
        *(_MODULES[name](channels) for name in layers),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )
