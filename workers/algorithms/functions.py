"""Evaluators of functions: activations, losses and update rules, each by what a small network reaches with it."""

from __future__ import annotations

import dataclasses
import functools
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from automl import registry
from automl.behaviour import Function
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.evaluators.task import Task
from workers.algorithms.function_networks import Activation, Moments, Protocol, accuracy, adam, cosine, relu
from workers.algorithms.function_tasks import description, flat, named, two_tasks


@dataclass(frozen=True)
class _FunctionEvaluator(Evaluator):
    """What the three evaluators share: perceptrons in numpy, float32, on one core, everything drawn from the seed.

    Inputs are flattened and standardised, images with sides above 16 averaged over 2x2 pixels. A fidelity may give
    "epochs". Accuracies are means over `networks` networks, trained side by side from different draws.

    Attributes:
        hidden: widths of the hidden layers.
        epochs: passes over the training part.
        batch: examples per step.
        networks: trained for each evaluation.

    Raises:
        InvalidInput: a setting is out of range.
    """

    metrics: ClassVar[Mapping[str, str]] = {"accuracy": "maximize"}
    arity: ClassVar[int]

    hidden: tuple[int, ...] = (32, 32)
    epochs: int = 10
    batch: int = 64
    networks: int = 4

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "networks"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name}={getattr(self, name)}: give at least 1")
        if not self.hidden or not all(isinstance(width, int) and width >= 1 for width in self.hidden):
            raise InvalidInput(f"hidden={list(self.hidden)}: give at least one width, each at least 1")

    @abstractmethod
    def protocol(self, call: Any) -> Protocol:
        """Returns how to train with a candidate's function in its place."""

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        behaviour = work.behaviour
        if not isinstance(behaviour, Function) or behaviour.torch or behaviour.arity != self.arity:
            raise InvalidInput(
                f"the evaluator {self.name!r} takes functions of {self.arity} numpy arrays, not this {behaviour.kind}; "
                f"search the space {self.name!r}, or another space of such functions, with it"
            )
        for name in how.fidelity.keys() - {"epochs"}:
            raise InvalidInput(registry.unknown(f"fidelity of {self.name}", name, ["epochs"]))
        chosen = dataclasses.replace(self, **how.fidelity) if how.fidelity else self
        with np.errstate(all="ignore"):
            protocol = chosen.protocol(behaviour.call)
        return chosen.measure(protocol, how)

    @abstractmethod
    def measure(self, protocol: Protocol, how: Evaluation) -> Metrics:
        """Trains and measures."""


@dataclass(frozen=True)
class _OnOneTask(_FunctionEvaluator):
    """An evaluator with one task.

    Attributes:
        task: a name, or a Task with classes as targets.
        learning_rate: of Adam at the first step; it falls to 0 as a cosine.
    """

    task: Task | str = "digits"
    learning_rate: float = 0.01

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "hidden": list(self.hidden), "task": description(named(self.task))}

    def prepare(self) -> None:
        flat(named(self.task))

    def measure(self, protocol: Protocol, how: Evaluation) -> Metrics:
        return {"accuracy": accuracy(flat(named(self.task)), how.part, protocol, how.seed)}


@dataclass(frozen=True)
class ActivationTraining(_OnOneTask):
    """Trains multi-layer perceptrons with the candidate as activation function, and measures their accuracy.

    The candidate maps x to (value, derivative). Training minimises cross-entropy with Adam. The metric "accuracy" is
    the mean over `networks` networks on the evaluation's part of the data, from 0 to 1.

    Initial weights are scaled so that the second moment of signals is kept, as He et al. 2015 derive for ReLU: gain² =
    1 / E[f(z)²] for standard normal z, bounded by 1/10 and 10. A function is thus not judged by its scale.

    Example:
        >>> ActivationTraining(epochs=1, networks=2).settings()["hidden"]
        [24, 24, 24, 24, 24]
    """

    name: ClassVar[str] = "activation"
    arity: ClassVar[int] = 1

    hidden: tuple[int, ...] = (24, 24, 24, 24, 24)

    def protocol(self, call: Any) -> Protocol:
        return Protocol(
            call, None, adam(self.learning_rate), self.hidden, self.epochs, self.batch, self.networks, gain_of(call)
        )


@functools.lru_cache(maxsize=1)
def _normal_points() -> np.ndarray:
    found: np.ndarray = special.ndtri((np.arange(1000) + 0.5) / 1000).astype(np.float32)
    return found


def gain_of(activation: Activation) -> float:
    """Returns the factor for initial weights with which an activation keeps the scale of signals.

    Raises:
        CandidateFailure: the function is not finite at usual values.

    Example:
        >>> import numpy as np
        >>> gain = gain_of(lambda z: (np.maximum(z, 0), (z > 0).astype(z.dtype)))
        >>> round(float(gain) ** 2, 1)  # He et al. 2015: 2 for ReLU
        2.0
    """
    value, _ = activation(_normal_points())
    moment = float(np.mean(np.square(value, dtype=np.float64)))
    if not math.isfinite(moment):
        raise CandidateFailure("the function is not finite between -3.3 and 3.3")
    return min(max(1.0 / math.sqrt(moment), 0.1), 10.0) if moment > 0 else 1.0


