"""Torch modules of NAS-Bench-201's operations and cells, with the benchmark's own semantics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from search_spaces.nas.nasbench201 import EDGES, OPERATIONS


class Zero(nn.Module):
    """The edge that carries nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


class ReluConvNorm(nn.Sequential):
    """ReLU, convolution without bias, batch norm with learned scale and shift; size is kept."""

    def __init__(self, channels: int, kernel: int, affine: bool = True) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )


def edge_module(name: str, channels: int, affine: bool = True) -> nn.Module:
    """Returns the module of one edge; `name` is one of `nasbench201.OPERATIONS`."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "none": Zero,
        "skip_connect": nn.Identity,
        "nor_conv_1x1": lambda: ReluConvNorm(channels, 1, affine),
        "nor_conv_3x3": lambda: ReluConvNorm(channels, 3, affine),
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


class RelaxedCell(nn.Module):
    """A cell each of whose edges carries the weighted sum of what all operations give."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # No scale in batch norms: it would hide the weight of its operation.
        self.edges = nn.ModuleList(
            nn.ModuleList(edge_module(name, channels, affine=False) for name in OPERATIONS) for _ in EDGES
        )

    def forward(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        nodes: dict[int, torch.Tensor] = {0: x}
        for (node, source), options, shares in zip(EDGES, self._options(), weights, strict=True):
            value = sum_of(options, shares, nodes[source])
            nodes[node] = nodes[node] + value if node in nodes else value
        return nodes[3]

    def _options(self) -> Iterator[Sequence[nn.Module]]:
        for edge in self.edges:
            assert isinstance(edge, nn.ModuleList)
            yield list(edge)


class RelaxedCells(nn.Module):
    """A network of relaxed cells with shared weights of operations, see `automl.spaces.relaxed.Relaxed`.

    Args:
        frame: stem, cells and head in one sequence.
    """

    choices: Mapping[str, tuple[int, int]] = {"cell": (len(EDGES), len(OPERATIONS))}

    def __init__(self, frame: nn.Sequential) -> None:
        super().__init__()
        self.frame = frame

    def forward(self, x: torch.Tensor, weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
        for part in self.frame:
            x = part(x, weights["cell"]) if isinstance(part, RelaxedCell) else part(x)
        return x


def sum_of(options: Sequence[nn.Module], weights: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Returns the weighted sum of what several modules make of one input."""
    total: torch.Tensor = weights[0] * options[0](x)
    for option, weight in zip(options[1:], weights[1:], strict=True):
        total = total + weight * option(x)
    return total
