"""Candidates as numbers: their declared fields, or where there are none the words of their encoding.

Every column belongs to a component. Two candidates are as far apart in a component as the squared distance of its
columns says: 1 where a field without order differs, and of a number the squared difference of its place in the range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import xxhash

from automl.jsontext import canonical
from automl.spaces.fields import Choice, Field, Integer, Real, Record, Repeat
from automl.spaces.orders import Ordinal, Permutation, Subset
from automl.spaces.space import Candidate, Space

PLACES = 256
"""Places into which words and runs of words are hashed."""

REPEATED = 32
"""Items of a list that have columns of their own, at most; its length has one always."""

WORDS = 3
"""Words in a row that are counted together, at most."""

_BUCKETS = 32
_WORD = re.compile(r"[A-Za-z_]\w*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\*\*|[-+*/]")


class Encoder(Protocol):
    """Turns candidates into rows of numbers.

    Attributes:
        components: the number of the component that each column belongs to.
    """

    components: np.ndarray

    def rows(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Returns one row a candidate, shape [candidates, columns]."""
        ...


def encoder_of(space: Space) -> Encoder:
    """Returns what encodes a space's candidates: by its fields where it declares any, else by their words."""
    return FieldEncoder(space) if space.record.fields else WordEncoder()


class FieldEncoder:
    """Columns for the declared fields of a space, those of conditional and repeated parts included.

    A field within a list is one component, whatever the place of the item. A field that a candidate does not have
    stands in the middle of its range.

    Args:
        space: declares fields.

    Example:
        >>> import automl
        >>> class Net(automl.Space):
        ...     depth = automl.Integer(1, 5)
        ...     activation = automl.Choice("relu", "tanh")
        >>> FieldEncoder(Net()).rows([Net().decode({"depth": 2, "activation": "relu"})]).round(2).tolist()
        [[0.25, 0.71, 0.0]]
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._record = space.record
        self._columns = 0
        self._missing: list[float] = []
        self._component: list[int] = []
        self._numbers: dict[str, int] = {}  # of components, by path without places
        self._write = self._walk(self._record, "", "")
        self.components = np.array(self._component, dtype=int)

    def rows(self, candidates: Sequence[Candidate]) -> np.ndarray:
        found = np.tile(np.array(self._missing), (len(candidates), 1))
        for row, candidate in zip(found, candidates, strict=True):
            self._write(self._space.to_fields(candidate), row)
        return found

    def _walk(self, field: Field, path: str, place: str) -> Callable[[Any, np.ndarray], None]:
        """Reserves the columns of a field and returns what writes a value into them."""
        if isinstance(field, Record):
            return self._walk_record(field, path, place)
        if isinstance(field, Choice):
            return self._walk_choice(field, path, place)
        if isinstance(field, Repeat):
            return self._walk_repeat(field, path, place)
        if isinstance(field, Integer | Real):
            return self._walk_number(field, path)
        if isinstance(field, Permutation):
            return self._walk_permutation(field, path)
        if isinstance(field, Subset):
            return self._walk_subset(field, path)
        at = self._reserve(path, _BUCKETS, 0.0)

        def write(value: Any, row: np.ndarray) -> None:
            row[at + xxhash.xxh3_64_intdigest(canonical(value).encode()) % _BUCKETS] = math.sqrt(0.5)

        return write

    def _walk_record(self, record: Record, path: str, place: str) -> Callable[[Any, np.ndarray], None]:
        inner = [(name, self._walk(item, f"{path}.{name}", f"{place}.{name}")) for name, item in record.fields.items()]

        def write(value: Any, row: np.ndarray) -> None:
            for name, one in inner:
                one(value[name], row)

        return write

    def _walk_choice(self, choice: Choice, path: str, place: str) -> Callable[[Any, np.ndarray], None]:
        options = choice.options
        numbers = [option for option in options if isinstance(option, int | float) and not isinstance(option, bool)]
        if isinstance(choice, Ordinal) or len(numbers) == len(options) > 2:
            at = self._reserve(path, 1, 0.5)
            order = {number: rank / (len(options) - 1) for rank, number in enumerate(sorted(numbers))}
            in_order = [place / max(1, len(options) - 1) for place in range(len(options))]
            positions = in_order if isinstance(choice, Ordinal) else [order[option] for option in options]

            def write_order(value: Any, row: np.ndarray) -> None:
                row[at] = positions[choice.number(value)]

            return write_order
        at = self._reserve(path, len(options), 0.0)
        inner = {
            number: self._walk(option.record, f"{path}={option.kind}", f"{place}={option.kind}")
            for number, option in enumerate(options)
            if isinstance(option, Space)
        }

        def write(value: Any, row: np.ndarray) -> None:
            number = choice.number(value)
            row[at + number] = math.sqrt(0.5)
            if number in inner:
                inner[number](value, row)

        return write

    def _walk_repeat(self, repeat: Repeat, path: str, place: str) -> Callable[[Any, np.ndarray], None]:
        least, most = repeat.minimum, repeat.maximum
        length = self._reserve(f"{path}#", 1, 0.5) if least < most else None
        items = [self._walk(repeat.item, f"{path}[]", f"{place}[{at}]") for at in range(min(most, REPEATED))]

        def write(value: Any, row: np.ndarray) -> None:
            if length is not None:
                row[length] = (len(value) - least) / (most - least)
            for item, one in zip(value, items, strict=False):
                one(item, row)

        return write

    def _walk_permutation(self, field: Permutation, path: str) -> Callable[[Any, np.ndarray], None]:
        """Writes where each item stands."""
        count = len(field.items)
        at = self._reserve(path, count, 0.5)

        def write(value: Any, row: np.ndarray) -> None:
            for rank, item in enumerate(field.order(value)):
                row[at + item] = rank / (count - 1)

        return write

    def _walk_subset(self, field: Subset, path: str) -> Callable[[Any, np.ndarray], None]:
        """Writes which items are in it."""
        at = self._reserve(path, len(field.items), 0.5)

        def write(value: Any, row: np.ndarray) -> None:
            row[at : at + len(field.items)] = 0.0
            row[[at + item for item in field.places(value, path, "")]] = 1.0

        return write

    def _walk_number(self, field: Integer | Real, path: str) -> Callable[[Any, np.ndarray], None]:
        at = self._reserve(path, 1, 0.5)
        scale = math.log if field.log else float
        low, high = scale(field.low), scale(field.high)

        def write(value: Any, row: np.ndarray) -> None:
            row[at] = (scale(value) - low) / (high - low) if high > low else 0.5

        return write

    def _reserve(self, path: str, count: int, missing: float) -> int:
        at, self._columns = self._columns, self._columns + count
        self._missing += [missing] * count
        self._component += [self._numbers.setdefault(path, len(self._numbers))] * count
        return at


class WordEncoder:
    """How often words and runs of words stand in the encoding, as logarithms, hashed into `PLACES` places."""

    def __init__(self) -> None:
        self.components = np.zeros(PLACES, dtype=int)

    def rows(self, candidates: Sequence[Candidate]) -> np.ndarray:
        found = np.zeros((len(candidates), PLACES))
        for row, candidate in zip(found, candidates, strict=True):
            words = [xxhash.xxh3_64_intdigest(word.encode()) for word in _WORD.findall(candidate.json)]
            for length in range(1, WORDS + 1):
                for at in range(len(words) - length + 1):
                    run = words[at]
                    for word in words[at + 1 : at + length]:
                        run = (run * 0x9E3779B97F4A7C15 ^ word) % (1 << 64)
                    row[(run >> 11) % PLACES] += 1
        return np.log1p(found)
