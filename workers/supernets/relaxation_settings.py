"""What the training of a relaxed network depends on, and the weights of options that it leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.errors import InvalidInput


@dataclass
class RelaxationSettings:
    """Settings of the training of a relaxed network.

    Attributes:
        epochs: Passes over the first half of the training part; the options' weights learn from the second half.
        batch_size: Examples a step, of each half.
        learning_rate: Largest learning rate of the network's weights: it rises for a tenth of the steps and falls as a
            cosine.
        momentum: Momentum of their gradient.
        weight_decay: Weight decay of those of more than one axis.
        architecture_rate: Learning rate of Adam on the options' weights. The paper's 0.0003 is for 20,000 steps.
        architecture_decay: Weight decay of Adam on them.
        warmup: Share of the epochs in which the network's weights are trained alone.
        perturbation: Largest change of an option's weight, drawn anew in each step, in the last epoch; 0 for none.
        skips: Number of skip connections of the chosen cell with which training ends; 0 trains to the end. They
            are counted after the warm-up.

    Raises:
        InvalidInput: an impossible value.

    Example:
        >>> RelaxationSettings(epochs=0)
        Traceback (most recent call last):
        automl.errors.InvalidInput: differentiable: epochs is 0; it must be at least 1
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.025
    momentum: float = 0.9
    weight_decay: float = 3e-4
    architecture_rate: float = 0.01
    architecture_decay: float = 1e-3
    warmup: float = 0.3
    perturbation: float = 0.3
    skips: int = 2

    def __post_init__(self) -> None:
        least = {
            "epochs": 1, "batch_size": 2, "learning_rate": 0.0, "momentum": 0.0, "weight_decay": 0.0,
            "architecture_rate": 0.0, "architecture_decay": 0.0, "warmup": 0.0, "perturbation": 0.0, "skips": 0,
        }  # fmt: skip
        for name, low in least.items():
            value = getattr(self, name)
            if not value >= low:
                raise InvalidInput(f"differentiable: {name} is {value!r}; it must be at least {low}")
        for name in ("warmup", "perturbation"):
            if not getattr(self, name) <= 1:
                raise InvalidInput(f"differentiable: {name} is {getattr(self, name)!r}; it lies between 0 and 1")

    def recipe(self) -> dict[str, Any]:
        """Returns the settings as JSON data."""
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(RelaxationSettings)}


def options_weights(arrays: Mapping[str, np.ndarray], prefix: str = "more.logits.") -> dict[str, np.ndarray]:
    """Returns the options' weights of a kept content, (choices, options) by group.

    Example:
        >>> options_weights({"more.logits.cell": np.zeros((1, 2)), "module.stem": np.ones(3)})
        {'cell': array([[0.5, 0.5]])}
    """
    found = {}
    for name, logits in arrays.items():
        if name.startswith(prefix):
            shifted = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
            found[name.removeprefix(prefix)] = shifted / shifted.sum(1, keepdims=True)
    return found
