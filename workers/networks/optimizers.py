"""Optimizers and learning-rate schedules by name: our own two, and those of torch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from automl import registry
from automl.errors import InvalidInput
from workers.networks.settings import Settings

OWN_SCHEDULES = ("cosine", "constant")

_EVERY_STEP = ("OneCycleLR", "CyclicLR")
"""Schedules of torch that count steps; all others count epochs."""

_WARM_BY_THEMSELVES = (*_EVERY_STEP, "LinearLR", "ConstantLR")
"""Schedules that begin low on their own: the warm-up of the settings is not for them."""

_NOT_BY_NAME = {
    "LBFGS": "it evaluates the loss several times a step",
    "SparseAdam": "it takes sparse gradients only",
    "Optimizer": "it is their base class",
}


def optimizer_class(name: str) -> type[torch.optim.Optimizer]:
    """Returns a class of torch's optimizers by its name, whatever the case.

    Raises:
        InvalidInput: torch has none of this name, or it needs another loop; the nearest names are offered.

    Example:
        >>> optimizer_class("rmsprop").__name__
        'RMSprop'
    """
    found = {
        item.__name__.lower(): item
        for item in vars(torch.optim).values()
        if inspect.isclass(item) and issubclass(item, torch.optim.Optimizer)
    }
    kind = found.get(name.lower())
    if kind is None:
        known = sorted(set(found) - {item.lower() for item in _NOT_BY_NAME})
        raise InvalidInput(registry.unknown("optimizer", name, known))
    if kind.__name__ in _NOT_BY_NAME:
        raise InvalidInput(f"optimizer {name!r} cannot be used here: {_NOT_BY_NAME[kind.__name__]}")
    return kind


def optimizer_of(parameters: list[nn.Parameter], settings: Settings) -> torch.optim.Optimizer:
    """Returns the optimizer of a training. "sgd" is with Nesterov's momentum, all others are torch's as they are.

    Raises:
        InvalidInput: the optimizer does not know a setting.
    """
    name, more = settings.optimizer.lower(), dict(settings.optimizer_settings or {})
    kind = optimizer_class(name)
    given: dict[str, Any] = {"lr": settings.learning_rate}
    if "weight_decay" in inspect.signature(kind).parameters:
        given["weight_decay"] = settings.weight_decay
    if name == "sgd":
        given |= {"momentum": settings.momentum, "nesterov": settings.momentum > 0}
    given |= {key: tuple(value) if isinstance(value, list) else value for key, value in more.items()}
    made: torch.optim.Optimizer = _called(kind, f"optimizer {settings.optimizer}", parameters, given)
    return made


def _called(kind: Callable[..., Any], what: str, first: Any, given: Mapping[str, Any]) -> Any:
    known = list(inspect.signature(kind).parameters)[1:]
    for name in given:
        if name not in known:
            raise InvalidInput(registry.unknown(f"setting of {what}", name, known))
    try:
        return kind(first, **given)
    except (TypeError, ValueError, AssertionError) as error:
        raise InvalidInput(f"{what} refuses its settings: {error}") from error


def schedule_class(name: str) -> type[Any]:
    """Returns a class of torch's schedules by its name, whatever the case, with or without its "LR".

    Raises:
        InvalidInput: torch has none of this name, or it is made of others; the nearest names are offered.

    Example:
        >>> schedule_class("one_cycle").__name__, schedule_class("StepLR").__name__
        ('OneCycleLR', 'StepLR')
    """
    room = torch.optim.lr_scheduler
    made_of_others = ("LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler", "LRScheduler")
    kinds = [item for item in vars(room).values() if inspect.isclass(item) and issubclass(item, room.LRScheduler)]
    found = {item.__name__.lower(): item for item in kinds if item.__name__ not in made_of_others}
    plain = name.lower().replace("_", "")
    kind = found.get(plain) or found.get(f"{plain}lr")
    if kind is None:
        known = [*OWN_SCHEDULES, *(item.__name__ for item in found.values())]
        raise InvalidInput(registry.unknown("schedule", name, known))
    return kind


class Rates:
    """The learning rates of one training, step by step.

    Args:
        optimizer: whose rates are set.
        settings: of the training.
        steps: steps of an epoch.

    Raises:
        InvalidInput: the schedule does not know a setting.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: Settings, steps: int) -> None:
        self._optimizer = optimizer
        self._own = settings.schedule in OWN_SCHEDULES
        self._steps, self._warmup, self._done = steps, settings.warmup * steps * settings.epochs, 0
        self._peaks: list[float] = []
        if self._own:
            share = _share(settings.schedule, self._warmup, steps * settings.epochs)
            self.schedule: Any = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
            return
        kind = schedule_class(settings.schedule)
        self._each = kind.__name__ in _EVERY_STEP
        self._looks = kind.__name__ == "ReduceLROnPlateau"
        if kind.__name__ in _WARM_BY_THEMSELVES:
            self._warmup = 0.0
        total = steps * settings.epochs if self._each else settings.epochs
        given = {"T_max": total, "total_iters": total, "total_steps": total, "max_lr": settings.learning_rate}
        given |= {"step_size": max(1, total // 3), "gamma": 0.1, "T_0": total, "base_lr": settings.learning_rate / 25}
        given |= {"step_size_up": max(1, total // 2)}
        wanted = {
            name
            for name, one in inspect.signature(kind).parameters.items()
            if one.default is inspect.Parameter.empty or name in ("total_steps", "total_iters", "step_size_up")
        }
        chosen = {name: value for name, value in given.items() if name in wanted} | dict(
            settings.schedule_settings or {}
        )
        self.schedule = _called(kind, f"schedule {settings.schedule}", optimizer, chosen)
        self._warm()

    def _warm(self) -> None:
        """Sets the rates of the next step while they still rise; torch's schedule begins where that ends."""
        groups = self._optimizer.param_groups
        if self._done < self._warmup:
            if not self._peaks:
                self._peaks = [float(group["lr"]) for group in groups]
            for group, peak in zip(groups, self._peaks, strict=True):
                group["lr"] = peak * (self._done + 1) / (self._warmup + 1)
        elif self._peaks:
            for group, peak in zip(groups, self._peaks, strict=True):
                group["lr"] = peak
            self._peaks = []

    @property
    def looks(self) -> bool:
        """True for a schedule that follows a figure on held-out data."""
        return not self._own and self._looks

    def after_step(self) -> None:
        """Sets the rates of the next step."""
        if self._own:
            self.schedule.step()
            return
        self._done += 1
        if self._each:
            self.schedule.step()
        elif self._warmup:
            self._warm()

    def after_epoch(self, figure: float | None = None) -> None:
        """Sets the rates of the next epoch.

        Args:
            figure: what a schedule that `looks` follows; smaller is better.
        """
        if self._own or self._each or self._done < self._warmup:
            return
        if self.looks:
            self.schedule.step(figure)
        else:
            self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """Returns the state as plain data and tensors."""
        state: dict[str, Any] = self.schedule.state_dict()
        return state if self._own else {"schedule": state, "done": self._done, "peaks": list(self._peaks)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts a state in place of this one; the optimizer's rates come with its own state."""
        if self._own:
            self.schedule.load_state_dict(state)
            return
        self.schedule.load_state_dict(state["schedule"])
        self._done, self._peaks = int(state["done"]), list(state["peaks"])


def _share(schedule: str, warmup: float, steps: int) -> Callable[[int], float]:
    """Returns the share of the highest learning rate at each step."""

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if schedule == "constant":
            return 1.0
        done = (step - warmup) / max(1.0, steps - warmup)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))

    return share
