"""What spaces of whole networks have in common: sizes that follow from the data, and settings of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automl.behaviour import Array
from automl.errors import InvalidSpace
from automl.spaces.fields import Choice
from automl.spaces.orders import Ordinal
from automl.spaces.space import Candidate, Space

FLIP_AND_CROP = {"flip": True, "crop": 2}
"""Augmentation that leaves an image of any kind what it is, but for digits and letters."""


class TrainedNetwork(Space):
    """Base class of spaces of networks whose candidates also carry settings of their training.

    Args:
        recipe: Whether learning rate, weight decay and, for images, augmentation are fields. Without, all candidates
            are trained by the evaluator's own settings.
        sizes: Whole numbers by name, each at least 1; they are settings of the space.
    """

    rates: Sequence[float] = (0.001, 0.003, 0.01)
    """Learning rates; they are for AdamW, which `defaults` of these spaces train with."""

    decays: Sequence[float] = (0.0, 0.01, 0.1)
    augments: bool = False
    """True for spaces of networks for images."""

    def __init__(self, recipe: bool, **sizes: int) -> None:
        for name, value in sizes.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidSpace(f"{self.kind}({name}={value!r}): give a whole number of at least 1")
        self._recipe, self._sizes = recipe, sizes
        if recipe:
            self.learning_rate = Ordinal(*self.rates)
            self.weight_decay = Ordinal(*self.decays)
            if self.augments:
                self.augmentation = Choice("none", "crop", "flip and crop")

    def settings(self) -> Mapping[str, Any]:
        return {**self._sizes, "recipe": self._recipe}

    def training(self, c: Candidate) -> Mapping[str, Any]:
        """Returns learning rate, weight decay and augmentation, as `automl.Classification` and its kin read them."""
        if not self._recipe:
            return {}
        found: dict[str, Any] = {"learning_rate": c.learning_rate, "weight_decay": c.weight_decay}
        if self.augments:  # "none" is said, too: the evaluator may augment those that say nothing
            found["augment"] = {"none": None, "crop": {"crop": 2}, "flip and crop": FLIP_AND_CROP}[c.augmentation]
        return found


def image_sizes(inputs: Sequence[Array], outputs: int) -> dict[str, int]:
    """Returns the settings of a space for images: channels, resolution and classes; nothing for other data."""
    if len(inputs) != 1 or len(inputs[0].shape) != 3 or inputs[0].shape[1] != inputs[0].shape[2]:
        return {}
    channels, resolution, _ = inputs[0].shape
    return {"channels": channels, "resolution": resolution, "classes": outputs}


def token_sizes(inputs: Sequence[Array], outputs: int) -> dict[str, int]:
    """Returns the settings of a space for token sequences: tokens and context; nothing for other data."""
    if len(inputs) != 1 or len(inputs[0].shape) != 1 or inputs[0].high is None:
        return {}
    return {"tokens": max(outputs, inputs[0].high + 1), "context": inputs[0].shape[0]}
