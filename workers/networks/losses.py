"""Training losses by name, class weights among them, and a user's own function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.labels import IGNORED
from workers.networks.batches import Part
from workers.networks.settings import Settings

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_F = nn.functional

BY_NAME: dict[str, tuple[str, ...]] = {
    "classes": ("cross_entropy", "focal", "margin"),
    "labels": ("binary_cross_entropy", "margin"),
    "values": ("mse", "mae", "huber"),
}
"""Names of the losses of each family; the first is the default."""


def measured_loss(settings: Settings, floating: bool) -> Loss | None:
    """Returns what the metric "loss" is, without class weights and smoothing; None for cross-entropy of classes.

    Args:
        settings: of the training.
        floating: whether targets are real numbers, zeros and ones included.
    """
    if callable(settings.loss):
        return _own(settings.loss)
    if not floating:
        return None
    simple: dict[str, Loss] = {"mse": _F.mse_loss, "mae": _F.l1_loss, "huber": _F.huber_loss}
    return simple.get(settings.loss, _F.binary_cross_entropy_with_logits)


def loss_of(settings: Settings, train: Part) -> Loss:
    """Returns the loss of a training, the mean over what counts.

    Args:
        settings: of the training.
        train: training part, for class weights.

    Raises:
        InvalidInput: there are not as many class weights as classes.
    """
    if callable(settings.loss):
        return _own(settings.loss)
    name = settings.loss
    targets = train.first(2)[1] if settings.class_weights is None else train.labels()
    if name in ("cross_entropy", "focal"):
        weight = _weights(settings.class_weights, targets)
        smoothing = settings.label_smoothing
        if name == "focal":
            return lambda outputs, wanted: _focal(outputs, wanted, weight)
        return lambda outputs, wanted: _F.cross_entropy(
            outputs, wanted, weight, label_smoothing=smoothing, ignore_index=IGNORED
        )
    if name == "binary_cross_entropy":
        weight, smoothing = _weights(settings.class_weights, targets), settings.label_smoothing
        return lambda outputs, wanted: _F.binary_cross_entropy_with_logits(
            outputs, wanted * (1 - smoothing) + 0.5 * smoothing, pos_weight=weight
        )
    simple: dict[str, Loss] = {
        "mse": _F.mse_loss,
        "mae": _F.l1_loss,
        "huber": _F.huber_loss,
        "margin": _F.multi_margin_loss if not targets.is_floating_point() else _hinge,
    }
    return simple[name]


def _own(function: Callable[..., Any]) -> Loss:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        found = function(outputs, targets)
        if not isinstance(found, torch.Tensor) or found.ndim != 0:
            given = f"of shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(found).__name__
            raise CandidateFailure(f"the loss function returned a value {given}; let it return one number, a tensor ()")
        return found

    return loss


def _focal(outputs: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Lin et al. 2017, gamma 2: examples that are right already count less."""
    each = _F.cross_entropy(outputs, targets, weight, reduction="none", ignore_index=IGNORED)
    chance = torch.exp(-_F.cross_entropy(outputs, targets, reduction="none", ignore_index=IGNORED))
    counted = (targets != IGNORED).sum().clamp_min(1)
    return ((1 - chance) ** 2 * each).sum() / counted


def _hinge(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.relu(1 - outputs * (2 * targets - 1)).mean()


def _weights(chosen: str | Sequence[float] | None, targets: torch.Tensor) -> torch.Tensor | None:
    """Returns a weight for each class, or how much a positive label counts beside a negative one.

    "balanced" gives each class n / (classes · examples of it), as scikit-learn does.
    """
    if chosen is None:
        return None
    if targets.is_floating_point():  # several labels
        count = targets.shape[1]
        positive = targets.sum(0)
        balanced = (len(targets) - positive) / positive.clamp_min(1)
    else:
        counted = targets[targets != IGNORED]
        found = torch.bincount(counted.flatten())
        count = len(found)
        balanced = torch.where(found > 0, len(counted) / (int((found > 0).sum()) * found.clamp_min(1)), 0.0)
    if isinstance(chosen, str):
        return balanced.to(torch.float32)
    given = np.asarray(chosen, np.float32)
    if given.shape != (count,):
        raise InvalidInput(f"class_weights has {given.size} weights, and the task has {count} classes; give one each")
    return torch.from_numpy(given).to(targets.device)
