"""Tricks of training: the settings that are not plain, and a training without some of them.

What "left out" means stands here, once: augmentations are not applied, the weights of auxiliary heads' losses, drop
path, label smoothing and weight decay are 0, gradients are not clipped, weights are not averaged, and the learning rate
is constant from the first step on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workers.networks.augmentation import NAMES

if TYPE_CHECKING:
    from workers.networks.supervised import Supervised

PLAIN: Mapping[str, tuple[str, Any]] = {
    "auxiliary": ("auxiliary", 0.0),
    "drop_path": ("drop_path", 0.0),
    "label_smoothing": ("label_smoothing", 0.0),
    "weight_decay": ("weight_decay", 0.0),
    "gradient_clip": ("gradient_clip", None),
    "ema": ("ema", None),
    "schedule": ("schedule", "constant"),
    "warmup": ("warmup", 0.0),
}
"""Setting of each trick but the augmentations, and its value where the trick is left out."""


def tricks_of(settings: Supervised, has_heads: bool) -> list[str]:
    """Returns the tricks of a training, augmentations first.

    Args:
        settings: of the training.
        has_heads: whether its networks have auxiliary heads.

    Example:
        >>> from workers.networks.classification import Classification
        >>> tricks_of(Classification(augment={"cutout": 4, "flip": True}, ema=0.99, warmup=0), has_heads=False)
        ['flip', 'cutout', 'weight_decay', 'ema', 'schedule']
    """
    chosen = settings.augment or {}
    found = [name for name in NAMES if chosen.get(name)]
    for trick, (name, plain) in PLAIN.items():
        if getattr(settings, name) != plain and (trick != "auxiliary" or has_heads):
            found.append(trick)
    return found


def left_out(settings: Supervised, tricks: Collection[str]) -> dict[str, Any]:
    """Returns the settings that leave these tricks out.

    Example:
        >>> from workers.networks.classification import Classification
        >>> left_out(Classification(augment={"cutout": 4, "flip": True}, ema=0.99), ["cutout", "ema"])
        {'augment': {'flip': True}, 'ema': None}
    """
    found: dict[str, Any] = {}
    if any(name in tricks for name in NAMES):
        found["augment"] = {name: value for name, value in (settings.augment or {}).items() if name not in tricks}
        found["augment"] = found["augment"] or None
    for trick, (name, plain) in PLAIN.items():
        if trick in tricks:
            found[name] = plain
    if "schedule" in tricks and settings.schedule_settings is not None:
        found["schedule_settings"] = None
    return found


def settings_of(trick: str) -> Sequence[str]:
    """Returns the names of the settings that a trick is made by."""
    return ["augment"] if trick in NAMES else [PLAIN[trick][0]]
