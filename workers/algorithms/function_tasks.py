"""Tasks as small networks in numpy take them: flat, standardised inputs and one-hot targets."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from automl import registry
from automl.errors import InvalidInput
from automl.evaluators.base import Part
from automl.evaluators.task import Task
from workers.remembered import Remembered, described
from workers.tasks import data_folder, digits

LARGEST_SIDE = 16
"""Larger images are averaged over 2x2 pixels until their sides are no longer than this."""


@dataclass(frozen=True)
class Flat:
    """A task's parts for small networks.

    Attributes:
        train: inputs, float32 of shape (examples, features), with mean 0 and variance 1 over the whole training part;
            and targets, one-hot float32 of shape (examples, classes).
        held: the same inputs of the other parts with their classes as integers.
    """

    train: tuple[np.ndarray, np.ndarray]
    held: dict[Part, tuple[np.ndarray, np.ndarray]]


def named(task: Task | str) -> Task:
    """Returns the task itself.

    Raises:
        InvalidInput: no task of this name, or its data is not there.
    """
    return task if isinstance(task, Task) else _by_name(task)


@functools.lru_cache(maxsize=8)
def _by_name(name: str) -> Task:
    task = registry.load("tasks", name)()
    assert isinstance(task, Task)
    return task


def flat(task: Task) -> Flat:
    """Returns a task prepared once a process.

    Raises:
        InvalidInput: targets are not classes counted from 0, or an input is not finite.
    """
    return _prepared(task)


def description(task: Task) -> dict[str, str]:
    """Returns a task's description.

    Raises:
        InvalidInput: as `flat` does.
    """
    found = described(task)
    flat(task)
    return found


def _flattened(task: Task) -> Flat:
    inputs = {part: _pixels(getattr(task, part)[0]) for part in ("train", "validation", "test")}
    targets = {part: np.asarray(getattr(task, part)[1]) for part in inputs}
    for part in inputs:
        if not np.isfinite(inputs[part]).all():
            raise InvalidInput(f"task {task.name!r}: an input of part {part!r} is not finite")
        if not np.issubdtype(targets[part].dtype, np.integer) or targets[part].min() < 0:
            raise InvalidInput(f"task {task.name!r}: targets must be classes counted from 0 for a classifier")
    mean, deviation = inputs["train"].mean(), inputs["train"].std() or 1.0
    scaled = {part: ((item - mean) / deviation).astype(np.float32) for part, item in inputs.items()}
    classes = 1 + max(int(item.max()) for item in targets.values())
    one_hot = np.eye(classes, dtype=np.float32)[targets["train"]]
    held: dict[Part, tuple[np.ndarray, np.ndarray]] = {
        "validation": (scaled["validation"], targets["validation"]),
        "test": (scaled["test"], targets["test"]),
    }
    return Flat((scaled["train"], one_hot), held)


_prepared = Remembered(_flattened)


def _pixels(inputs: np.ndarray) -> np.ndarray:
    """Returns inputs of shape (examples, features); large images are averaged first."""
    images = np.asarray(inputs, dtype=np.float32)
    while images.ndim >= 3 and min(images.shape[-2:]) > LARGEST_SIDE and not any(n % 2 for n in images.shape[-2:]):
        height, width = images.shape[-2:]
        images = images.reshape(*images.shape[:-2], height // 2, 2, width // 2, 2).mean(axis=(-3, -1))
    return images.reshape(len(images), -1)


def digits_parity() -> Task:
    """Returns scikit-learn's digits with two classes, 0 for even and 1 for odd digits, as a `Task`.

    Images have shape (1, 8, 8) with values in [0, 1]: 898 for training, and a quarter of 1,797 each for validation and
    test, as in `workers.tasks.digits`.

    Example:
        >>> task = digits_parity()
        >>> task.train[0].shape, sorted(set(task.train[1].tolist()))
        ((898, 1, 8, 8), [0, 1])
    """
    return _parity()


@functools.lru_cache(maxsize=1)
def _parity() -> Task:
    ten = digits()
    train, validation, test = ((inputs, digit % 2) for inputs, digit in (ten.train, ten.validation, ten.test))
    return Task(train, validation, test, name="digits-parity")


def two_tasks() -> tuple[str, str]:
    """Returns the names of two real tasks: digits, and Fashion-MNIST if its file is there, else even and odd digits."""
    there = (data_folder() / "images" / "fashion_mnist_6k2k.npz").is_file()
    return "digits", "fashion-mnist-6k" if there else "digits-parity"
