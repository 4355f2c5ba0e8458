"""What is refused of an evaluator's settings before a search begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Behaviour
from automl.errors import InvalidInput, brief

if TYPE_CHECKING:
    from workers.networks.supervised import Supervised

_PRECISIONS = ("auto", "float32", "float16", "bfloat16")
_LEAST = {
    "epochs": 1,
    "batch_size": 2,
    "learning_rate": 0,
    "momentum": 0,
    "weight_decay": 0,
    "pieces": 1,
    "auxiliary": 0,
    "patience": 1,
}
_WITHOUT_TORCH = {"optimizer": ("sgd", "adamw"), "schedule": ("cosine", "constant")}
"""Names that need no look at torch, so that making an evaluator does not load it."""


def check_settings(one: Supervised) -> None:
    """Refuses settings that no training can have.

    Raises:
        InvalidInput: the setting, its value and what is possible are named.
    """
    _check_name("precision", one.precision, _PRECISIONS)
    if not callable(one.loss):
        _check_name("loss", one.loss, one.losses)
    for name, low in _LEAST.items():
        value = getattr(one, name)
        if value is not None and (not isinstance(value, int | float) or not value >= low):
            raise InvalidInput(f"{name} is {value!r}; it must be at least {low}")
    for name in ("warmup", "label_smoothing", "ema", "drop_path"):
        value = getattr(one, name)
        if value is not None and not 0 <= value <= 1:
            raise InvalidInput(f"{name} is {value!r}; it must lie between 0 and 1")
    for name in ("optimizer_settings", "schedule_settings", "augment"):
        value = getattr(one, name)
        if value is not None and not isinstance(value, Mapping):
            raise InvalidInput(f"{name} is {brief(value)}; it must be a dictionary of names and values")
    weights = one.class_weights
    if isinstance(weights, str) and weights != "balanced":
        raise InvalidInput(f'class_weights is {weights!r}; it must be "balanced" or a weight for each class')
    if weights is not None and (one.kind_of.__name__ == "Values" or one.loss not in _WEIGHTED):
        raise InvalidInput(f"class_weights are for the losses {', '.join(_WEIGHTED)}, and the loss is {one.loss}")
    _ = one.table  # refuses metrics that are unknown
    _check_torch(one)


_WEIGHTED = ("cross_entropy", "focal", "binary_cross_entropy")


def _check_name(what: str, name: Any, known: Sequence[str]) -> None:
    if name not in known:
        raise InvalidInput(f"{what} {name!r} is unknown; known: {', '.join(known)}")


def _check_torch(one: Supervised) -> None:
    """Looks at names and settings of torch, where there are any."""
    for name in ("optimizer", "schedule"):
        if not isinstance(getattr(one, name), str):
            raise InvalidInput(f"{name} is {brief(getattr(one, name))}; give a name")
    named = any(getattr(one, name) not in known for name, known in _WITHOUT_TORCH.items())
    if named or one.optimizer_settings or one.schedule_settings:
        import torch

        from workers.networks.optimizers import OWN_SCHEDULES, Rates, optimizer_of

        if one.schedule in OWN_SCHEDULES and one.schedule_settings:
            raise InvalidInput(
                f"schedule {one.schedule} takes no schedule_settings; name one of torch's, or leave them out"
            )
        Rates(optimizer_of([torch.nn.Parameter(torch.zeros(2, 2))], one), one, 2)
    if one.augment:
        from workers.networks.augmentation import check_augmentation

        check_augmentation(one.augment)


def misfit_of(one: Supervised, behaviour: Behaviour) -> str:
    """Says why a behaviour cannot be trained by an evaluator; an empty text where it can."""
    from workers.networks import training

    return training.misfit(behaviour, one.parts("cpu"), one)


def has_heads(one: Supervised, behaviour: Behaviour) -> bool:
    """Tells whether a network has auxiliary heads: in training it gives a tuple."""
    from workers.networks import training
    from workers.networks.batches import called

    with training.seeded(0, "cpu"):
        module = training.module_of(behaviour).train()
        inputs, _ = one.parts("cpu").train.first(2)
        return isinstance(called(module, inputs), tuple)
