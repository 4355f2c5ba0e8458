"""The base of all fields, and what their refusals have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidCandidate, InvalidSpace
from automl.spaces.options import copied, shown

if TYPE_CHECKING:
    import numpy as np


class _NoDefault:
    def __repr__(self) -> str:
        return "none"


NO_DEFAULT: Any = _NoDefault()
"""Stands where a field has no default; None may be one."""


class Field(ABC):
    """Base class of fields: the choices that make up a space. Subclass it to add a kind of field.

    Override `sample(rng)`, which returns a random value; `mutate(value, rng)`, which returns another value;
    `check(value, path)`, which returns the value in normal form or raises; and `size()`, which returns the number of
    values, None for infinitely many. Values are JSON data.

    Example:
        >>> class Even(Field):
        ...     def sample(self, rng):
        ...         return 2 * int(rng.integers(10))
        ...     def mutate(self, value, rng):
        ...         return (value + 2) % 20
        ...     def check(self, value, path):
        ...         if value not in range(0, 20, 2):
        ...             raise refusal(path, value, "an even number below 20")
        ...         return value
        ...     def size(self):
        ...         return 10
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = Even()
        >>> Line().decode({"x": 3})
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: candidate.x: 3 is not an even number below 20
    """

    default: Any = NO_DEFAULT
    """What its author believes to be good; an attribute of the instance only where it is given."""

    def believe(self, default: Any) -> None:
        """Takes the keyword `default` of a field's constructor.

        Raises:
            InvalidSpace: it is no value of this field.
        """
        if default is NO_DEFAULT:
            return
        try:
            self.default = copied(self.check(default, "default"))
        except InvalidCandidate as error:
            raise InvalidSpace(f"{self!r}: {error}") from None

    def guess(self, rng: np.random.Generator) -> Any:
        """Draws a value that is likely to be good: the default half of the time, a value near it a quarter of the time,
        else any. Without a default it draws uniformly.
        """
        if self.default is NO_DEFAULT or (drawn := rng.random()) < 0.25:
            return self.sample(rng)
        return self.mutate(copied(self.default), rng) if drawn < 0.5 else copied(self.default)

    def believed(self, rng: np.random.Generator) -> Any:
        """Returns the default, or a uniform draw where there is none."""
        return self.sample(rng) if self.default is NO_DEFAULT else copied(self.default)

    @property
    def believes(self) -> bool:
        """True where it has a default, or a field inside it has one."""
        return self.default is not NO_DEFAULT

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Any:
        """Draws a value uniformly."""

    @abstractmethod
    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Returns a value near `value` and different from it, or `value` itself if there is no other."""

    @abstractmethod
    def check(self, value: Any, path: str) -> Any:
        """Returns `value` in its canonical form; raises InvalidCandidate, naming `path`, if it is not of this field."""

    @abstractmethod
    def size(self) -> int | None:
        """Returns the number of values, or None for a continuum and for numbers of more than a thousand digits."""

    def crossover(self, one: Any, other: Any, rng: np.random.Generator) -> Any:
        """Returns a value made of both; by default one of the two."""
        return one if rng.random() < 0.5 else other

    def mutable(self, value: Any) -> int:
        """Returns the number of single choices in `value`; a mutation changes each with equal probability."""
        return 0 if self.size() == 1 else 1


def is_whole(value: Any) -> bool:
    """Tells whether a value is a Python `int`; True and False are not.

    Example:
        >>> is_whole(3), is_whole(True), is_whole(3.0)
        (True, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool)


def refusal(path: str, value: Any, wanted: str) -> InvalidCandidate:
    """Returns the `InvalidCandidate` error which says what the value at `path` should have been.

    Example:
        >>> str(refusal("net.width", "wide", "a whole number"))
        "net.width: 'wide' is not a whole number"
    """
    return InvalidCandidate(f"{path}: {shown(value)} is not {wanted}")


def finite(value: Any) -> float | None:
    """Returns a number as a float, and None for anything that is no finite number (text and booleans, too).

    Example:
        >>> finite(3), finite(float("inf")), finite("3")
        (3.0, None, None)
    """
    if isinstance(value, str | bytes | bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
