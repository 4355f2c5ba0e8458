"""What the trained weights of a supernet depend on, beside its space, its data and its seed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from automl.errors import InvalidInput
from automl.registry import unknown

TRAINERS = ("bootstrap", "single_path", "random_labels")


@dataclass(frozen=True)
class SupernetSettings:
    """Settings of the training of a supernet.

    Attributes:
        trainer: "bootstrap" (BossNAS: blocks in turn, without labels), "single_path" (SPOS: labels, the whole
            network), or "random_labels" (RLNAS: the same with labels drawn at random).
        epochs: Passes over the training part, of each block for "bootstrap"; 0 leaves the weights as they are drawn.
        batch_size: Examples a step.
        paths: Paths a step.
        learning_rate: Largest learning rate: it rises for a tenth of the steps and falls to 0 as a cosine.
        momentum: Momentum of the gradient.
        weight_decay: Weight decay, for weights of more than one axis only.
        target_momentum: Momentum of the target copy at the start; it rises to 1 (bootstrap).
        ensemble: True if the target is the mean of all sampled paths; False lets each path have its own (bootstrap).
        width: Channels to which a block's output is brought before it is projected (bootstrap).
        hidden: Width of the hidden layer of projector and predictor (bootstrap).
        projection: Length of a projection (bootstrap).
        calibration: Training examples on which batch norms are recalibrated, in batches of 100.
        images: Validation examples that a part is rated on.

    Raises:
        InvalidInput: an unknown trainer, or an impossible value.

    Example:
        >>> SupernetSettings(epochs=5).trainer
        'bootstrap'
        >>> SupernetSettings("bootstap")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown trainer 'bootstap'; did you mean bootstrap?
    """

    trainer: str = "bootstrap"
    epochs: int = 20
    batch_size: int = 128
    paths: int = 4
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4
    target_momentum: float = 0.99
    ensemble: bool = True
    width: int = 64
    hidden: int = 256
    projection: int = 64
    calibration: int = 1000
    images: int = 1000

    def __post_init__(self) -> None:
        if self.trainer not in TRAINERS:
            raise InvalidInput(unknown("trainer", self.trainer, TRAINERS))
        least = {
            "epochs": 0, "batch_size": 2, "paths": 1, "learning_rate": 0.0, "momentum": 0.0, "weight_decay": 0.0,
            "width": 1, "hidden": 1, "projection": 2, "calibration": 2, "images": 2,
        }  # fmt: skip
        for name, low in least.items():
            if not getattr(self, name) >= low:
                raise InvalidInput(f"supernet: {name} is {getattr(self, name)!r}; it must be at least {low}")
        if not 0 <= self.target_momentum <= 1:
            raise InvalidInput(f"supernet: target_momentum is {self.target_momentum!r}; it lies between 0 and 1")
        if self.trainer == "bootstrap" and self.ensemble and self.paths < 2:
            raise InvalidInput(f"supernet: paths is {self.paths}; a mean of several paths needs at least 2")

    def json(self) -> dict[str, Any]:
        """Returns the settings as JSON data."""
        return dataclasses.asdict(self)
