"""The data of a supervised learning task."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xxhash

from automl.behaviour import Array
from automl.errors import InvalidInput, brief
from automl.evaluators.checks import check_apart, check_inputs
from automl.evaluators.labels import class_labels
from automl.evaluators.parts import PARTS, AnyTask


@dataclass(frozen=True)
class Task(AnyTask):
    """Supervised learning task with three disjoint parts: train, validation and test.

    Each part is a pair (inputs, targets) of numpy arrays, or of what can be converted without loss: lists, torch
    tensors, data frames of numbers. Class names stay text, for evaluators that take text.

    Attributes:
        train: Pair (inputs, targets): inputs are numbers of shape (examples, ...), targets integer classes or float
            values.
        validation: Pair of the same form, for the selection of candidates.
        test: Pair of the same form, for the final figures; no search reads it.
        name: Name of the task in tables.
        layout: What inputs of shape (examples, a, b) are: "auto" takes numbers for grey images, which get a channel
            axis; "series" leaves them as they are, steps of several features.
        outputs: Number of classes or tokens, where the data lack some, as a vocabulary may; None reads it off the
            targets. It changes no figure, and is not in the fingerprint.

    Raises:
        InvalidInput: a part is not such a pair, holds no numbers, or has another shape than the others; the layout is
            unknown.

    Example:
        >>> part = ([[0.0, 1.0], [1.0, 0.0]], [0, 1])
        >>> Task(part, part, part).example()
        Array(shape=(2,), low=None, high=None, name='')
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    name: str = "own"
    layout: str = "auto"
    outputs: int | None = None

    def __post_init__(self) -> None:
        if self.layout not in ("auto", "series"):
            raise self.refusal(f'layout is {self.layout!r}; it must be "auto" or "series"')
        for part in PARTS:
            inputs, targets = self._arrays(part)
            object.__setattr__(self, part, (inputs, targets))
            if len(inputs) == 0 or len(inputs) != len(targets):
                raise self.refusal(
                    f"part {part!r} has {len(inputs)} inputs and {len(targets)} targets; "
                    "give one target for every input, and at least one"
                )
            for what, own, first in zip(("inputs", "targets"), (inputs, targets), self.train, strict=True):
                if own.shape[1:] != first.shape[1:]:
                    raise self.refusal(
                        f"the {what} of part {part!r} have the shape {own.shape[1:]} an example, those of 'train' "
                        f"{first.shape[1:]}; all parts must be alike"
                    )

    def _arrays(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        given = getattr(self, part)
        if isinstance(given, np.ndarray) or not isinstance(given, Sequence) or len(given) != 2:
            raise self.refusal(
                f"part {part!r} is {_kind(given)}; give a pair (inputs, targets) of arrays with one row an example"
            )
        return self._array(given[0], f"the inputs of part {part!r}"), self._array(
            given[1], f"the targets of part {part!r}"
        )

    def _array(self, given: Any, what: str) -> np.ndarray:
        try:
            for step in ("detach", "cpu"):  # what a torch tensor needs before it can be read
                given = getattr(given, step)() if hasattr(given, step) else given
            array = np.asarray(given)
        except (TypeError, ValueError, RuntimeError) as error:
            raise self.refusal(f"{what} are {_kind(given)}, which is no array of numbers ({error})") from error
        if array.ndim == 0:
            raise self.refusal(f"{what} are {_kind(given)}; give one row an example")
        if array.dtype.kind == "O" and all(isinstance(one, str) for one in array.ravel()):
            array = array.astype(str)  # names of classes in a frame
        if array.dtype.kind in "OV":
            raise self.refusal(
                f"{what} hold {brief(next(iter(array.ravel().tolist()), None), 40)}, which is neither a number nor a "
                "text; give numbers, in one shape for all examples"
            )
        return array

    def fingerprint(self) -> str:
        """Returns 32 hexadecimal digits of the content of all three parts; the name does not matter."""
        digest = xxhash.xxh3_128()
        for part in PARTS:
            for array in getattr(self, part):
                array = np.ascontiguousarray(array)
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                if array.size:
                    digest.update(array.reshape(-1).view(np.uint8).data)  # without a copy of large data
        if self.layout != "auto":
            digest.update(self.layout.encode())
        return digest.hexdigest()

    def description(self) -> dict[str, str]:
        """Returns what identifies this task in a context: its name for readers, its fingerprint for equality.

        The fingerprint is computed from the data as they are now, since arrays can be changed in place.
        """
        self.__dict__.pop("classes", None)
        return super().description()

    def trained_on(self, parts: str) -> Task:
        """Returns the same task with more training data.

        Args:
            parts: "train" leaves it as it is, "train+validation" adds the validation part to the training part.

        Raises:
            InvalidInput: `parts` is something else.

        Example:
            >>> part = ([[0.0, 1.0], [1.0, 0.0]], [0, 1])
            >>> len(Task(part, part, part).trained_on("train+validation").train[0])
            4
        """
        if parts == "train":
            return self
        if parts != "train+validation":
            raise InvalidInput(f"on={parts!r}: give 'train' or 'train+validation'; the test part is only measured on")
        inputs, targets = (np.concatenate(pair) for pair in zip(self.train, self.validation, strict=True))
        return dataclasses.replace(self, train=(inputs, targets))

    def example(self) -> Array:
        """Returns the shape of one input."""
        return Array(tuple(self.train[0].shape[1:]))

    @cached_property
    def classes(self) -> int:
        """The number of classes, for classifiers.

        Targets are whole numbers from 0, or anything that `class_labels` reads as classes: names, one-hot rows, a
        column, whole numbers that begin elsewhere.

        Raises:
            InvalidInput: the targets are no classes, a held-out part has classes that the training part lacks, an
                input is not finite, the parts hold numbers of different kinds, or two parts are the same examples.
        """
        check_inputs(self)
        found = class_labels(self)
        check_apart(self)
        return len(found.names)


def _kind(given: Any) -> str:
    return f"a {type(given).__name__}" + (f" of {len(given)}" if isinstance(given, list | tuple) else "")
