"""Declarative fields: what one choice of a space can be, and how it is sampled, varied, read and counted.

A field's values are plain JSON data. Fields hold no random state and know nothing of the space that they stand in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidCandidate, InvalidSpace
from automl.jsontext import canonical, plain
from automl.spaces.field import NO_DEFAULT, is_whole, refusal
from automl.spaces.field import Field as Field
from automl.spaces.options import check_arguments, check_option, copied, nearest, shown, shown_list
from automl.spaces.ranges import Integer as Integer
from automl.spaces.ranges import Real as Real

if TYPE_CHECKING:
    import numpy as np

MOST_ITEMS = 100_000
"""Items of a Repeat, at most."""

_COUNTED_BITS = 3322
"""Sizes of more bits (a thousand digits) are not counted out: nobody reads them, and they take memory."""

_NO_OPTION = object()


class Choice(Field):
    """Field with one of the given options: numbers, texts, booleans, None, lists, dicts, or spaces (conditional
    choices).

    A chosen space appears as a dict of its fields plus `kind`, the name of its class. A dict is an option as given; it
    may have an entry `kind` of its own. Numbers may come from numpy. When a candidate is read, a number that differs
    from an option by a rounding error (0.1 * 3 for 0.3) means that option. `default` is the option that you believe to
    be good: strategies begin near it.

    Raises:
        InvalidSpace: there are no options or two equal ones, all options are in one list, an option is neither JSON nor
            a space, or a dict has a key that candidates use themselves (`value`, `json`).

    Example:
        >>> optimizer = Choice({"kind": "sgd", "momentum": 0.9}, {"kind": "adam"})
        >>> optimizer.check({"kind": "adam"}, "candidate.optimizer")
        {'kind': 'adam'}
    """

    def __init__(self, *options: Any, default: Any = NO_DEFAULT) -> None:
        check_arguments(options)
        self.options: tuple[Any, ...] = tuple(plain(option) for option in options)
        self._index: dict[str, int] = {}  # by canonical JSON, of options that are no spaces
        self._kinds: dict[str, int] = {}  # of spaces
        for number, option in enumerate(self.options):
            if isinstance(option, Field):
                raise InvalidSpace(
                    f"Choice: the option {option!r} is a field; declare it in a space, and give an instance of that "
                    "space as the option"
                )
            if _is_space(option):
                _insist_all_allowed(option, "Choice")
            known, text = (self._kinds, option.kind) if _is_space(option) else (self._index, check_option(option))
            if text in known:
                raise InvalidSpace(f"Choice has {shown(option)} twice, at options {known[text]} and {number}")
            known[text] = number
        for option in self.options:
            if isinstance(option, Mapping) and str(option.get("kind")) in self._kinds:
                raise InvalidSpace(
                    f"Choice has the option {shown(option)} and a space of the same kind; candidates of both would "
                    "look alike: call the kind of the dict something else"
                )
        self._strings = {option: number for number, option in enumerate(self.options) if isinstance(option, str)}
        self.believe(default)

    def __repr__(self) -> str:
        return f"Choice({shown_list(self.options)[1:-1]})"

    def sample(self, rng: np.random.Generator) -> Any:
        return self._fill(int(rng.integers(len(self.options))), rng)

    def guess(self, rng: np.random.Generator) -> Any:
        if self.default is not NO_DEFAULT:
            return super().guess(rng)
        option = self.options[int(rng.integers(len(self.options)))]
        return {"kind": option.kind} | option.record.guess(rng) if _is_space(option) else copied(option)

    @property
    def believes(self) -> bool:
        return super().believes or any(_is_space(option) and option.record.believes for option in self.options)

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        now, inner = self.number(value), 0
        option = self.options[now]
        if self._kinds and _is_space(option):
            inner = option.record.mutable(value)
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
            return copied(option)
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
        if self._kinds:
            option = self.options[self.number(value)]
            inner = option.record.mutable(value) if _is_space(option) else 0
        return inner + (len(self.options) > 1)

    def _fill(self, number: int, rng: np.random.Generator) -> Any:
        option = self.options[number]
        if self._kinds and _is_space(option):
            return {"kind": option.kind} | option.record.sample(rng)
        return copied(option)

    def number(self, value: Any, path: str = "choice") -> int:
        """Returns the place of a value's option among the options; raises InvalidCandidate where there is none."""
        if isinstance(value, str) and value in self._strings:  # without the detour of its JSON
            return self._strings[value]
        kind = value.get("kind") if self._kinds and isinstance(value, Mapping) else None
        if isinstance(kind, str) and kind in self._kinds:
            return self._kinds[kind]
        try:
            found = self._index.get(canonical(value))
        except ValueError:
            found = None
        if found is None:
            found = nearest(value, [_NO_OPTION if _is_space(option) else option for option in self.options])
        if found is None:
            names = [option.kind if _is_space(option) else option for option in self.options]
            raise refusal(path, value, f"one of {shown_list(names)}")
        return found


