"""A part of a task on its way into a network: arrays that lie on the device whole, or data sets read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from automl.data.datasets import DatasetTask, inputs_of
from automl.errors import InvalidInput
from automl.evaluators.parts import PARTS, AnyTask
from automl.evaluators.task import Task
from workers.networks.kinds import Kind
from workers.remembered import Remembered

Inputs = torch.Tensor | tuple[torch.Tensor, ...] | dict[str, torch.Tensor]
"""What a network is called with: one argument, several, or several by name."""


def each(change: Callable[[Any], torch.Tensor], inputs: Any) -> Inputs:
    """Returns inputs with each of them changed."""
    if isinstance(inputs, dict):
        return {name: change(one) for name, one in inputs.items()}
    return tuple(map(change, inputs)) if isinstance(inputs, tuple) else change(inputs)


def called(module: Callable[..., Any], inputs: Inputs) -> Any:
    """Runs a network on a batch."""
    if isinstance(inputs, dict):
        return module(**inputs)
    return module(*inputs) if isinstance(inputs, tuple) else module(inputs)


class Part(Protocol):
    """What a training reads of a part of a task."""

    @property
    def examples(self) -> int:
        """Number of examples."""

    @property
    def device(self) -> torch.device:
        """Where batches lie."""

    def labels(self) -> torch.Tensor:
        """Returns the targets of all examples."""

    def shuffled(self, size: int, order: torch.Generator) -> Iterator[tuple[Inputs, torch.Tensor]]:
        """Yields the batches of one epoch, all of one size, in an order drawn from a generator."""

    def in_order(self, size: int) -> Iterator[tuple[Inputs, torch.Tensor]]:
        """Yields all examples in batches, the last of which may be smaller. Batches may be written to."""

    def first(self, most: int) -> tuple[Inputs, torch.Tensor]:
        """Returns the first examples, `most` at most."""


class ArrayPart(NamedTuple):
    """A part whose inputs and targets lie on the device whole."""

    inputs: torch.Tensor
    targets: torch.Tensor

    @property
    def examples(self) -> int:
        return len(self.inputs)

    @property
    def device(self) -> torch.device:
        return self.inputs.device

    def labels(self) -> torch.Tensor:
        return self.targets

    def shuffled(self, size: int, order: torch.Generator) -> Iterator[tuple[Inputs, torch.Tensor]]:
        steps = len(self.inputs) // size
        permutation = torch.randperm(len(self.inputs), generator=order).to(self.device)
        for batch in permutation[: steps * size].reshape(steps, size):
            yield self.inputs[batch], self.targets[batch]

    def in_order(self, size: int) -> Iterator[tuple[Inputs, torch.Tensor]]:
        for some, wanted in zip(torch.split(self.inputs, size), torch.split(self.targets, size), strict=True):
            yield some.clone(), wanted

    def first(self, most: int) -> tuple[Inputs, torch.Tensor]:
        return self.inputs[:most].clone(), self.targets[:most]


class Parts(NamedTuple):
    """A task's parts on one device."""

    train: Any
    validation: Any
    test: Any
    outputs: Callable[[], int]
    """How many outputs a network needs at each place."""


def parts_of(task: AnyTask, kind: Kind, device: str) -> Parts:
    """Returns a task's data on a device: arrays are copied there once a process, data sets are read as they are needed.

    Raises:
        InvalidInput: the task's data are in no form that networks can be trained on.
    """
    if isinstance(task, DatasetTask):
        train, validation, test = (StreamPart(task, part, kind, torch.device(device)) for part in PARTS)
        return Parts(train, validation, test, train.outputs)
    if not isinstance(task, Task):
        raise InvalidInput(f"task {task.name!r} is a {type(task).__name__}; give an automl.Task or a DatasetTask")
    return _loaded(task, kind, device)


def _load(task: Task, kind: Kind, device: str) -> Parts:
    targets = kind.targets(task)
    count = kind.outputs(targets)
    if kind.classes and task.outputs is not None:
        if task.outputs < count:
            raise task.refusal(f"outputs={task.outputs}, and its targets have {count} classes; give at least {count}")
        count = task.outputs
    outputs = partial(int, count)
    inputs = {part: _tensor(prepared(getattr(task, part)[0], task.layout)).to(device) for part in PARTS}
    train, validation, test = (ArrayPart(inputs[part], _tensor(targets[part]).to(device)) for part in PARTS)
    return Parts(train, validation, test, outputs)


