"""Declarative fields: what one choice of a space can be, and how it is sampled, varied, read and counted.

A field's values are plain JSON data. Fields hold no random state and know nothing of the space that they stand in.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidCandidate, InvalidSpace
from automl.jsontext import canonical

if TYPE_CHECKING:
    import numpy as np

RESERVED = frozenset({"kind", "value", "json"})
"""Names that a candidate's view uses itself and no field may have."""


class Field(ABC):
    """One choice. Subclass it to add a kind of field; every method takes and returns JSON data."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Any:
        """Draws a value uniformly."""

    @abstractmethod
    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Returns a value near `value` and different from it, or `value` itself where there is no other."""

    @abstractmethod
    def check(self, value: Any, path: str) -> Any:
        """Returns `value` in its canonical form; raises InvalidCandidate, naming `path`, if it is not of this field."""

    @abstractmethod
    def size(self) -> int | None:
        """Returns the number of values, or None for a continuum."""

    def crossover(self, one: Any, other: Any, rng: np.random.Generator) -> Any:
        """Returns a value made of both; by default one of the two."""
        return one if rng.random() < 0.5 else other

    def mutable(self, value: Any) -> int:
        """Returns how many single choices `value` holds: a mutation hits each with equal probability."""
        return 0 if self.size() == 1 else 1


def _refuse(path: str, value: Any, wanted: str) -> InvalidCandidate:
    return InvalidCandidate(f"{path}: {value!r} is not {wanted}")


class Choice(Field):
    """One of the given options: numbers, strings, booleans, None, lists, or spaces (which makes a conditional space).

    A chosen space appears as its fields plus `kind`, the name of its class.

    Raises:
        InvalidSpace: no options, two equal ones, or one that is neither JSON nor a space.
    """

    def __init__(self, *options: Any) -> None:
        if not options:
            raise InvalidSpace("Choice() has no options: give at least one")
        self.options = options
        self._index: dict[str, int] = {}
        for number, option in enumerate(options):
            text = canonical({"kind": option.kind}) if _is_space(option) else canonical(option)
            if text in self._index:
                raise InvalidSpace(f"Choice{options!r} has {option!r} twice: give each option once")
            self._index[text] = number
        self._strings = {option: number for number, option in enumerate(options) if isinstance(option, str)}
        self._conditional = any(map(_is_space, options))

    def sample(self, rng: np.random.Generator) -> Any:
        return self._fill(int(rng.integers(len(self.options))), rng)

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        now = self.number(value)
        option = self.options[now]
        inner = option.record.mutable(value) if _is_space(option) else 0
        others = len(self.options) - 1
        if inner and rng.integers(inner + (others > 0)) < inner:
            return {"kind": option.kind} | option.record.mutate(value, rng)
        if not others:
            return value
        return self._fill((now + 1 + int(rng.integers(others))) % len(self.options), rng)

    def crossover(self, one: Any, other: Any, rng: np.random.Generator) -> Any:
        now = self.number(one)
        if _is_space(self.options[now]) and now == self.number(other):
            return {"kind": self.options[now].kind} | self.options[now].record.crossover(one, other, rng)
        return super().crossover(one, other, rng)

    def check(self, value: Any, path: str) -> Any:
        number = self.number(value, path)
        option = self.options[number]
        if not _is_space(option):
            return option
        inner = {name: item for name, item in value.items() if name != "kind"}
        return {"kind": option.kind} | option.record.check(inner, path)

    def size(self) -> int | None:
        total = 0
        for option in self.options:
            count = option.record.size() if _is_space(option) else 1
            if count is None:
                return None
            total += count
        return total

    def mutable(self, value: Any) -> int:
        inner = 0
        if self._conditional:
            option = self.options[self.number(value)]
            inner = option.record.mutable(value) if _is_space(option) else 0
        return inner + (len(self.options) > 1)

    def _fill(self, number: int, rng: np.random.Generator) -> Any:
        option = self.options[number]
        return {"kind": option.kind} | option.record.sample(rng) if _is_space(option) else option

    def number(self, value: Any, path: str = "choice") -> int:
        """Returns the place of a value's option among the options; raises InvalidCandidate where there is none."""
        if isinstance(value, str) and value in self._strings:  # without the detour of its JSON
            return self._strings[value]
        wanted = {"kind": value["kind"]} if isinstance(value, Mapping) and "kind" in value else value
        try:
            return self._index[canonical(wanted)]
        except (KeyError, ValueError):
            names = [option.kind if _is_space(option) else option for option in self.options]
            raise _refuse(path, value, f"one of {names}") from None


