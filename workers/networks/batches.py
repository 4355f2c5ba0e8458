"""A part of a task on its way into a network: arrays that lie on the device whole, or data sets read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from automl.evaluators.parts import PARTS
from automl.evaluators.task import Task
from workers.networks.kinds import Kind
from workers.remembered import Remembered

Inputs = torch.Tensor | tuple[torch.Tensor, ...]


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


def parts_of(task: Task, kind: Kind, device: str) -> Parts:
    """Returns a task's data on a device, copied there once a process."""
    return _loaded(task, kind, device)


def _load(task: Task, kind: Kind, device: str) -> Parts:
    targets = kind.targets(task)
    return Parts(*(_array_part(getattr(task, part)[0], targets[part], device) for part in PARTS))


_loaded = Remembered(_load)


def _array_part(inputs: np.ndarray, targets: np.ndarray, device: str) -> ArrayPart:
    return ArrayPart(_tensor(prepared(inputs)).to(device), _tensor(targets).to(device))


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Returns a tensor over the same memory. Arrays out of an object store may be read only; nothing writes to them."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.from_numpy(array)


def prepared(inputs: np.ndarray) -> np.ndarray:
    """Returns inputs as modules get them: float32, bytes scaled to [0, 1], grey images with a channel axis."""
    if inputs.dtype == np.uint8:
        inputs = inputs.astype(np.float32) / 255.0
    if np.issubdtype(inputs.dtype, np.integer):
        return inputs.astype(np.int64)
    inputs = np.ascontiguousarray(inputs, dtype=np.float32)
    return inputs[:, None] if inputs.ndim == 3 else inputs
