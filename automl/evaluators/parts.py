"""What every task has, in whatever form its data are: a name, a fingerprint, three parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import numpy as np

from automl.errors import InvalidInput

PARTS = ("train", "validation", "test")


class AnyTask(ABC):
    """Data of a supervised task in whatever form: arrays in a `Task`, or data sets that are read as they are needed.

    Attributes:
        name: Name of the task in tables.

    Example:
        >>> from automl.evaluators.task import Task
        >>> part = ([[0.0, 1.0], [1.0, 0.0]], [0, 1])
        >>> isinstance(Task(part, part, part), AnyTask)
        True
    """

    name: str
    scales_targets: ClassVar[bool] = False
    """Whether a regression learns standardised targets unless it is told otherwise."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Returns 32 hexadecimal digits that change with the data."""

    def description(self) -> dict[str, str]:
        """Returns what identifies this task in a context: its name for readers, its fingerprint for equality."""
        return {"name": self.name, "fingerprint": self.fingerprint()}

    def trained_on(self, parts: str) -> AnyTask:
        """Returns the same task with more training data: "train+validation" adds the validation part, "train" nothing.

        Raises:
            InvalidInput: `parts` is something else, or the data of this task cannot be put together.
        """
        if parts == "train":
            return self
        raise self.refusal(f"on={parts!r}: its data are read as they are needed; give on='train'")

    def refusal(self, what: str) -> InvalidInput:
        """Returns the error that says what is wrong with this task."""
        return InvalidInput(f"task {self.name!r}: {what}")


class ArrayParts(Protocol):
    """A task whose parts are pairs (inputs, targets) of arrays."""

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]: ...
    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray]: ...
    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]: ...

    def refusal(self, what: str) -> InvalidInput:
        """Returns the error that says what is wrong with this task."""