_loaded = Remembered(_load)


@dataclass(frozen=True)
class StreamPart:
    """A part whose batches are read from a data set whenever they are needed."""

    task: DatasetTask
    part: str
    kind: Kind
    device: torch.device

    @property
    def examples(self) -> int:
        return len(getattr(self.task, self.part))

    def labels(self) -> torch.Tensor:
        return _targets(self.task, self.part, self.kind).to(self.device)

    def outputs(self) -> int:
        return self.task.most + 1 if self.kind.classes else int(self.first(1)[1].shape[1])

    def shuffled(self, size: int, order: torch.Generator) -> Iterator[tuple[Inputs, torch.Tensor]]:
        yield from map(self._moved, self.task.batches(self.part, size, order))

    def in_order(self, size: int) -> Iterator[tuple[Inputs, torch.Tensor]]:
        yield from map(self._moved, self.task.batches(self.part, size))

    def first(self, most: int) -> tuple[Inputs, torch.Tensor]:
        return self._moved(next(self.task.batches(self.part, most)))

    def _moved(self, batch: tuple[Any, Any]) -> tuple[Inputs, torch.Tensor]:
        inputs, targets = batch
        wanted = self.kind.batch(torch.as_tensor(targets)).to(self.device)
        return each(lambda one: _as_input(one).to(self.device), inputs), wanted


def _read_targets(task: DatasetTask, part: str, kind: Kind) -> torch.Tensor:
    return torch.cat([kind.batch(targets) for _, targets in task.batches(part, MANY)])


_targets = Remembered(_read_targets)
"""Targets of a part on the CPU. An ensemble is scored hundreds of times, and each batch brings its inputs along."""

MANY = 1024
"""Examples of a batch that is only looked at."""


def check_stream(task: DatasetTask, kind: Kind) -> None:
    """Looks at the first batch of each part of a data set, before anything is paid for.

    Raises:
        InvalidInput: it holds NaN or infinities, or targets of another kind.
    """
    for part in PARTS:
        inputs, targets = next(task.batches(part, min(MANY, len(getattr(task, part)))))
        for what, one in (*(("inputs", one) for one in inputs_of(inputs)), ("targets", torch.as_tensor(targets))):
            tensor = torch.as_tensor(one)
            bad = ~torch.isfinite(tensor) if tensor.is_floating_point() else torch.zeros(1, dtype=torch.bool)
            if bad.any():
                first = int(bad.reshape(len(bad), -1).any(1).int().argmax())
                name = "NaN" if torch.isnan(tensor).any() else "inf"
                raise task.refusal(
                    f"the {what} in the first batch of part {part!r} hold {int(bad.sum()):,} values that are {name}, "
                    f"the first in example {first}; fill them in, or leave these examples out"
                )
        try:
            kind.batch(torch.as_tensor(targets))
        except InvalidInput as error:
            raise task.refusal(f"part {part!r}: {error}") from None


def _as_input(given: Any) -> torch.Tensor:
    """Returns one input of a data set as modules get it; its shape stays."""
    tensor = torch.as_tensor(given)
    if tensor.dtype == torch.uint8:
        return tensor.float() / 255.0
    return tensor.float() if tensor.is_floating_point() or tensor.dtype == torch.bool else tensor.long()


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Returns a tensor over the same memory. Arrays out of an object store may be read only; nothing writes to them."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.from_numpy(array)


def prepared(inputs: np.ndarray, layout: str = "auto") -> np.ndarray:
    """Returns inputs as modules get them: float32, bytes scaled to [0, 1], grey images with a channel axis."""
    if inputs.dtype == np.uint8:
        inputs = inputs.astype(np.float32) / 255.0
    if np.issubdtype(inputs.dtype, np.integer):
        return inputs.astype(np.int64)
    inputs = np.ascontiguousarray(inputs, dtype=np.float32)
    return inputs[:, None] if inputs.ndim == 3 and layout == "auto" else inputs
