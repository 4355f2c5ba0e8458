"""What may change at the places of a module: options with makers, dropped places, one choice for all places."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidSpace
from automl.spaces.field import Field, is_whole, refusal
from automl.spaces.fields import Choice, as_field
from automl.spaces.options import shown

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

KEEP = "keep"
"""The option that leaves a place as it is."""


class Replace(Choice):
    """Field that replaces a module by one of several, each given by name.

    A class is called without arguments. A function gets the module that stands at the place, if it takes an argument,
    and returns the new one. `keep=None` leaves the place as it is.

    Args:
        makers: Class or function for each option.

    Raises:
        InvalidSpace: there is no option, or one is neither a class nor a function.

    Example:
        >>> from torch import nn
        >>> wider = Replace(keep=None, norm=lambda old: nn.LayerNorm(old.out_features))
        >>> wider.options
        ('keep', 'norm')
    """

    def __init__(self, **makers: Callable[..., Any] | None) -> None:
        if not makers:
            raise InvalidSpace("Replace() has no options; write Replace(relu=nn.ReLU, gelu=nn.GELU)")
        for name, maker in makers.items():
            if maker is None and name == KEEP:
                continue
            if not callable(maker) or _is_module(maker):
                what = "a module that all candidates would share" if _is_module(maker) else f"{shown(maker)}"
                raise InvalidSpace(
                    f"Replace: {name} is {what}; give a class or a function, such as lambda old: nn.ReLU()"
                )
        super().__init__(*makers)
        self.makers = dict(makers)

    def __repr__(self) -> str:
        return f"Replace({', '.join(map(str, self.options))})"

    def make(self, name: str, old: nn.Module) -> Any:
        """Returns the module of an option; `old` is the one that stands at the place."""
        maker = self.makers[name]
        if maker is None:
            return old
        return maker(old) if not isinstance(maker, type) and _takes_one(maker) else maker()


class Drop(Field):
    """Field that drops some of the places which a pattern matches: each is replaced by the identity.

    A value is the list of the names of dropped places, in the module's order. All lists of at most `at_most` names are
    equally likely.

    Args:
        at_most: Largest number of places that are dropped.

    Raises:
        InvalidSpace: `at_most` is no whole number of at least 1.

    Example:
        >>> Drop(at_most=2)
        Drop(at_most=2)
    """

    def __init__(self, at_most: int) -> None:
        if not is_whole(at_most) or at_most < 1:
            raise InvalidSpace(f"Drop(at_most={at_most!r}); give a whole number of at least 1")
        self.at_most = at_most
        self.places: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Drop(at_most={self.at_most})"

    def among(self, places: Sequence[str]) -> Drop:
        """Returns this field for the places that a pattern matched."""
        found = Drop(self.at_most)
        found.places = tuple(places)
        return found

    def sample(self, rng: np.random.Generator) -> list[str]:
        number = _weighted([math.comb(len(self.places), count) for count in range(self._most + 1)], rng)
        chosen = rng.permutation(len(self.places))[:number]
        return [self.places[place] for place in sorted(int(place) for place in chosen)]

    def mutate(self, value: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Drops one place more or one fewer; at the limit, it may also drop another one instead."""
        place = self.places[int(rng.integers(len(self.places)))]
        dropped = set(value) ^ {place}
        if len(dropped) > self._most:
            dropped.remove(value[int(rng.integers(len(value)))])
        return self._in_order(dropped)

    def crossover(self, one: Sequence[str], other: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Takes each place from one of the two, and drops no more than allowed."""
        taken = [place for place in self.places if place in (one if rng.random() < 0.5 else other)]
        while len(taken) > self._most:
            del taken[int(rng.integers(len(taken)))]
        return taken

    def check(self, value: Any, path: str) -> list[str]:
        known = isinstance(value, list | tuple) and all(place in self.places for place in value)
        if not known or len(set(value)) < len(value) or len(value) > self._most:
            raise refusal(path, value, f"a list of at most {self._most} different names of {shown(list(self.places))}")
        return self._in_order(set(value))

    def size(self) -> int:
        return sum(math.comb(len(self.places), count) for count in range(self._most + 1))

    def mutable(self, value: Any) -> int:
        return len(self.places)

    @property
    def _most(self) -> int:
        return min(self.at_most, len(self.places))

    def _in_order(self, dropped: set[str]) -> list[str]:
        return [place for place in self.places if place in dropped]


class Together:
    """Wraps a field so that one value holds for all places that its pattern matches.

    Example:
        >>> Together(Choice("ReLU", "GELU"))
        Together(Choice('ReLU', 'GELU'))
    """

    def __init__(self, field: Any) -> None:
        self.field = as_field(field, "Together")
        if isinstance(self.field, Drop):
            raise InvalidSpace("Together(Drop(…)): a Drop holds for all places already; give it as it is")

    def __repr__(self) -> str:
        return f"Together({self.field!r})"


def changed(field: Field, value: Any, old: nn.Module, place: str) -> Any:
    """Returns the module that stands at a place after a change: `old` itself, changed, or another one.

    Raises:
        InvalidSpace: the value says nothing about such a module; the message says what does.

    Example:
        >>> from torch import nn
        >>> changed(Choice("keep", "GELU"), "GELU", nn.ReLU(), "layers.0.act")
        GELU(approximate='none')
    """
    from torch import nn

    if value == KEEP or value is None:
        return old
    if isinstance(field, Replace):
        made = field.make(value, old)
        if not isinstance(made, nn.Module):
            raise InvalidSpace(f"{place}: the option {value!r} gives {shown(made)}; let it return a torch.nn.Module")
        return made
    if isinstance(value, str):
        return _named(value, old, place)
    if isinstance(value, int | float) and isinstance(old, nn.modules.dropout._DropoutNd):
        old.p = float(value)
        return old
    raise InvalidSpace(
        f"{place} is a {type(old).__name__}, and {shown(value)} says nothing about it; give names of modules of "
        f"torch.nn, use Replace(…), or name an attribute, as in '{place}.{_attribute(old)}'"
    )


def _named(name: str, old: nn.Module, place: str) -> nn.Module:
    """Returns a module of torch.nn by name; arguments that it needs are taken from the module that it replaces."""
    import difflib

    from torch import nn

    if name.lower() == "identity":
        return nn.Identity()
    kinds = {
        one.lower(): item for one, item in vars(nn).items() if isinstance(item, type) and issubclass(item, nn.Module)
    }
    kind = kinds.get(name.lower())
    if kind is None:
        near = difflib.get_close_matches(name.lower(), kinds, n=2, cutoff=0.6)
        hint = f"; did you mean {' or '.join(kinds[one].__name__ for one in near)}?" if near else ""
        hint = hint or "; use Replace(…) for modules of your own"
        raise InvalidSpace(f"{place}: {name!r} is no module of torch.nn{hint}")
    needed = [
        argument.name
        for argument in inspect.signature(kind).parameters.values()
        if argument.default is argument.empty and argument.kind is argument.POSITIONAL_OR_KEYWORD
    ]
    if missing := [argument for argument in needed if not hasattr(old, argument)]:
        raise InvalidSpace(
            f"{place}: {kind.__name__} needs {missing[0]!r}, which the {type(old).__name__} there does not have; use "
            f"Replace({name.lower()}=lambda old: nn.{kind.__name__}(…))"
        )
    made: nn.Module = kind(**{argument: getattr(old, argument) for argument in needed})
    return made


def _takes_one(maker: Callable[..., Any]) -> bool:
    try:
        arguments = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):  # made in C
        return False
    return any(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.VAR_POSITIONAL) for one in arguments)


def _is_module(thing: Any) -> bool:
    import sys

    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module)


def _attribute(module: nn.Module) -> str:
    numbers = [name for name, value in vars(module).items() if type(value) in (int, float) and not name.startswith("_")]
    return numbers[0] if numbers else "attribute"


def _weighted(weights: Sequence[int], rng: np.random.Generator) -> int:
    """Draws a place in proportion to whole numbers, which may be larger than a machine's."""
    total = sum(weights)
    return int(rng.choice(len(weights), p=[weight / total for weight in weights]))