@dataclass(frozen=True)
class LossTraining(_OnOneTask):
    """Trains multi-layer perceptrons (ReLU, Adam) with the candidate as loss, and measures their accuracy.

    The candidate gives the derivative of f(prediction, target) with respect to the prediction, the probability of one
    class; the target is 1 for the right class and 0 for the others. The loss is the sum over classes.

    Attributes:
        label_noise: Share of training examples whose class is replaced by a random one, the same examples for all
            candidates; validation and test part stay unchanged.

    Example:
        >>> LossTraining(label_noise=0.2).settings()["label_noise"]
        0.2
    """

    name: ClassVar[str] = "loss"
    arity: ClassVar[int] = 2

    label_noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.label_noise <= 1.0:
            raise InvalidInput(f"label_noise={self.label_noise}: a share lies between 0 and 1")

    def protocol(self, call: Any) -> Protocol:
        return Protocol(relu, call, adam(self.learning_rate), self.hidden, self.epochs, self.batch, self.networks)

    def measure(self, protocol: Protocol, how: Evaluation) -> Metrics:
        task = flat(named(self.task))
        if self.label_noise:
            task = dataclasses.replace(task, train=(task.train[0], _noisy(task.train[1], self.label_noise)))
        return {"accuracy": accuracy(task, how.part, protocol, how.seed)}


def _noisy(targets: np.ndarray, share: float) -> np.ndarray:
    """Returns one-hot targets, a share of them drawn anew; always the same ones."""
    rng = np.random.Generator(np.random.Philox(0))
    moved = rng.random(len(targets)) < share
    drawn = rng.integers(targets.shape[1], size=len(targets))
    noisy = targets.copy()
    noisy[moved] = np.eye(targets.shape[1], dtype=targets.dtype)[drawn[moved]]
    return noisy


@dataclass(frozen=True)
class OptimizerTraining(_FunctionEvaluator):
    """Trains multi-layer perceptrons with the candidate as update rule on several tasks, and measures their accuracy.

    The candidate returns what is subtracted from each weight; no learning rate is applied to it. Its eight arguments,
    in this order, are arrays of the weights' shape: the gradient g; the momentum buffer b ← 0.9 b + g; the
    bias-corrected moving averages of g (decay rate 0.9) and of g² (decay rate 0.999); the weight; the number of the
    step, from 1; and two schedules that fall from 1 towards 0, linear and cosine. After Bello et al. 2017 (arXiv
    1709.07417), section 4.

    Metrics on the evaluation's part of the data, from 0 to 1: "accuracy", the mean over the tasks, and "worst", the
    accuracy on the task with the lowest.

    Attributes:
        tasks: Sequence of task names (registered ones, such as "digits" or "fashion-mnist-6k") or `Task` objects for
            classification. By default "digits" and "fashion-mnist-6k" (5,000 training images); without that file in the
            data folder, "digits" and "digits-parity". The tasks are part of the context, so results on different tasks
            are stored apart.

    Example:
        >>> evaluator = OptimizerTraining(tasks=("digits", "digits-parity"))
        >>> evaluator.metrics
        {'accuracy': 'maximize', 'worst': 'maximize'}
    """

    name: ClassVar[str] = "optimizer"
    metrics: ClassVar[Mapping[str, str]] = {"accuracy": "maximize", "worst": "maximize"}
    arity: ClassVar[int] = 8

    epochs: int = 5
    networks: int = 2
    tasks: tuple[Task | str, ...] = dataclasses.field(default_factory=two_tasks)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.tasks, str | Task) or not self.tasks:
            raise InvalidInput(f"tasks={self.tasks!r}: give a list of at least one task")
        object.__setattr__(self, "tasks", tuple(self.tasks))

    def settings(self) -> dict[str, Any]:
        tasks = [description(named(task)) for task in self.tasks]
        return {**super().settings(), "hidden": list(self.hidden), "tasks": tasks}

    def prepare(self) -> None:
        for task in self.tasks:
            flat(named(task))

    def protocol(self, call: Any) -> Protocol:
        def update(moments: Moments, weights: np.ndarray, step: float, steps: float) -> np.ndarray:
            found = call(
                moments.gradient, moments.buffer, moments.mean, moments.square, weights,
                _like(weights, step), _like(weights, 1.0 - (step - 1) / steps), _like(weights, cosine(step, steps)),
            )  # fmt: skip
            return np.asarray(found, dtype=np.float32)

        return Protocol(relu, None, update, self.hidden, self.epochs, self.batch, self.networks)

    def measure(self, protocol: Protocol, how: Evaluation) -> Metrics:
        found = [accuracy(flat(named(task)), how.part, protocol, how.seed) for task in self.tasks]
        return {"accuracy": sum(found) / len(found), "worst": min(found)}


def _like(array: np.ndarray, value: float) -> np.ndarray:
    """Returns a view of one number in an array's shape."""
    return np.broadcast_to(np.float32(value), array.shape)
