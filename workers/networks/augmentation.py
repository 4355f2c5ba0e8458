"""Augmentation of training batches on the device that trains; every draw comes from torch's global generator.

Flip, crop and cutout (DeVries and Taylor 2017) are drawn for each image, mixup (Zhang et al. 2018) and cutmix (Yun et
al. 2019) for each batch. RandAugment (Cubuk et al. 2020) is kornia's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from automl import registry
from automl.errors import InvalidInput

NAMES = ("flip", "crop", "cutout", "randaugment", "mixup", "cutmix")
"""In the order in which they are applied."""

_MIXING = ("mixup", "cutmix")


def check_augmentation(chosen: Mapping[str, Any]) -> None:
    """Insists that all augmentations are known and have possible values.

    Raises:
        InvalidInput: one is not, or kornia is needed and not installed.

    Example:
        >>> check_augmentation({"flip": True, "crop": 4})
        >>> check_augmentation({"flop": True})
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown augmentation 'flop'; did you mean flip or crop?
    """
    for name, value in chosen.items():
        if name not in NAMES:
            raise InvalidInput(registry.unknown("augmentation", name, NAMES))
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name == "flip":
            right, what = isinstance(value, bool), "True or False"
        elif name in ("crop", "cutout"):
            right, what = number and value == int(value) and value >= 0, "a number of pixels"
        elif name in _MIXING:
            right, what = number and value >= 0, "the parameter of its Beta distribution, such as 0.2 or 1"
        else:
            pair = isinstance(value, list | tuple) and len(value) == 2
            right, what = (
                pair and value[0] >= 1 and 0 <= value[1] <= 30,
                "a pair (operations an image, strength 0 to 30)",
            )
        if not right:
            raise InvalidInput(f"augmentation {name}={value!r}; it must be {what}")
    if chosen.get("randaugment"):
        _rand_augment(2, 9)


def augmented(inputs: torch.Tensor, chosen: Mapping[str, Any]) -> torch.Tensor:
    """Returns a batch of images with the augmentations of single images.

    Args:
        inputs: shape (examples, channels, height, width).
        chosen: name and strength of each augmentation.

    Raises:
        InvalidInput: the inputs are no images.

    Example:
        >>> augmented(torch.ones(2, 1, 8, 8), {"flip": True, "cutout": 4}).shape
        torch.Size([2, 1, 8, 8])
    """
    for name in NAMES:
        if chosen.get(name) and name not in _MIXING:
            if inputs.ndim != 4 or not inputs.is_floating_point():
                raise InvalidInput(
                    f"augmentation {name} is for images of shape (channels, height, width), and the inputs have the "
                    f"shape {tuple(inputs.shape[1:])} an example; leave it out"
                )
            inputs = _OF_IMAGES[name](inputs, chosen[name])
    return inputs


def mixed(inputs: torch.Tensor, chosen: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor | None, float]:
    """Mixes each example of a batch with another one of it.

    Args:
        inputs: real numbers, (examples, …).
        chosen: with "mixup" or "cutmix"; where both are given, one of them is drawn for the batch.

    Returns:
        The mixed inputs; the places of the other examples, None if nothing is mixed; the share of the first ones.

    Raises:
        InvalidInput: the inputs cannot be mixed.
    """
    wanted = [name for name in _MIXING if chosen.get(name)]
    if not wanted:
        return inputs, None, 1.0
    if not inputs.is_floating_point():
        raise InvalidInput(
            f"augmentation {wanted[0]} mixes real numbers, and the inputs are {inputs.dtype}; leave it out"
        )
    name = wanted[0] if len(wanted) == 1 else wanted[int(torch.randint(len(wanted), ()))]
    alpha = torch.tensor(float(chosen[name]))
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(inputs)).to(inputs.device)
    if name == "mixup":
        return torch.lerp(inputs[other], inputs, share), other, share
    if inputs.ndim != 4:
        raise InvalidInput("augmentation cutmix is for images of shape (channels, height, width); take mixup")
    height, width = inputs.shape[-2:]
    rows, columns = _box(height, (1 - share) ** 0.5), _box(width, (1 - share) ** 0.5)
    inputs = inputs.clone()
    inputs[:, :, rows, columns] = inputs[other][:, :, rows, columns]
    kept = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    return inputs, other, kept


def _box(size: int, share: float) -> slice:
    """Returns a stretch of an axis around a place drawn uniformly, cut off at the borders."""
    half = round(size * share / 2)
    middle = int(torch.randint(size, ()))
    return slice(max(0, middle - half), min(size, middle + half))


def _flip(images: torch.Tensor, _: Any) -> torch.Tensor:
    """Flips half of the images left to right."""
    chosen = (torch.rand(len(images)) < 0.5).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)


def _crop(images: torch.Tensor, pixels: Any) -> torch.Tensor:
    """Moves each image by up to so many pixels; zeros move in."""
    pixels = int(pixels)
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (pixels,) * 4)
    down, right = (torch.randint(2 * pixels + 1, (count,)).to(images.device) for _ in range(2))
    rows = (down[:, None] + torch.arange(height, device=images.device))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width, device=images.device))[:, None, None, :]
    examples = torch.arange(count, device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[examples, channels, rows, columns]


def _cutout(images: torch.Tensor, pixels: Any) -> torch.Tensor:
    """Sets a square with sides of so many pixels to zero, around a place drawn for each image."""
    before, after = int(pixels) // 2, int(pixels) - int(pixels) // 2
    inside = []
    for size in images.shape[-2:]:
        middle = torch.randint(size, (len(images), 1)).to(images.device)
        place = torch.arange(size, device=images.device)
        inside.append((place >= middle - before) & (place < middle + after))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(square, 0.0)


def _randaugment(images: torch.Tensor, chosen: Any) -> torch.Tensor:
    """Draws for each image; a grey one is coloured for it, and the mean of its channels is taken afterwards."""
    channels = images.shape[1]
    if channels not in (1, 3):
        raise InvalidInput(
            f"augmentation randaugment is for grey or RGB images, and these have {channels} channels; leave it out"
        )
    drawn = _rand_augment(int(chosen[0]), float(chosen[1]))(images.expand(-1, 3, -1, -1))
    return drawn if channels == 3 else drawn.mean(1, keepdim=True)


@functools.lru_cache(maxsize=4)
def _rand_augment(operations: int, strength: float) -> Callable[[torch.Tensor], torch.Tensor]:
    try:
        from kornia.augmentation.auto import RandAugment
    except ImportError as error:
        raise InvalidInput(
            "augmentation randaugment needs kornia: pip install 'automl-functional-hashing[augment]'"
        ) from error
    made: Callable[[torch.Tensor], torch.Tensor] = RandAugment(n=operations, m=round(strength))
    return made


_OF_IMAGES: Mapping[str, Callable[[torch.Tensor, Any], torch.Tensor]] = {
    "flip": _flip,
    "crop": _crop,
    "cutout": _cutout,
    "randaugment": _randaugment,
}
