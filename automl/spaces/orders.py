"""Fields in which order or belonging is the choice: ordered options, permutations, subsets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidSpace
from automl.jsontext import canonical, plain
from automl.spaces.field import NO_DEFAULT, Field, is_whole, refusal
from automl.spaces.fields import Choice
from automl.spaces.options import check_option, copied, nearest, shown, shown_list

if TYPE_CHECKING:
    import numpy as np


class Ordinal(Choice):
    """Choice whose options have an order: small, medium, large.

    Half of all mutations go to a neighbour, and strategies with a model read the place among the options as a number.

    Raises:
        InvalidSpace: as `Choice`; or an option is a space.

    Example:
        >>> import numpy as np
        >>> size = Ordinal("small", "medium", "large")
        >>> size.size(), size.mutate("small", np.random.default_rng(0)) in ("medium", "large")
        (3, True)
    """

    def __init__(self, *options: Any, default: Any = NO_DEFAULT) -> None:
        super().__init__(*options, default=default)
        if self._kinds:
            raise InvalidSpace("Ordinal: a space among the options has no order; take Choice")

    def __repr__(self) -> str:
        return f"Ordinal({shown_list(self.options)[1:-1]})"

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        if len(self.options) > 2 and rng.random() < 0.5:
            now, last = self.number(value), len(self.options) - 1
            step = 1 if now == 0 else -1 if now == last else (1 if rng.random() < 0.5 else -1)
            return copied(self.options[now + step])
        return super().mutate(value, rng)


class _OfItems(Field):
    """Field whose values are lists of given items, each at most once."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items: tuple[Any, ...] = tuple(plain(item) for item in items)
        texts = [check_option(item) for item in self.items]
        for place, text in enumerate(texts):
            if text in texts[:place]:
                raise InvalidSpace(f"{type(self).__name__} has {shown(self.items[place])} twice")
        self._index = {text: place for place, text in enumerate(texts)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown_list(self.items)[1:-1]})"

    def places(self, value: Any, path: str, wanted: str) -> list[int]:
        """Returns the places of a value's items; raises InvalidCandidate where it is no list of different ones."""
        value = plain(value)
        if not isinstance(value, list | tuple):
            raise refusal(path, value, wanted)
        found = [self._place(item) for item in value]
        if None in found or len(set(found)) < len(found):
            raise refusal(path, value, wanted)
        return [place for place in found if place is not None]

    def _place(self, item: Any) -> int | None:
        try:
            found = self._index.get(canonical(item))
        except ValueError:
            found = None
        return nearest(item, self.items) if found is None else found

    def listed(self, places: Sequence[int]) -> list[Any]:
        """Returns the items at these places."""
        return [copied(self.items[place]) for place in places]


class Permutation(_OfItems):
    """Field with all of the given items in some order.

    A mutation swaps two items; a child has a part of one parent, and the rest in the order of the other.

    Raises:
        InvalidSpace: there are fewer than two items, two equal ones, or one that is no JSON data.

    Example:
        >>> order = Permutation("conv", "norm", "relu")
        >>> order.size(), order.check(["relu", "conv", "norm"], "order")
        (6, ['relu', 'conv', 'norm'])
        >>> order.check(["relu", "conv"], "order")
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: order: ['relu', 'conv'] is not all of ['conv', 'norm', 'relu'] in some order
    """

    def __init__(self, *items: Any) -> None:
        super().__init__(items)
        if len(self.items) < 2:
            raise InvalidSpace(f"{self!r}: give at least two items; one item has one order")

    def sample(self, rng: np.random.Generator) -> list[Any]:
        return self.listed([int(place) for place in rng.permutation(len(self.items))])

    def mutate(self, value: Sequence[Any], rng: np.random.Generator) -> list[Any]:
        items = list(value)
        one = int(rng.integers(len(items)))
        other = (one + 1 + int(rng.integers(len(items) - 1))) % len(items)
        items[one], items[other] = items[other], items[one]
        return items

    def crossover(self, one: Sequence[Any], other: Sequence[Any], rng: np.random.Generator) -> list[Any]:
        first, second = self.order(one), self.order(other)
        begin, end = sorted(int(cut) for cut in rng.integers(len(first) + 1, size=2))
        kept = set(first[begin:end])
        rest = [place for place in second if place not in kept]
        return self.listed([*rest[:begin], *first[begin:end], *rest[begin:]])

    def check(self, value: Any, path: str) -> list[Any]:
        return self.listed(self.order(value, path))

    def order(self, value: Any, path: str = "permutation") -> list[int]:
        """Returns a value as the places of its items among those that were given."""
        wanted = f"all of {shown_list(self.items)} in some order"
        found = self.places(value, path, wanted)
        if len(found) < len(self.items):
            raise refusal(path, value, wanted)
        return found

    def size(self) -> int | None:
        return math.factorial(len(self.items)) if len(self.items) <= 400 else None


