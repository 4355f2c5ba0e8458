"""Targets of a regression in standard units while a network is trained, and in the user's own wherever it is run."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from workers.networks.batches import Part
from workers.networks.losses import Loss
from workers.networks.settings import Settings


class InUnits(nn.Module):
    """A network that gives standardised targets, with its outputs put into the units of the targets.

    It is what is trained, measured, kept and exported, so nobody who runs it has to know the two numbers: they are
    among its weights.

    Args:
        network: Network of the candidate.
        center: What stands for 0 in the network's outputs, one number a target.
        scale: What stands for 1, one number a target.

    Example:
        >>> network = InUnits(nn.Identity(), torch.tensor([100_000.0]), torch.tensor([20_000.0]))
        >>> network(torch.tensor([[0.0], [1.5]])).tolist()
        [[100000.0], [130000.0]]
    """

    center: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: nn.Module, center: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("center", center)
        self.register_buffer("scale", scale)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        outputs = self.network(*inputs, **named)
        if isinstance(outputs, tuple):  # auxiliary heads, in training
            return tuple(one if one is None else one * self.scale + self.center for one in outputs)
        return outputs * self.scale + self.center

    def standard(self, values: torch.Tensor) -> torch.Tensor:
        """Returns outputs or targets with mean 0 and deviation 1, as the training part has them."""
        return (values - self.center) / self.scale


def in_units(network: nn.Module, train: Part) -> InUnits:
    """Returns a network whose outputs are in the units of the targets of a training part.

    Mean and standard deviation are those of each target alone; a target that never changes is only moved.
    """
    targets = train.labels().double()
    scale = targets.std(0, correction=0)
    scale = torch.where(scale > 0, scale, 1.0)
    return InUnits(network, targets.mean(0).float(), scale.float())


def loss_in_units(loss: Loss, module: nn.Module, settings: Settings) -> Loss:
    """Returns the loss of a training: of standardised outputs and targets, where a network is in units.

    A function of the user's is given both in the user's own units: it may mean them.
    """
    if not isinstance(module, InUnits) or callable(settings.loss):
        return loss
    return lambda outputs, targets: loss(module.standard(outputs), module.standard(targets))
