"""torch's data sets and loaders as tasks: read batch by batch, known by a version or by the content of their items."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import xxhash

from automl.behaviour import Array
from automl.errors import brief
from automl.evaluators.fingerprints import NoContent, fingerprint
from automl.evaluators.parts import PARTS, AnyTask

if TYPE_CHECKING:
    import torch

_TWICE = 8
"""So many items are read a second time: they must come out the same where they stand for the data."""


@dataclass(frozen=True)
class DatasetTask(AnyTask):
    """Task of three data sets of torch, which are read as they are needed: random transforms stay random.

    A data set gives pairs (input, target); an input may be a tuple of tensors, which are the network's arguments,
    or a dictionary of them, which are its arguments by name. Map data sets (`__getitem__`) and iterable ones
    (`__iter__`, with a `__len__`) are taken, and loaders of either: their data set, `collate_fn` and `num_workers`
    are used, batches and order are the evaluator's.

    The data belong to the context of every result. A map data set whose items are the same whenever they are read is
    known by their content; any other one needs a `version`, which is raised when its data change.

    Attributes:
        train, validation, test: Data sets or loaders.
        version: Version of the data; None takes a digest of all items.
        name: Name of the task in tables.
        collate: Function that makes a batch of a list of items, (inputs, targets); None takes the loader's, or torch's.
        outputs: Number of classes or tokens; None looks at all targets of the training part.
        workers: Processes that read items beside each training; 0 reads in the training process.

    Raises:
        InvalidInput: a part is no data set, has no length, or samples its items itself.

    Example:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> parts = [TensorDataset(torch.randn(6, 4), torch.arange(6) % 2) for _ in range(3)]
        >>> DatasetTask(*parts, name="mine").example().shape
        (4,)
        >>> DatasetTask([(1, 2)], *parts[1:])
        Traceback (most recent call last):
        automl.errors.InvalidInput: task 'data set': part 'train' is [(1, 2)]; give a torch Dataset or DataLoader
    """

    train: Any
    validation: Any
    test: Any
    version: str | None = None
    name: str = "data set"
    collate: Callable[[list[Any]], Any] | None = None
    outputs: int | None = None
    workers: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        for part in PARTS:
            self._take(part)
        for part in PARTS:
            given = getattr(self, part)
            try:
                count = len(given)
            except TypeError:
                raise self.refusal(
                    f"the data set of part {part!r} has no length; give it a __len__ with the number of its examples"
                ) from None
            if count == 0:
                raise self.refusal(f"the data set of part {part!r} is empty")
        if self.version is None and (part := next((one for one in PARTS if self.is_iterable(one)), "")):
            raise self.refusal(
                f"the data set of part {part!r} is iterable, so its content has no order to compare; give the data a "
                'version, version="1", and raise it when they change'
            )
        for one, other in (("validation", "test"), ("train", "validation"), ("train", "test")):
            if getattr(self, one) is getattr(self, other):
                raise self.refusal(
                    f"the parts {one!r} and {other!r} are the same data set, so figures of one say nothing about the "
                    "other; split the data into parts that share nothing"
                )

    def _take(self, part: str) -> None:
        from torch.utils import data

        given = getattr(self, part)
        if isinstance(given, data.DataLoader):
            plain = (data.SequentialSampler, data.RandomSampler)
            known = given.batch_sampler is None or (
                type(given.batch_sampler) is data.BatchSampler and type(given.sampler) in plain
            )
            if not known and not isinstance(given.dataset, data.IterableDataset):
                raise self.refusal(
                    f"the loader of part {part!r} samples its items itself ({type(given.sampler).__name__}); give its "
                    'data set, and class_weights="balanced" to the evaluator where classes are rare'
                )
            for name, value in (("collate", given.collate_fn), ("workers", given.num_workers)):
                if part == "train" and not getattr(self, name):
                    object.__setattr__(self, name, value)
            given = given.dataset
            object.__setattr__(self, part, given)
        if not isinstance(given, data.Dataset):
            raise self.refusal(f"part {part!r} is {brief(given, 60)}; give a torch Dataset or DataLoader")

    def trained_on(self, parts: str) -> AnyTask:
        from torch.utils import data

        if parts != "train+validation" or self.is_iterable("train") or self.is_iterable("validation"):
            return super().trained_on(parts)
        return dataclasses.replace(self, train=data.ConcatDataset([self.train, self.validation]))

    def is_iterable(self, part: str) -> bool:
        """Tells whether the data set of a part yields its items in an order of its own."""
        from torch.utils.data import IterableDataset

        return isinstance(getattr(self, part), IterableDataset)

    def fingerprint(self) -> str:
        """Returns 32 hexadecimal digits: of the declared version, or of all items of all parts.

        Raises:
            InvalidInput: items differ from one reading to the next, or hold what has no content, and there is no
                version.
        """
        digest = xxhash.xxh3_128()
        if self.version is not None:
            digest.update(f"version {self.name} {self.version} {[len(getattr(self, part)) for part in PARTS]}".encode())
        else:
            for part in PARTS:
                for number, item in self._items(part):
                    digest.update(self._content(part, number, item))
        if self.collate is not None:
            digest.update(fingerprint(self.collate).digest.encode())
        return digest.hexdigest()

    def _items(self, part: str) -> Iterator[tuple[int, Any]]:
        given = getattr(self, part)
        for number in range(len(given)):
            item = given[number]
            if number < _TWICE and self._content(part, number, item) != self._content(part, number, given[number]):
                raise self.refusal(
                    f"item {number} of part {part!r} differs from one reading to the next, so it cannot stand for the "
                    'data; give the data a version, version="1", and raise it when they change'
                )
            yield number, item

    def _content(self, part: str, number: int, item: Any) -> bytes:
        try:
            return fingerprint(item).digest.encode()
        except NoContent as error:
            raise self.refusal(
                f'item {number} of part {part!r} holds {error} so changes would go unnoticed; give a version="1"'
            ) from None

    def batches(self, part: str, size: int, order: torch.Generator | None = None) -> Iterator[tuple[Any, Any]]:
        """Yields batches (inputs, targets) of a part.

        Args:
            part: "train", "validation" or "test".
            size: examples of a batch.
            order: generator of the order of the examples, and the last batch is left out unless it is whole; None
                takes them all in order.

        Raises:
            InvalidInput: a batch is no pair.
        """
        from torch.utils.data import DataLoader

        given = getattr(self, part)
        loader = DataLoader(
            given,
            batch_size=size,
            shuffle=order is not None and not self.is_iterable(part),
            collate_fn=self.collate,
            num_workers=self.workers,
            drop_last=order is not None,
            generator=order,
        )
        for batch in loader:
            if not isinstance(batch, list | tuple) or len(batch) != 2:
                raise self.refusal(
                    f"a batch of part {part!r} is {brief(batch, 40)}; items must be pairs (input, target), or give a "
                    "collate function that returns (inputs, targets)"
                )
            inputs, targets = batch
            yield tuple(inputs) if isinstance(inputs, list | tuple) else inputs, targets

    @cached_property
    def most(self) -> int:
        """The largest target of the training part, read off all of it unless `outputs` says it."""
        if self.outputs is not None:
            return self.outputs - 1
        return max(int(targets.max()) for _, targets in self.batches("train", 1024))

    def example(self) -> Array:
        """Returns the shape of one input, the first where there are several."""
        return self.arrays()[0]

    def arrays(self) -> tuple[Array, ...]:
        """Returns the shape of each input, with the range of tokens, as the first batch has them."""
        import torch

        inputs, _ = next(self.batches("train", min(256, len(self.train))))
        found = []
        named = inputs.items() if isinstance(inputs, dict) else (("", one) for one in inputs_of(inputs))
        for name, one in named:
            shape = tuple(one.shape[1:])
            real = one.is_floating_point() or one.dtype == torch.uint8
            low, high = (None, None) if real else (int(one.min()), int(one.max()))
            found.append(Array(shape, low, high, name))
        return tuple(found)


def inputs_of(inputs: Any) -> tuple[Any, ...]:
    """Returns the inputs of a batch one by one, however they are given to the network.

    Example:
        >>> inputs_of({"tokens": 1, "mask": 2}), inputs_of(3)
        ((1, 2), (3,))
    """
    if isinstance(inputs, dict):
        return tuple(inputs.values())
    return inputs if isinstance(inputs, tuple) else (inputs,)
