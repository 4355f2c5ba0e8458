"""Operations and cells of DARTS' networks in torch (Liu, Simonyan and Yang, ICLR 2019, with the settings of its code).

Images may have odd sizes: what is halved is rounded up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from search_spaces.nas.genotypes import ALL_NODES


class ReluConvNorm(nn.Sequential):
    """ReLU, convolution without bias, batch norm."""

    def __init__(self, before: int, after: int, kernel: int = 1, affine: bool = True) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(after, affine=affine),
        )


class FactorizedReduce(nn.Module):
    """Halves an image: one 1x1 convolution reads the even rows and columns, another one the odd ones."""

    def __init__(self, before: int, after: int, affine: bool = True) -> None:
        super().__init__()
        self.even = nn.Conv2d(before, after // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(before, after - after // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(after, affine=affine)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(x)
        shifted = functional.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))  # type: ignore[no-any-return]


class Zero(nn.Module):
    """The edge that carries nothing."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


def operation(name: str, channels: int, stride: int, affine: bool = True) -> nn.Module:
    """Returns the module of one operation that keeps the number of channels.

    Args:
        name: one of `genotypes.OPERATIONS`, or "none".
        channels: of input and output.
        stride: 1, or 2 to halve the image.
        affine: whether batch norms have a scale and a shift of their own.
    """
    kind, _, size = name.rpartition("_")
    if name == "none":
        return Zero(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)
    kernel = int(size[0])
    if kind == "max_pool":
        return nn.MaxPool2d(kernel, stride, padding=kernel // 2)
    if kind == "avg_pool":
        return nn.AvgPool2d(kernel, stride, padding=kernel // 2, count_include_pad=False)
    if kind == "dil_conv":
        return nn.Sequential(*_separable(channels, kernel, stride, 2, affine))
    return nn.Sequential(*_separable(channels, kernel, stride, 1, affine), *_separable(channels, kernel, 1, 1, affine))


def _separable(channels: int, kernel: int, stride: int, dilation: int, affine: bool) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    ]


class DropPath(nn.Module):
    """Sets all that an edge carries to zero, for each example with the probability `drop_path_prob`, while it trains.

    What stays is scaled up, so that the mean is the same (Larsson et al., ICLR 2017).
    """

    def __init__(self) -> None:
        super().__init__()
        self.drop_path_prob = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.drop_path_prob <= 0.0:
            return x
        kept = 1.0 - self.drop_path_prob
        mask = torch.empty((x.shape[0], *(1 for _ in x.shape[1:])), device=x.device, dtype=x.dtype).bernoulli_(kept)
        return x * mask / kept


class Inputs(nn.Module):
    """Brings the outputs of the two cells before to one width and one size."""

    def __init__(self, before: tuple[int, int], channels: int, after_reduction: bool, affine: bool = True) -> None:
        super().__init__()
        older, newer = before
        self.older = (
            FactorizedReduce(older, channels, affine)
            if after_reduction
            else ReluConvNorm(older, channels, affine=affine)
        )
        self.newer = ReluConvNorm(newer, channels, affine=affine)

    def forward(self, older: torch.Tensor, newer: torch.Tensor) -> list[torch.Tensor]:
        return [self.older(older), self.newer(newer)]


class Cell(nn.Module):
    """One cell: every node adds its two edges, and the concatenated nodes are the output.

    Args:
        nodes: for each node its two edges, (operation, input).
        concat: nodes that are concatenated.
        inputs: brings the outputs of the cells before to this cell's width.
        channels: width.
        reduces: whether edges from the cells before halve the image.
    """

    def __init__(
        self,
        nodes: Sequence[Sequence[tuple[str, int]]],
        concat: Sequence[int],
        inputs: Inputs,
        channels: int,
        reduces: bool,
    ) -> None:
        super().__init__()
        self.inputs, self._concat = inputs, list(concat)
        self._sources = [[source for _, source in pair] for pair in nodes]
        self.edges = nn.ModuleList()
        for pair in nodes:
            for name, source in pair:
                stride = 2 if reduces and source < 2 else 1
                made = operation(name, channels, stride)
                carries = name != "none" and not isinstance(made, nn.Identity)
                self.edges.append(nn.Sequential(made, DropPath()) if carries else made)

    def forward(self, older: torch.Tensor, newer: torch.Tensor) -> torch.Tensor:
        values, edges = self.inputs(older, newer), iter(self.edges)
        for sources in self._sources:
            one, other = (next(edges)(values[source]) for source in sources)
            values.append(one + other)
        return torch.cat([values[node] for node in self._concat], 1)


class AuxiliaryHead(nn.Module):
    """Classifier that reads the network at two thirds of its depth, while it trains."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(x)
        # As published where 8x8 pixels arrive; in all other sizes the image is brought to 2x2 too.
        eight = tuple(x.shape[2:]) == (8, 8)
        x = functional.avg_pool2d(x, 5, stride=3) if eight else functional.adaptive_avg_pool2d(x, 2)
        return self.classifier(self.features(x).flatten(1))  # type: ignore[no-any-return]


class Network(nn.Module):
    """Stem, cells and classifier; the cells at a third and at two thirds of the depth halve the image and double the
    width.

    In training it returns (logits, auxiliary logits) where it has an auxiliary head, and logits otherwise.

    Args:
        genotype: see `genotypes.read_genotype`.
        layers: number of cells.
        channels: width of the first cells; the stem has three times as many.
        images: channels of the input images.
        classes: number of classes.
        auxiliary: whether there is an auxiliary head.
    """

    def __init__(
        self, genotype: Mapping[str, Any], layers: int, channels: int, images: int, classes: int, auxiliary: bool
    ) -> None:
        super().__init__()
        self.stem = stem(images, channels)
        self.cells = nn.ModuleList()
        self._heads_after = 2 * layers // 3 if auxiliary else None
        before, after_reduction = (3 * channels, 3 * channels), False
        for layer, (name, width) in enumerate(plan(layers, channels)):
            concat = genotype.get(f"{name}_concat", ALL_NODES)
            inputs = Inputs(before, width, after_reduction)
            self.cells.append(Cell(genotype[name], concat, inputs, width, name == "reduce"))
            before, after_reduction = (before[1], len(concat) * width), name == "reduce"
            if layer == self._heads_after:
                self.auxiliary = AuxiliaryHead(before[1], classes)
        self.classifier = nn.Linear(before[1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        older = newer = self.stem(x)
        auxiliary: torch.Tensor | None = None
        for layer, cell in enumerate(self.cells):
            older, newer = newer, cell(older, newer)
            if layer == self._heads_after and self.training:
                auxiliary = self.auxiliary(newer)
        logits: torch.Tensor = self.classifier(newer.mean((2, 3)))
        return logits if auxiliary is None else (logits, auxiliary)


def stem(images: int, channels: int) -> nn.Sequential:
    """Returns what comes before the first cell."""
    return nn.Sequential(nn.Conv2d(images, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels))


def plan(layers: int, channels: int) -> list[tuple[str, int]]:
    """Returns the kind and the width of each cell.

    Example:
        >>> plan(6, 16)
        [('normal', 16), ('normal', 16), ('reduce', 32), ('normal', 32), ('reduce', 64), ('normal', 64)]
    """
    found = []
    for layer in range(layers):
        reduces = layer in (layers // 3, 2 * layers // 3)
        channels *= 2 if reduces else 1
        found.append(("reduce" if reduces else "normal", channels))
    return found
