"""The two copies of ensemble bootstrapping: online and target, with a projector for each block and a predictor."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from workers.supernets.settings import SupernetSettings


class Projector(nn.Module):
    """Projects what leaves a block: mean over positions, an adapter for each state, a network with one hidden layer.

    Args:
        channels: number of channels by state.
        settings: widths.
    """

    def __init__(self, channels: dict[str, int], settings: SupernetSettings) -> None:
        super().__init__()
        self.adapters = nn.ModuleDict(
            {
                state or "end": nn.Sequential(
                    nn.Linear(count, settings.width, bias=False), nn.BatchNorm1d(settings.width)
                )
                for state, count in channels.items()
            }
        )
        self.rest = perceptron(settings.width, settings.hidden, settings.projection)

    def used(self, state: str) -> list[nn.Module]:
        """Returns the modules that project what leaves a block in a state."""
        return [self.adapters[state or "end"], self.rest]

    def forward(self, state: str, x: torch.Tensor) -> torch.Tensor:
        return self.rest(self.adapters[state or "end"](x.flatten(2).mean(2)))  # type: ignore[no-any-return]


def perceptron(before: int, hidden: int, after: int) -> nn.Sequential:
    """Returns a network with one hidden layer and batch norm, without which bootstrapping collapses."""
    return nn.Sequential(nn.Linear(before, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, after))


class Side(nn.Module):
    """One copy: the supernet and a projector for each block.

    Args:
        network: `automl.spaces.blocks.Supernet`.
        exits: for each block, the number of channels by the state in which it ends.
        settings: widths.
    """

    def __init__(self, network: Any, exits: Sequence[dict[str, int]], settings: SupernetSettings) -> None:
        super().__init__()
        self.network = network
        self.projectors = nn.ModuleList(Projector(channels, settings) for channels in exits)

    def project(self, index: int, entry: str, part: Sequence[str], leaves: str, x: torch.Tensor) -> torch.Tensor:
        """Returns the projections of length 1 of a part's output, (batch, projection)."""
        out = self.network.block(index, entry, part, x)
        return functional.normalize(self.projectors[index](leaves, out), dim=1)

    def modules_of(self, index: int, leaves: str) -> list[nn.Module]:
        """Returns the modules that a part of a block runs through, with its projector."""
        projector = cast("Projector", self.projectors[index])
        return [self.network.blocks[index], *projector.used(leaves)]


class Twins(nn.Module):
    """Online copy, target copy, and a predictor for each block.

    The target starts as the online copy and follows it: all of its parameters, adapters included, by a moving average.
    Its batch norms have statistics of their own.
    """

    def __init__(self, network: Any, exits: Sequence[dict[str, int]], settings: SupernetSettings) -> None:
        super().__init__()
        self.online = Side(network, exits, settings)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.predictors = nn.ModuleList(
            perceptron(settings.projection, settings.hidden, settings.projection) for _ in exits
        )

    def predict(self, index: int, projected: torch.Tensor) -> torch.Tensor:
        """Returns the online copy's predictions of length 1."""
        return functional.normalize(self.predictors[index](projected), dim=1)

    def trained(self, index: int) -> list[nn.Module]:
        """Returns the modules that a block's training changes by gradient."""
        return [self.online.network.blocks[index], self.online.projectors[index], self.predictors[index]]

    @torch.no_grad()
    def follow(self, index: int, momentum: float) -> None:
        """Moves the target copy of a block, with its projector, towards the online copy."""
        for name in ("network.blocks", "projectors"):
            online, target = (side.get_submodule(f"{name}.{index}") for side in (self.online, self.target))
            for own, other in zip(target.parameters(), online.parameters(), strict=True):
                own.lerp_(other, 1.0 - momentum)


def momentum_at(start: float, share: float) -> float:
    """Returns the target's momentum after a share of the steps: from `start` to 1, as a cosine."""
    return 1.0 - (1.0 - start) * (1.0 + math.cos(math.pi * share)) / 2.0


def distance(one: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """Returns 2 − 2 cos for each example, from 0 (equal directions) to 4.

    Projections are of length 1 before they are averaged, in training and in ratings; the mean's length does not matter.
    """
    return 2.0 - 2.0 * functional.cosine_similarity(one, center, dim=1)
