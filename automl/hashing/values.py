"""A table of values: every array that any graph computes is kept once, under a small number, with its digest.

Two values with one digest are one value, whatever computed them. Results are memoised by (operation, input values,
rank), so a mutated child re-uses nearly all of its parent's work. The table only saves time: forgetting it changes no
key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xxhash

from automl.errors import Unhashable
from automl.hashing.cancelled import cleaned, same_axes, without_cancelled
from automl.hashing.mixing import mix, rounded
from automl.hashing.operations import Operation
from automl.hashing.weights import weight

Call = tuple[int, tuple[int, ...], int]
"""An operation's number, its input values, and its rank among equal operations on equal inputs."""


class ValueTable:
    """Values and what is known about them, by value number."""

    LIMIT = 2**28
    """Bytes of arrays beyond which the table should be started afresh."""

    def __init__(self, mantissa_bits: int) -> None:
        self.mantissa_bits = mantissa_bits
        self.arrays: list[np.ndarray] = []
        self.digests: list[bytes] = []
        self.zero: list[bool] = []
        self.terms: list[tuple[int, ...] | None] = []
        self.bytes = 0
        self.results: dict[Call, int] = {}
        self._by_digest: dict[bytes, int] = {}
        self.failures: dict[Call, str] = {}
        self._operations: list[tuple[Operation, Mapping[str, Any], bytes]] = []
        self.slots: list[int] = []
        self._slots: dict[bytes, int] = {}
        self._zeros: dict[tuple[int, ...], int] = {}

    def register(self, operation: Operation, settings: Mapping[str, Any]) -> int:
        """Returns a number for an operation with its settings; those with one number in `slots` draw equal weights."""
        seed = operation.seed(settings)
        self._operations.append((operation, settings, seed))
        self.slots.append(self._slots.setdefault(seed, len(self._slots)))
        return len(self._operations) - 1

    def name(self, operation: int) -> str:
        """Returns an operation with its settings as text."""
        found, settings, _ = self._operations[operation]
        return found.label(settings)

    def operation(self, operation: int) -> tuple[Operation, Mapping[str, Any]]:
        """Returns an operation and its settings."""
        return self._operations[operation][:2]

    def identity(self, operation: int) -> str:
        """Returns text that two operations share if they are one: the same in every process."""
        found, settings, seed = self._operations[operation]
        own = getattr(getattr(found, "function", None), "__qualname__", "")
        return f"{found.label(settings)} {own} {seed.hex()}"

    def intern_many(self, stack: np.ndarray, terms: Sequence[tuple[int, ...] | None] | None = None) -> list[int]:
        """Returns the numbers of the arrays along the first axis of `stack`, new ones where they are new."""
        shape = repr(stack.shape[1:]).encode()
        mixed = rounded(stack, self.mantissa_bits).reshape(len(stack), -1)
        numbers = []
        for row, array in enumerate(stack):
            digest = xxhash.xxh3_128_digest(shape + mixed[row].tobytes())
            number = self._by_digest.get(digest)
            if number is None:
                number = self._by_digest[digest] = len(self.arrays)
                self.arrays.append(array)
                self.digests.append(digest)
                self.zero.append(not array.any())
                self.terms.append(terms[row] if terms else None)
                self.bytes += array.nbytes
            numbers.append(number)
        return numbers

    def zeros_like(self, number: int, stride: int = 1) -> int:
        """Returns the value of zeros in the shape of another value, the two last axes taken at a stride."""
        shape = self.arrays[number].shape
        if stride > 1:
            shape = (*shape[:-2], *(-(-size // stride) for size in shape[-2:]))
        found = self._zeros.get(shape)
        if found is None:
            found = self._zeros[shape] = self.intern_many(np.zeros((1, *shape)))[0]
        return found

    def add_key(self, inputs: Sequence[int]) -> tuple[int, ...]:
        """Returns the terms of a sum, flattened, without zeros, in digest order."""
        flat: list[int] = []
        for number in inputs:
            terms = self.terms[number]
            if terms is not None:
                flat += terms
            elif not self.zero[number]:
                flat.append(number)
        if len(flat) > 1:
            flat.sort(key=self.digests.__getitem__)
        return tuple(flat)

    def compute(self, calls: Sequence[Call]) -> None:
        """Runs the calls, none of which is in `results` yet, stacked by operation and shape, and enters their
        results.
        """
        groups: dict[Any, list[Call]] = defaultdict(list)
        for call in calls:
            groups[call[0], *(self.arrays[number].shape for number in call[1])].append(call)
        for group in groups.values():
            try:
                self._compute_group(group)
            except Exception as error:  # whatever a user's operation raises: find whose fault it is
                if len(group) == 1:
                    self.failures[group[0]] = (
                        str(error) if isinstance(error, Unhashable) else f"{type(error).__name__}: {error}"
                    )
                else:
                    for call in group:
                        self.compute([call])

    def _compute_group(self, group: Sequence[Call]) -> None:
        inputs = [
            np.stack([self.arrays[number] for number in column])
            for column in zip(*(call[1] for call in group), strict=True)
        ]
        terms = None
        if group[0][0] == ADD:
            output = inputs[0]
            for item in inputs[1:]:
                output = output + same_axes(item, output)
            output = without_cancelled(output, inputs)
            terms = [call[1] for call in group]
        else:
            output = self._apply(group, inputs)
        for number, call in zip(self.intern_many(cleaned(output, inputs), terms), group, strict=True):
            self.results[call] = number

    def _apply(self, group: Sequence[Call], inputs: Sequence[np.ndarray]) -> np.ndarray:
        operation, settings, seed = self._operations[group[0][0]]
        shapes = operation.weights(settings, [item.shape[2:] for item in inputs])
        weights: list[np.ndarray] = []
        if shapes:
            seeds = [mix(seed, str(rank), *(self.digests[number] for number in numbers)) for _, numbers, rank in group]
            weights = [
                np.stack([weight(mix(one, str(place)), shape) for one in seeds]) for place, shape in enumerate(shapes)
            ]
        with np.errstate(all="ignore"):
            output = operation.apply(settings, inputs, weights)
        if output.shape[:1] != (len(group),):
            raise Unhashable(
                f"an operation returned shape {output.shape} for a stack of {len(group)}; "
                "the stack axis must stay first"
            )
        return output


ADD = -1
"""The number of summation, which is part of the table itself."""
