"""Kinds of supervised tasks: what the targets are, what a network must give for them, how both meet in a loss."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from automl.errors import InvalidInput
from automl.evaluators.labels import IGNORED, class_labels, several_labels, values
from automl.evaluators.parts import PARTS
from automl.evaluators.task import Task

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Kind(ABC):
    """Kind of a supervised task.

    Attributes:
        ignore: Target that neither loss nor metrics count; None if all count.
    """

    ignore: int | None = None

    @abstractmethod
    def targets(self, task: Task) -> dict[str, np.ndarray]:
        """Returns the targets of each part as a loss takes them.

        Raises:
            InvalidInput: they are no targets of this kind.
        """

    @abstractmethod
    def outputs(self, targets: Mapping[str, np.ndarray]) -> int:
        """Returns how many outputs a network needs at each place, of the targets of all parts."""

    @abstractmethod
    def batch(self, targets: torch.Tensor) -> torch.Tensor:
        """Returns targets that a data set gave as a loss takes them.

        Raises:
            InvalidInput: they are of another kind.
        """

    classes: ClassVar[bool] = True
    """Whether targets are whole numbers, one output for each."""

    @abstractmethod
    def wanted(self, outputs: tuple[int, ...], targets: tuple[int, ...], count: int) -> str:
        """Says what shape of outputs fits the targets; an empty text where the one given does.

        Args:
            outputs: shape of what the network gives.
            targets: shape of the targets of the same examples.
            count: outputs needed at each place.
        """

    def align(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Returns a network's outputs as a loss takes them."""
        return outputs

    axis: ClassVar[int] = 1
    """Axis of the outputs along which classes lie."""

    def mixed(self, outputs: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
        """Returns what several networks give together: logits of the weighted mean of their probabilities.

        Args:
            outputs: of each network, for the same examples.
            weights: of each network, with sum 1.
        """
        import torch

        logs = [one.log_softmax(self.axis) + math.log(weight) for one, weight in zip(outputs, weights, strict=True)]
        return torch.logsumexp(torch.stack(logs), 0)


@dataclass(frozen=True)
class Classes(Kind):
    """One class an example."""

    def targets(self, task: Task) -> dict[str, np.ndarray]:
        found = class_labels(task, self.ignore)
        return {part: getattr(found, part) for part in PARTS}

    def outputs(self, targets: Mapping[str, np.ndarray]) -> int:
        return int(targets["train"].max()) + 1

    def batch(self, targets: torch.Tensor) -> torch.Tensor:
        return _whole(targets, self.ignore)

    def wanted(self, outputs: tuple[int, ...], targets: tuple[int, ...], count: int) -> str:
        if outputs == (targets[0], count):
            return ""
        more = _or_say(outputs[1], count) if len(outputs) == 2 else ""
        return f"give one logit for each of the {count} classes, ({targets[0]}, {count}){more}"


@dataclass(frozen=True)
class Pixels(Kind):
    """A class for each place of an example: outputs (examples, classes, …), targets (examples, …)."""

    def targets(self, task: Task) -> dict[str, np.ndarray]:
        found = class_labels(task, self.ignore, each=False)
        return {part: getattr(found, part) for part in PARTS}

    def outputs(self, targets: Mapping[str, np.ndarray]) -> int:
        return int(targets["train"].max()) + 1

    def batch(self, targets: torch.Tensor) -> torch.Tensor:
        return _whole(targets, self.ignore)

    def wanted(self, outputs: tuple[int, ...], targets: tuple[int, ...], count: int) -> str:
        shape = (targets[0], count, *targets[1:])
        if outputs == shape:
            return ""
        more = _or_say(outputs[1], count) if len(outputs) == len(shape) else ""
        return f"give one logit for each class and place, {shape}{more}"


@dataclass(frozen=True)
class Tokens(Kind):
    """The next token at each place: outputs (examples, places, tokens), targets (examples, places)."""

    def targets(self, task: Task) -> dict[str, np.ndarray]:
        found = class_labels(task, self.ignore, each=False, known=False)
        return {part: getattr(found, part) for part in PARTS}

    def outputs(self, targets: Mapping[str, np.ndarray]) -> int:
        """Returns one more than the largest token of all parts: a rare one may stand in one part only."""
        return 1 + max(int(one.max()) for one in targets.values())

    def batch(self, targets: torch.Tensor) -> torch.Tensor:
        return _whole(targets, self.ignore)

    def wanted(self, outputs: tuple[int, ...], targets: tuple[int, ...], count: int) -> str:
        if outputs == (*targets, count):
            return ""
        more = _or_say(outputs[2], count) if len(outputs) == 3 else ""
        return f"give one logit for each token at each place, {(*targets, count)}{more}"

    axis = -1

    def align(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.movedim(-1, 1)


@dataclass(frozen=True)
class Several(Kind):
    """Any number of labels an example: outputs and targets (examples, labels)."""

    classes = False

    def targets(self, task: Task) -> dict[str, np.ndarray]:
        return several_labels(task)

    def outputs(self, targets: Mapping[str, np.ndarray]) -> int:
        return int(targets["train"].shape[1])

    def batch(self, targets: torch.Tensor) -> torch.Tensor:
        if targets.ndim != 2 or not ((targets == 0) | (targets == 1)).all():
            raise InvalidInput(f"targets of shape {tuple(targets.shape)} are no rows of 0 and 1, (examples, labels)")
        return targets.float()

    def wanted(self, outputs: tuple[int, ...], targets: tuple[int, ...], count: int) -> str:
        return "" if outputs == targets else f"give one logit for each label, {targets}"

    def mixed(self, outputs: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
        import torch

        sides = []
        for sign in (1, -1):
            pairs = zip(outputs, weights, strict=True)
            logs = [torch.nn.functional.logsigmoid(sign * one) + math.log(weight) for one, weight in pairs]
            sides.append(torch.logsumexp(torch.stack(logs), 0))
        return sides[0] - sides[1]


@dataclass(frozen=True)
class Values(Kind):
    """One or more real values an example: outputs and targets (examples, values)."""

    classes = False

    def targets(self, task: Task) -> dict[str, np.ndarray]:
        return values(task)

    def outputs(self, targets: Mapping[str, np.ndarray]) -> int:
        return int(np.prod(targets["train"].shape[1:]))

    def batch(self, targets: torch.Tensor) -> torch.Tensor:
        return targets.float()[:, None] if targets.ndim == 1 else targets.float()

    def wanted(self, outputs: tuple[int, ...], targets: tuple[int, ...], count: int) -> str:
        single = len(targets) == 2 and targets[1] == 1 and outputs == targets[:1]
        return "" if outputs == targets or single else f"give one value for each target, {targets}"

    def align(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.reshape(targets.shape)

    def mixed(self, outputs: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
        """Returns the weighted mean of what the networks give."""
        import torch

        return torch.stack([one * weight for one, weight in zip(outputs, weights, strict=True)]).sum(0)


def _or_say(given: int, count: int) -> str:
    """Says what to do where a network is right and the data lack some of its classes."""
    return (
        f"; if {given} are right and the data lack some, say so: outputs={given} of the task" if given > count else ""
    )


def _whole(targets: torch.Tensor, ignore: int | None) -> torch.Tensor:
    if targets.is_floating_point():
        raise InvalidInput(
            f"targets are {targets.dtype} values, and classes are whole numbers; for values take automl.Regression"
        )
    targets = targets.long()
    if ignore is not None:
        targets = targets.masked_fill(targets == ignore, IGNORED)
    if ((targets < 0) & (targets != IGNORED)).any():
        raise InvalidInput(f"a target is {int(targets.min())}; classes are counted from 0, or named by ignore=")
    return targets
