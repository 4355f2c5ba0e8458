"""Torch modules of NAS-Bench-201's operations and cells, with the benchmark's own semantics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from search_spaces.nas.nasbench201 import EDGES


class Zero(nn.Module):
    """The edge that carries nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


class ReluConvNorm(nn.Sequential):
    """ReLU, convolution without bias, batch norm with learned scale and shift; size is kept."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
        )


def edge_module(name: str, channels: int) -> nn.Module:
    """Returns the module of one edge; `name` is one of `nasbench201.OPERATIONS`."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "none": Zero,
        "skip_connect": nn.Identity,
        "nor_conv_1x1": lambda: ReluConvNorm(channels, 1),
        "nor_conv_3x3": lambda: ReluConvNorm(channels, 3),
        "avg_pool_3x3": lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
    }
    return makers[name]()


class Cell(nn.Module):
    """A cell: each of the nodes 1, 2, 3 sums what the edges into it carry; node 3 is the output."""

    def __init__(self, ops: Sequence[str], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(edge_module(name, channels) for name in ops)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes: dict[int, torch.Tensor] = {0: x}
        for (node, source), edge in zip(EDGES, self.edges, strict=True):
            value = edge(nodes[source])
            nodes[node] = nodes[node] + value if node in nodes else value
        return nodes[3]


def cell_module(ops: Sequence[str], channels: int) -> nn.Module:
    """Returns a freshly initialised cell: (batch, channels, height, width) to the same shape.

    Args:
        ops: six operations in the order of `nasbench201.EDGES`.
        channels: of input and output.
    """
    return Cell(ops, channels)