class Repeat(Field):
    """List of `minimum` to `maximum` values of one field or space, both bounds included.

    Raises:
        InvalidSpace: the bounds are not 0 <= minimum <= maximum, or the item is neither field nor space.

    Example:
        >>> layers = Repeat(Choice(16, 32), 1, 3)
        >>> layers.size()  # 2 + 4 + 8
        14
        >>> layers.check([16, 64], "layers")
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: layers[1]: 64 is not one of [16, 32]
    """

    def __init__(self, item: Any, minimum: int, maximum: int) -> None:
        minimum, maximum = plain(minimum), plain(maximum)
        if not is_whole(minimum) or not is_whole(maximum) or not 0 <= minimum <= maximum:
            raise InvalidSpace(f"Repeat(…, {minimum!r}, {maximum!r}): give whole numbers with 0 <= minimum <= maximum")
        if maximum > MOST_ITEMS:
            raise InvalidSpace(f"Repeat(…, {minimum}, {maximum}): a list may have {MOST_ITEMS:,} items at most")
        self.item: Field = as_field(item, "Repeat")
        self.minimum, self.maximum = minimum, maximum

    def __repr__(self) -> str:
        return f"Repeat({self.item!r}, {self.minimum}, {self.maximum})"

    def sample(self, rng: np.random.Generator) -> list[Any]:
        return [self.item.sample(rng) for _ in range(int(rng.integers(self.minimum, self.maximum + 1)))]

    def guess(self, rng: np.random.Generator) -> list[Any]:
        return [self.item.guess(rng) for _ in range(int(rng.integers(self.minimum, self.maximum + 1)))]

    @property
    def believes(self) -> bool:
        return self.item.believes

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
        value = plain(value)
        if not isinstance(value, list | tuple) or not self.minimum <= len(value) <= self.maximum:
            raise refusal(path, value, f"a list of {self.minimum} to {self.maximum} items")
        return [self.item.check(item, f"{path}[{place}]") for place, item in enumerate(value)]

    def size(self) -> int | None:
        one = self.item.size() if self.maximum else 1  # nothing of a continuum is one value
        if one == 1:
            return self.maximum - self.minimum + 1
        if one is None or one.bit_length() * self.maximum > _COUNTED_BITS:
            return None
        return int((one ** (self.maximum + 1) - one**self.minimum) // (one - 1))

    def mutable(self, value: Sequence[Any]) -> int:
        return sum(self.item.mutable(item) for item in value) + (self.minimum < self.maximum)


class Record(Field):
    """Named fields together; a value is a dict. The fields of a space form a record.

    Example:
        >>> from automl.spaces.ranges import Integer
        >>> block = Record({"width": Choice(16, 32), "depth": Integer(1, 4)})
        >>> block.size(), block.check({"depth": 2, "width": 16}, "block")
        (8, {'width': 16, 'depth': 2})
    """

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = dict(fields)

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        return {name: field.sample(rng) for name, field in self.fields.items()}

    def guess(self, rng: np.random.Generator) -> dict[str, Any]:
        return {name: field.guess(rng) for name, field in self.fields.items()}

    def believed(self, rng: np.random.Generator) -> dict[str, Any]:
        return {name: field.believed(rng) for name, field in self.fields.items()}

    @property
    def believes(self) -> bool:
        return any(field.believes for field in self.fields.values())

    def mutate(self, value: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        child = {name: value[name] for name in self.fields}
        weights = [field.mutable(child[name]) for name, field in self.fields.items()]
        if not (total := sum(weights)):
            return child
        drawn = int(rng.integers(total))
        for (name, field), weight in zip(self.fields.items(), weights, strict=True):
            if drawn < weight:
                child[name] = field.mutate(child[name], rng)
                break
            drawn -= weight
        return child

    def crossover(self, one: Mapping[str, Any], other: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {name: field.crossover(one[name], other[name], rng) for name, field in self.fields.items()}

    def check(self, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise refusal(path, value, f"an object with the fields {sorted(self.fields)}")
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
            if count is None or count.bit_length() + total.bit_length() > _COUNTED_BITS:
                return None
            total *= count
        return total

    def mutable(self, value: Mapping[str, Any]) -> int:
        return sum(field.mutable(value[name]) for name, field in self.fields.items())


def as_field(item: Any, where: str) -> Field:
    """Returns a field unchanged, and a space as the record of its fields.

    Raises:
        InvalidSpace: the item is neither; the message says where it was given.

    Example:
        >>> import automl
        >>> class Block(automl.Space):
        ...     width = automl.Choice(16, 32)
        >>> type(as_field(Block(), "blocks")).__name__
        'Record'
    """
    if isinstance(item, Field):
        return item
    if _is_space(item):
        _insist_all_allowed(item, where)
        return item.record  # type: ignore[no-any-return]
    raise InvalidSpace(
        f"{where}: {item!r} is neither a field nor a space; use Choice, Integer, Real, Repeat or a space instance"
    )


def _insist_all_allowed(space: Any, where: str) -> None:
    """Insists that a space inside another one forbids nothing: the outer one alone sees whole candidates."""
    base: Any = next((one for one in type(space).__mro__ if one.__module__ == "automl.spaces.space"), None)
    if base is not None and type(space).allowed is not base.allowed:
        raise InvalidSpace(
            f"{where}: the space {space.kind} inside another one has an allowed() of its own; define it in the outer "
            "space, which sees the whole candidate"
        )


def _is_space(item: Any) -> bool:
    return isinstance(getattr(item, "record", None), Record) and not isinstance(item, type)