class Subset(_OfItems):
    """Field with some of the given items, in the order in which they were given.

    A mutation adds an item or removes one; where the bounds forbid both, it exchanges one.

    Args:
        items: JSON data, each once.
        minimum, maximum: Bounds of their number, both included; None for the maximum allows all.

    Raises:
        InvalidSpace: the bounds are not 0 <= minimum <= maximum <= number of items, or two items are equal.

    Example:
        >>> augmentations = Subset("flip", "crop", "cutout", maximum=2)
        >>> augmentations.size(), augmentations.check(["cutout", "flip"], "augmentations")
        (7, ['flip', 'cutout'])
    """

    def __init__(self, *items: Any, minimum: int = 0, maximum: int | None = None) -> None:
        super().__init__(items)
        most = len(self.items) if maximum is None else plain(maximum)
        if not self.items or not is_whole(minimum) or not is_whole(most) or not 0 <= minimum <= most <= len(self.items):
            raise InvalidSpace(
                f"{self!r} with minimum={minimum!r}, maximum={maximum!r}: give items, and whole numbers with "
                f"0 <= minimum <= maximum <= {len(self.items)}"
            )
        self.minimum, self.maximum = minimum, most
        # By the number of items, so that every subset is as likely as every other.
        self._ways = [math.comb(len(self.items), count) for count in range(minimum, most + 1)]

    def sample(self, rng: np.random.Generator) -> list[Any]:
        total = sum(self._ways)
        drawn = int(rng.random() * total) if total >= 1 << 62 else int(rng.integers(total))
        count = self.minimum
        for ways in self._ways[:-1]:
            if drawn < ways:
                break
            drawn -= ways
            count += 1
        return self._sorted(rng.choice(len(self.items), size=count, replace=False))

    def mutate(self, value: Sequence[Any], rng: np.random.Generator) -> list[Any]:
        chosen = self.places(value, "subset", "")
        others = [place for place in range(len(self.items)) if place not in chosen]
        free = [*(others if len(chosen) < self.maximum else []), *(chosen if len(chosen) > self.minimum else [])]
        if free:
            return self._sorted({*chosen} ^ {free[int(rng.integers(len(free)))]})
        if not chosen or not others:
            return list(value)
        out, into = chosen[int(rng.integers(len(chosen)))], others[int(rng.integers(len(others)))]
        return self._sorted(({*chosen} - {out}) | {into})

    def crossover(self, one: Sequence[Any], other: Sequence[Any], rng: np.random.Generator) -> list[Any]:
        first, second = set(self.places(one, "subset", "")), set(self.places(other, "subset", ""))
        child = {place for place in first | second if (place in first) == (place in second) or rng.random() < 0.5}
        return self._sorted(child) if self.minimum <= len(child) <= self.maximum else list(one)

    def check(self, value: Any, path: str) -> list[Any]:
        bounds = f"{self.minimum} to {self.maximum} different items of {shown_list(self.items)}"
        found = self.places(value, path, bounds)
        if not self.minimum <= len(found) <= self.maximum:
            raise refusal(path, value, bounds)
        return self._sorted(found)

    def size(self) -> int | None:
        total = sum(self._ways)
        return total if total.bit_length() < 3322 else None

    def _sorted(self, places: Any) -> list[Any]:
        return self.listed(sorted(int(place) for place in places))
