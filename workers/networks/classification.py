"""Training image or feature classifiers with torch: the evaluator behind real architecture searches."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from automl import registry
from automl.behaviour import Array, Probe
from automl.errors import InvalidInput, brief
from automl.evaluators.base import Evaluation, Evaluator, Fidelity, Metrics, Work
from automl.evaluators.delivery import Delivers
from automl.evaluators.task import Task
from workers.remembered import described

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workers.networks.training import Tensors

_ALIASES = {"lr": "learning_rate"}
_CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("cosine", "constant"),
    "precision": ("auto", "float32", "float16", "bfloat16"),
}


@dataclass(frozen=True)
class Classification(Delivers, Evaluator):
    """Trains a candidate's torch module on a task, and measures its accuracy on a held-out part.

    Metrics are "accuracy" (a fraction) and "loss" (mean cross-entropy in nats). Initial weights, order of examples and
    dropout come from the evaluation's seed: on the CPU, equal seeds give bit-for-bit equal metrics with equally many
    threads. Training stops with an error as soon as the loss is not finite.

    After every epoch the learning curve gets "train_loss", the mean over the epoch's steps, and both metrics on the
    validation part; if that part is large compared with the training part, only every n-th epoch, so that measuring
    costs less than a tenth of training. The curve changes no result.

    A space's `training` may give any of the fields from `epochs` to `gradient_clip` for one candidate ("lr" is short
    for "learning_rate"). The fidelity {"epochs": n} stops the same training after n epochs, in the middle of its
    schedule; with a checkpoint, a longer evaluation continues from there.

    Attributes:
        task: `Task`, or the name of a registered one. Inputs are float arrays of shape (examples, channels, height,
            width), (examples, height, width), which get a channel axis, or (examples, features); unsigned bytes are
            divided by 255, other integers stay (token indices). Targets are integer classes from 0, of shape
            (examples,): see `Task.classes` for what is refused.
        epochs: Number of passes over the training part.
        batch_size: Number of examples per step; the last, smaller batch of an epoch is left out unless it is the only
            one.
        optimizer: "sgd" (Nesterov) or "adamw".
        learning_rate: Largest learning rate of the schedule.
        momentum: Momentum of sgd.
        weight_decay: Weight decay, as in torch's optimizers.
        schedule: "cosine" (down to 0) or "constant", after the warm-up.
        warmup: Share of all steps in which the learning rate rises linearly.
        label_smoothing: Label smoothing of the training loss, from 0 to 1.
        gradient_clip: Largest norm of all gradients together; None does not clip.
        precision: "float32"; "float16" or "bfloat16" for automatic mixed precision; "auto" takes float16 with loss
            scaling on CUDA and float32 on the CPU.

    Example:
        >>> evaluator = Classification(task="digits", epochs=3)
        >>> evaluator.metrics, evaluator.resumable
        ({'accuracy': 'maximize', 'loss': 'minimize'}, True)
        >>> evaluator.adjusted({"lr": 0.05}).learning_rate  # what a space's `training` gives for one candidate
        0.05
        >>> evaluator.adjusted({"larning_rate": 0.05})
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown training setting 'larning_rate'; did you mean learning_rate?
    """

    name: ClassVar[str] = "classification"
    version: ClassVar[str] = "1"
    metrics: ClassVar[Mapping[str, str]] = {"accuracy": "maximize", "loss": "minimize"}
    resumable: ClassVar[bool] = True

    task: Task | str = "digits"
    epochs: int = 10
    batch_size: int = 64
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    warmup: float = 0.1
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InvalidInput(f"{name} {getattr(self, name)!r} is unknown; known: {', '.join(allowed)}")
        for name, low in (("epochs", 1), ("batch_size", 2), ("learning_rate", 0), ("momentum", 0), ("weight_decay", 0)):
            if not getattr(self, name) >= low:
                raise InvalidInput(f"{name} is {getattr(self, name)!r}; it must be at least {low}")
        for name in ("warmup", "label_smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is {getattr(self, name)!r}; it must lie between 0 and 1")
        if not isinstance(self.task, Task | str):
            raise InvalidInput(
                f"task is {brief(self.task)}; give an automl.Task, or one of {', '.join(registry.names('tasks'))}"
            )
        if isinstance(self.task, Task):
            _ = self.task.classes  # refuses what cannot be classified, before anything is written

    def data(self) -> Task:
        """Returns the task itself.

        Raises:
            InvalidInput: no task of this name, or its data is not there.
        """
        if isinstance(self.task, Task):
            return self.task
        return _named(self.task)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "task": described(self.data())}

    def prepare(self) -> None:
        from workers.networks import training

        training.tensors(self.data(), "cpu")

    def probe(self) -> Probe:
        from workers.networks.training import prepared

        inputs = prepared(self.data().train[0])
        if np.issubdtype(inputs.dtype, np.integer):
            return Probe(inputs=(Array(tuple(inputs.shape[1:]), int(inputs.min()), int(inputs.max())),))
        return Probe(inputs=(Array(tuple(inputs.shape[1:])),))

    def for_device(self, device: str) -> Classification:
        if self.precision != "auto":
            return self
        return dataclasses.replace(self, precision="float16" if device.startswith("cuda") else "float32")

    def approximations(self) -> Sequence[Fidelity]:
        return [Fidelity(epochs / self.epochs, {"epochs": epochs}) for epochs in range(1, self.epochs)]

    def check(self, work: Work) -> None:
        """Refuses training settings that this evaluator does not know."""
        self.adjusted(work.training)

    def misfit(self, work: Work) -> str:
        """Says why a network cannot run on two training examples, or gives no logit for each class."""
        from workers.networks import training

        return training.misfit(work.behaviour, self.data())

    def adjusted(self, training: Mapping[str, Any]) -> Classification:
        """Returns this evaluator with a candidate's training settings in place of its own.

        Raises:
            InvalidInput: a setting that this evaluator does not know, or an impossible value.
        """
        if not training:
            return self
        known = [item.name for item in dataclasses.fields(self) if item.name not in ("task", "precision")]
        changes: dict[str, Any] = {}
        for name, value in training.items():
            field = _ALIASES.get(name, name)
            if field not in known:
                raise InvalidInput(registry.unknown("training setting", name, [*known, *_ALIASES]))
            changes[field] = value
        return dataclasses.replace(self, **changes)

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        from workers.networks.snapshots import Unreadable

        saved = how.checkpoint.read() if how.checkpoint else None
        try:
            metrics = self._trained(work, how, saved)
        except Unreadable:
            metrics = self._trained(work, how, None)
        if how.checkpoint and not how.fidelity:
            how.checkpoint.discard()
        return metrics

    def _trained(self, work: Work, how: Evaluation, saved: bytes | None) -> Metrics:
        from workers.networks import training

        settings = self.adjusted(work.training).for_device(how.device)
        data: Tensors = training.tensors(self.data(), how.device)
        until = self._until(how.fidelity, settings.epochs)
        with training.seeded(how.seed, how.device):
            module = training.module_of(work.behaviour).to(how.device)
            held = data.validation if how.part == "validation" else None  # what is tested is looked at once
            training.fit(module, data.train, settings, how, until, held, saved)
            metrics = training.measure(module, getattr(data, how.part), settings)
            how.keep(module)
        if how.curve.points:
            how.report(until, metrics)
        return metrics

    def untrained(self, work: Work, how: Evaluation) -> nn.Module:
        from workers.networks import training

        with training.seeded(how.seed, how.device):
            return training.module_of(work.behaviour).to(how.device)

    def measured(self, module: nn.Module, work: Work, how: Evaluation) -> Metrics:
        from workers.networks import training

        settings = self.adjusted(work.training).for_device(how.device)
        with training.preserved_random_state(how.device):
            return training.measure(module, getattr(training.tensors(self.data(), how.device), how.part), settings)

    def examples(self, how: Evaluation, most: int) -> tuple[torch.Tensor, ...]:
        from workers.networks import training

        inputs, _ = getattr(training.tensors(self.data(), how.device), how.part)
        return (inputs[:most],)

    def trained_on(self, parts: str) -> Classification:
        return dataclasses.replace(self, task=self.data().trained_on(parts))

    def _until(self, fidelity: Mapping[str, Any], epochs: int) -> int:
        """Returns the epoch to stop after: of a candidate with epochs of its own, the same share of them."""
        if unknown := set(fidelity) - {"epochs"}:
            raise InvalidInput(registry.unknown("fidelity of classification", min(unknown), ["epochs"]))
        return max(1, round(epochs * fidelity["epochs"] / self.epochs)) if fidelity else epochs


@functools.lru_cache(maxsize=8)
def _named(name: str) -> Task:
    task = registry.load("tasks", name)()
    assert isinstance(task, Task)
    _ = task.classes
    return task
