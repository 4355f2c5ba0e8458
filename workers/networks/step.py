"""One step of a training: a batch forward, its loss, and back; with augmentation, pieces and auxiliary heads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from automl.errors import InvalidInput
from automl.evaluators.labels import IGNORED
from workers.networks.augmentation import augmented, mixed
from workers.networks.batches import Inputs, called, each
from workers.networks.losses import Loss
from workers.networks.measuring import precision
from workers.networks.settings import Settings


def larger_is_better(settings: Settings) -> bool:
    """Tells whether the objective, the first of the metrics, is maximized."""
    return next(iter(settings.table.values())).direction == "maximize"


def set_drop_path(module: nn.Module, probability: float, settings: Settings) -> None:
    """Sets the drop probability of all paths of a network, where the training has one."""
    for one in droppable(module) if settings.drop_path else ():
        one.drop_path_prob = probability  # type: ignore[assignment]


def droppable(module: nn.Module) -> list[nn.Module]:
    return [one for one in module.modules() if hasattr(one, "drop_path_prob")]


def _rows(some: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    return of[some]


class Step:
    """Forward and backward of one batch."""

    def __init__(self, module: nn.Module, settings: Settings, loss: Loss, device: torch.device) -> None:
        self.settings, self.loss, self.device = settings, loss, device
        self.parameters = [item for item in module.parameters() if item.requires_grad]
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "float16")
        self._forward: Callable[..., Any] = torch.compile(module) if settings.compiled else module

    def backward(self, inputs: Inputs, targets: torch.Tensor) -> torch.Tensor:
        """Adds a batch's gradients to those of the parameters, and returns its loss."""
        chosen, other, share = self.settings.augment, None, 1.0
        if chosen:
            if not isinstance(inputs, torch.Tensor):
                raise InvalidInput("augment is for inputs that are one tensor, and this task has several; leave it out")
            inputs, other, share = mixed(augmented(inputs, chosen), chosen)
        pieces = min(self.settings.pieces, len(targets))
        if pieces == 1:
            loss = self._loss(inputs, targets, other, share)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        places = torch.arange(len(targets), device=targets.device)
        total, whole = torch.zeros((), device=self.device), self._counted(targets)
        for some in places.tensor_split(pieces):
            part = each(partial(_rows, some), inputs)
            seconds = None if other is None else targets[other][some]
            counted = self._counted(targets[some])
            if not counted:
                continue  # nothing in it is compared with anything
            loss = self._loss(part, targets[some], None, share, seconds) * (counted / whole)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _counted(self, targets: torch.Tensor) -> int:
        """Returns how many targets the loss is a mean over."""
        return len(targets) if targets.is_floating_point() else int((targets != IGNORED).sum())

    def _loss(
        self,
        inputs: Inputs,
        targets: torch.Tensor,
        other: torch.Tensor | None,
        share: float,
        seconds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns the loss of a batch, or of a piece of it, whose second targets are then given themselves."""
        settings = self.settings
        if settings.channels_last and isinstance(inputs, torch.Tensor) and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with precision(settings.precision, self.device):
            outputs = called(self._forward, inputs)
            main, *more = outputs if isinstance(outputs, tuple) else (outputs,)
            if other is not None:
                seconds = targets[other]
            loss = self._compared(main, targets, seconds, share)
            for auxiliary in more:
                if auxiliary is not None:
                    loss = loss + settings.auxiliary * self._compared(auxiliary, targets, seconds, share)
        return loss

    def _compared(
        self, outputs: torch.Tensor, targets: torch.Tensor, seconds: torch.Tensor | None, share: float
    ) -> torch.Tensor:
        outputs = self.settings.kind.align(outputs, targets)
        loss = self.loss(outputs, targets)
        return loss if seconds is None else share * loss + (1 - share) * self.loss(outputs, seconds)