class Integer(Field):
    """A whole number from `low` to `high`, both included; with `log`, uniform in its logarithm.

    Raises:
        InvalidSpace: `low` above `high`, a bound that is no whole number, or `log` with `low` below 1.
    """

    def __init__(self, low: int, high: int, *, log: bool = False) -> None:
        if not isinstance(low, int) or not isinstance(high, int) or low > high:
            raise InvalidSpace(f"Integer({low!r}, {high!r}): give two whole numbers, the smaller first")
        if log and low < 1:
            raise InvalidSpace(f"Integer({low}, {high}, log=True): a logarithmic range starts at 1 or more")
        self.low, self.high, self.log = low, high, log

    def sample(self, rng: np.random.Generator) -> int:
        if not self.log:
            return int(rng.integers(self.low, self.high + 1))
        drawn = math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
        return min(max(round(drawn), self.low), self.high)

    def mutate(self, value: int, rng: np.random.Generator) -> int:
        if self.low == self.high:
            return value
        if rng.random() < 0.5:  # a neighbour
            step = 1 if value == self.low else -1 if value == self.high else (1 if rng.random() < 0.5 else -1)
            return value + step
        while (drawn := self.sample(rng)) == value:
            pass
        return drawn

    def check(self, value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise _refuse(path, value, f"a whole number from {self.low} to {self.high}")
        return value

    def size(self) -> int:
        return self.high - self.low + 1


class Real(Field):
    """A real number from `low` to `high`; with `log`, uniform in its logarithm.

    Raises:
        InvalidSpace: `low` above `high`, a bound that is not finite, or `log` with `low` not above 0.
    """

    STEP = 0.1
    """Standard deviation of a small mutation, as a share of the (logarithmic) range."""

    def __init__(self, low: float, high: float, *, log: bool = False) -> None:
        if not (math.isfinite(low) and math.isfinite(high)) or low > high:
            raise InvalidSpace(f"Real({low!r}, {high!r}): give two finite numbers, the smaller first")
        if log and low <= 0:
            raise InvalidSpace(f"Real({low}, {high}, log=True): a logarithmic range starts above 0")
        self.low, self.high, self.log = float(low), float(high), log

    def sample(self, rng: np.random.Generator) -> float:
        return self._from_unit(rng.random())

    def mutate(self, value: float, rng: np.random.Generator) -> float:
        if self.low == self.high:
            return value
        if rng.random() < 0.5:
            return self.sample(rng)
        unit = abs(self._to_unit(value) + rng.normal(0.0, self.STEP)) % 2.0
        return self._from_unit(2.0 - unit if unit > 1.0 else unit)  # reflected at both ends

    def check(self, value: Any, path: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise _refuse(path, value, f"a number from {self.low} to {self.high}")
        return float(value)

    def size(self) -> int | None:
        return 1 if self.low == self.high else None

    def _to_unit(self, value: float) -> float:
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def _from_unit(self, unit: float) -> float:
        span = self.high - self.low
        value = self.low * (self.high / self.low) ** unit if self.log else self.low + unit * span
        return float(min(max(value, self.low), self.high))


class Repeat(Field):
    """A list of `minimum` to `maximum` values of one field or space, both included.

    Raises:
        InvalidSpace: bounds that are not 0 <= minimum <= maximum, or an item that is neither field nor space.
    """

    def __init__(self, item: Any, minimum: int, maximum: int) -> None:
        if not 0 <= minimum <= maximum:
            raise InvalidSpace(f"Repeat(…, {minimum}, {maximum}): give 0 <= minimum <= maximum")
        self.item: Field = as_field(item, "Repeat")
        self.minimum, self.maximum = minimum, maximum

    def sample(self, rng: np.random.Generator) -> list[Any]:
        return [self.item.sample(rng) for _ in range(int(rng.integers(self.minimum, self.maximum + 1)))]

    def mutate(self, value: Sequence[Any], rng: np.random.Generator) -> list[Any]:
        items = list(value)
        weights = [self.item.mutable(item) for item in items]
        drawn = int(rng.integers(max(1, sum(weights) + (self.minimum < self.maximum))))
        for place, weight in enumerate(weights):
            if drawn < weight:
                items[place] = self.item.mutate(items[place], rng)
                return items
            drawn -= weight
        if self.minimum == self.maximum:
            return items
        grow = len(items) == self.minimum or (len(items) < self.maximum and rng.random() < 0.5)
        if grow:
            items.insert(int(rng.integers(len(items) + 1)), self.item.sample(rng))
        else:
            del items[int(rng.integers(len(items)))]
        return items

    def crossover(self, one: Sequence[Any], other: Sequence[Any], rng: np.random.Generator) -> list[Any]:
        cut = int(rng.integers(min(len(one), len(other)) + 1))
        return list(one[:cut]) + list(other[cut:])

    def check(self, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list | tuple) or not self.minimum <= len(value) <= self.maximum:
            raise _refuse(path, value, f"a list of {self.minimum} to {self.maximum} items")
        return [self.item.check(item, f"{path}[{place}]") for place, item in enumerate(value)]

    def size(self) -> int | None:
        one = self.item.size() if self.maximum else 1  # nothing of a continuum is one value
        return None if one is None else sum(one**length for length in range(self.minimum, self.maximum + 1))

    def mutable(self, value: Sequence[Any]) -> int:
        return sum(self.item.mutable(item) for item in value) + (self.minimum < self.maximum)


class Record(Field):
    """Named fields; its values are dicts. A space's own fields make one."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = dict(fields)

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        return {name: field.sample(rng) for name, field in self.fields.items()}

    def mutate(self, value: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        child = {name: value[name] for name in self.fields}
        weights = {name: field.mutable(value[name]) for name, field in self.fields.items()}
        if not any(weights.values()):
            return child
        drawn = int(rng.integers(sum(weights.values())))
        for name, weight in weights.items():
            if drawn < weight:
                child[name] = self.fields[name].mutate(value[name], rng)
                break
            drawn -= weight
        return child

    def crossover(self, one: Mapping[str, Any], other: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {name: field.crossover(one[name], other[name], rng) for name, field in self.fields.items()}

    def check(self, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _refuse(path, value, f"an object with the fields {sorted(self.fields)}")
        unknown = sorted(set(value) - set(self.fields))
        missing = sorted(set(self.fields) - set(value))
        if unknown or missing:
            wrong = [f"{name!r} is missing" for name in missing] + [f"{name!r} is no field" for name in unknown]
            raise InvalidCandidate(f"{path}: {', '.join(wrong)}; the fields are {sorted(self.fields)}")
        return {name: field.check(value[name], f"{path}.{name}") for name, field in self.fields.items()}

    def size(self) -> int | None:
        total = 1
        for field in self.fields.values():
            count = field.size()
            if count is None:
                return None
            total *= count
        return total

    def mutable(self, value: Mapping[str, Any]) -> int:
        return sum(field.mutable(value[name]) for name, field in self.fields.items())


def as_field(item: Any, where: str) -> Field:
    """Returns `item` if it is a field, or the record of a space's fields; raises InvalidSpace otherwise."""
    if isinstance(item, Field):
        return item
    if _is_space(item):
        return item.record  # type: ignore[no-any-return]
    raise InvalidSpace(
        f"{where}: {item!r} is neither a field nor a space; use Choice, Integer, Real, Repeat or a space instance"
    )


def _is_space(item: Any) -> bool:
    return isinstance(getattr(item, "record", None), Record) and not isinstance(item, type)
