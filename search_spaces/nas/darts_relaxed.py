"""DARTS' relaxed network: every edge carries the weighted sum of all operations (Liu, Simonyan and Yang, ICLR 2019)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from search_spaces.nas.cells import sum_of
from search_spaces.nas.darts_choice import OPTIONS, SOURCES
from search_spaces.nas.darts_layers import Inputs, operation, plan, stem
from search_spaces.nas.genotypes import CELLS, NODES


class RelaxedCell(nn.Module):
    """A cell whose nodes each add what all earlier values give."""

    def __init__(self, before: tuple[int, int], channels: int, reduces: bool, after_reduction: bool) -> None:
        super().__init__()
        self.inputs = Inputs(before, channels, after_reduction, affine=False)
        self.edges = nn.ModuleList()
        for _, source in SOURCES:
            stride = 2 if reduces and source < 2 else 1
            self.edges.append(nn.ModuleList(_option(name, channels, stride) for name in OPTIONS))

    def forward(self, older: torch.Tensor, newer: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        values = self.inputs(older, newer)
        sums: dict[int, torch.Tensor] = {}
        for (node, source), edge, shares in zip(SOURCES, self.edges, weights, strict=True):
            assert isinstance(edge, nn.ModuleList)
            value = sum_of(list(edge), shares, values[source])
            sums[node] = sums[node] + value if node in sums else value
            if source == node + 1:  # its last edge
                values.append(sums[node])
        return torch.cat(values[-NODES:], 1)


def _option(name: str, channels: int, stride: int) -> nn.Module:
    """Returns an operation; pooling has a batch norm here, and no norm a scale, which would hide the weight."""
    made = operation(name, channels, stride, affine=False)
    return nn.Sequential(made, nn.BatchNorm2d(channels, affine=False)) if "pool" in name else made


class RelaxedNetwork(nn.Module):
    """Stem, relaxed cells and classifier, see `automl.spaces.relaxed.Relaxed`.

    Args:
        layers, channels, images, classes: as of `darts_layers.Network`.
    """

    choices: Mapping[str, tuple[int, int]] = dict.fromkeys(CELLS, (len(SOURCES), len(OPTIONS)))

    def __init__(self, layers: int, channels: int, images: int, classes: int) -> None:
        super().__init__()
        self.stem = stem(images, channels)
        self.cells, self._kinds = nn.ModuleList(), [name for name, _ in plan(layers, channels)]
        before, after_reduction = (3 * channels, 3 * channels), False
        for name, width in plan(layers, channels):
            self.cells.append(RelaxedCell(before, width, name == "reduce", after_reduction))
            before, after_reduction = (before[1], NODES * width), name == "reduce"
        self.classifier = nn.Linear(before[1], classes)

    def forward(self, x: torch.Tensor, weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
        older = newer = self.stem(x)
        for name, cell in zip(self._kinds, self.cells, strict=True):
            older, newer = newer, cell(older, newer, weights[name])
        return self.classifier(newer.mean((2, 3)))  # type: ignore[no-any-return]
