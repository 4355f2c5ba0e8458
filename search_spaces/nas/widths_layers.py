"""Torch modules of the size space: a network of given widths, and one whose layers can be narrowed.

The first is the second with one width to choose from in each layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_CELL = ("10", "20", "21", "31", "32")
"""Edges of the cell that are convolutions: into node 1 from 0, and so on; the edge 30 is a skip connection."""


class Convolution(nn.Module):
    """Convolution without bias whose first channels can be used alone, and a batch norm for each number of outputs."""

    def __init__(self, before: int, afters: Sequence[int], kernel: int, *, normed: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(max(afters), before, kernel, kernel))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.norms = nn.ModuleDict({str(width): nn.BatchNorm2d(width) for width in afters} if normed else {})

    def forward(self, x: torch.Tensor, after: int, stride: int = 1) -> torch.Tensor:
        weight = self.weight[:after, : x.shape[1]]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        return self.norms[str(after)](x) if self.norms else x


class Cell(nn.Module):
    """The fixed cell: nodes c(0), c(0) + c(1), s(0) + c(1) + c(2), where c is ReLU, convolution and norm."""

    def __init__(self, befores: Sequence[int], afters: Sequence[int], *, keeps: bool = False) -> None:
        super().__init__()
        before, after = max(befores), max(afters)
        self.edges = nn.ModuleDict(
            {name: Convolution(before if name[1] == "0" else after, afters, 3) for name in _CELL}
        )
        differ = not keeps and any(one != other for one in befores for other in afters)
        self.skip = Convolution(before, afters, 1) if differ else None

    def forward(self, x: torch.Tensor, after: int) -> torch.Tensor:
        nodes = [x]
        for node in (1, 2, 3):
            starts = [start for start in range(node) if (node, start) != (3, 0)]
            ends = [self.edges[f"{node}{start}"](nodes[start].relu(), after) for start in starts]
            nodes.append(sum(ends[1:], ends[0]))
        if x.shape[1] == after:
            return nodes[3] + x
        assert self.skip is not None
        return nodes[3] + self.skip(x.relu(), after)  # type: ignore[no-any-return]


class Halving(nn.Module):
    """Residual block of stride 2: two convolutions of 3, beside average pooling with a convolution of 1."""

    def __init__(self, before: int, afters: Sequence[int]) -> None:
        super().__init__()
        self.first, self.second = Convolution(before, afters, 3), Convolution(max(afters), afters, 3)
        self.pooled = Convolution(before, afters, 1, normed=False)

    def forward(self, x: torch.Tensor, after: int) -> torch.Tensor:
        branch = self.second(self.first(x.relu(), after, 2).relu(), after)
        pooled = functional.avg_pool2d(x, 2, stride=2, ceil_mode=True)
        return branch + self.pooled(pooled, after)  # type: ignore[no-any-return]


class Classifier(nn.Module):
    """Batch norm of each width, mean over the image, and a linear layer that reads the first channels."""

    def __init__(self, befores: Sequence[int], classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleDict({str(width): nn.BatchNorm2d(width) for width in befores})
        self.linear = nn.Linear(max(befores), classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        width = x.shape[1]
        x = self.norms[str(width)](x).relu().mean((2, 3))
        return functional.linear(x, self.linear.weight[:, :width], self.linear.bias)


class Slimmable(nn.Module):
    """Supernet of the size space: see `automl.spaces.blocks.Supernet`.

    Args:
        channels: of the images.
        options: the widths that each of the five layers may have.
        classes: of the classifier.
    """

    def __init__(self, channels: int, options: Sequence[Sequence[int]], classes: int) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = options
        stem = nn.ModuleDict({"stem": Convolution(channels, c1, 3), "cell": Cell(c1, c1, keeps=True)})
        stem["halving"] = Halving(max(c1), c2)
        middle = nn.ModuleDict({"cell": Cell(c2, c3), "halving": Halving(max(c3), c4)})
        self.blocks = nn.ModuleList([stem, middle, nn.ModuleDict({"cell": Cell(c4, c5)})])
        self.heads = nn.ModuleDict({"any": Classifier(c5, classes)})

    def block(self, index: int, entry: str, part: Any, x: torch.Tensor) -> torch.Tensor:
        held: Any = self.blocks[index]
        widths = [int(width) for width in part]
        if index == 0:
            x = held["stem"](x, widths[0])
        x = held["cell"](x, widths[0])
        return held["halving"](x, widths[1]) if "halving" in held else x

    def channels(self, index: int, state: str) -> int:
        return int(state)

    def classify(self, state: str, x: torch.Tensor) -> torch.Tensor:
        return self.heads["any"](x)  # type: ignore[no-any-return]

    def used(self, index: int, entry: str, part: Any) -> Sequence[str]:
        widths, keeps = set(part), index == 0 or entry == part[0]
        names = [name for name, _ in self.blocks[index].named_parameters() if not (keeps and ".skip." in name)]
        kept = [name for name in names if ".norms." not in name or name.split(".norms.")[1].split(".")[0] in widths]
        return [f"blocks.{index}.{name}" for name in kept]


class Sized(Slimmable):
    """A network of five widths that stands alone: images to logits."""

    def __init__(self, channels: int, widths: Sequence[int], classes: int) -> None:
        super().__init__(channels, [[width] for width in widths], classes)
        self._parts = (widths[:2], widths[2:4], widths[4:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index, part in enumerate(self._parts):
            x = self.block(index, "", part, x)
        return self.classify("", x)
