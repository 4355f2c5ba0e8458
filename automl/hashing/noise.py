"""Arrays that know their own rounding error, so that noise left over by cancellation can be told from small values.

A running error analysis (Wilkinson 1963) with the derivative of each function taken by moving its inputs by their
errors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

ROUNDING = 2.0**-53
MARGIN = 2.0**24
"""A value within this many times its error is noise, hence zero: what rounding may move must be far finer than the
grid.
"""


class UntrackedError(Exception):
    """A function was used whose error is not tracked; plain arrays serve then."""


class Tracked(np.lib.mixins.NDArrayOperatorsMixin):
    """A float64 array with a bound on the rounding error of each value.

    Attributes:
        value: the numbers.
        error: how far rounding may have moved each, at least 0.
    """

    __array_priority__ = 100

    def __init__(self, value: np.ndarray, error: np.ndarray | float = 0.0) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        given = np.asarray(error, dtype=np.float64)
        self.error = given if given.shape == self.value.shape else np.broadcast_to(given, self.value.shape)

    def settled(self) -> np.ndarray:
        """Returns the values, those that are mere noise as exact zeros."""
        with np.errstate(all="ignore"):
            return np.where(np.abs(self.value) < MARGIN * self.error, 0.0, self.value)

    # --- what numpy functions look for --------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if kwargs.pop("out", None) is not None or kwargs.pop("where", True) is not True:
            raise UntrackedError(ufunc.__name__)
        if method == "reduce":
            return _reduced(ufunc, inputs[0], kwargs)
        if method != "__call__" or ufunc.signature is not None:
            raise UntrackedError(f"{ufunc.__name__}.{method}")
        values = [item.value if isinstance(item, Tracked) else item for item in inputs]
        errors = [item.error if isinstance(item, Tracked) else None for item in inputs]
        result = ufunc(*values, **kwargs)
        shifted = _shifted(lambda *moved: ufunc(*moved, **kwargs), values, errors)
        if isinstance(result, tuple):
            return tuple(_wrap(one, [moved[place] for moved in shifted], 1.0) for place, one in enumerate(result))
        return _wrap(result, shifted, _inexact(ufunc, values), combine_largest=ufunc in _CHOOSING)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        name = func.__name__
        if name == "where" and len(args) == 3 and not isinstance(args[0], Tracked):
            one, other = (item if isinstance(item, Tracked) else Tracked(item) for item in args[1:])
            return Tracked(np.where(args[0], one.value, other.value), np.where(args[0], one.error, other.error))
        if name == "clip" and len(args) == 3 and not kwargs:
            low, high = args[1:]
            result = self if low is None else np.maximum(args[0], low)
            return result if high is None else np.minimum(result, high)
        if name in ("sum", "mean", "max", "min", "amax", "amin", "prod") and isinstance(args[0], Tracked):
            return getattr(args[0], name.removeprefix("a"))(*args[1:], **kwargs)
        if name in ("zeros_like", "ones_like", "full_like"):
            return func(args[0].value if isinstance(args[0], Tracked) else args[0], *args[1:], **kwargs)
        raise UntrackedError(name)

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise UntrackedError("conversion to a plain array")

    # --- what functions of arrays use of an array ---------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def dtype(self) -> np.dtype[np.float64]:
        return self.value.dtype

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Tracked:
        return Tracked(self.value[index], self.error[index])

    def copy(self) -> Tracked:
        return Tracked(self.value.copy(), self.error)

    def clip(self, low: Any = None, high: Any = None) -> Any:
        return np.clip(self, low, high)

    def sum(self, axis: Any = None) -> Any:
        return np.add.reduce(self, axis=axis)

    def prod(self, axis: Any = None) -> Any:
        return np.multiply.reduce(self, axis=axis)

    def max(self, axis: Any = None) -> Any:
        return np.maximum.reduce(self, axis=axis)

    def min(self, axis: Any = None) -> Any:
        return np.minimum.reduce(self, axis=axis)

    def mean(self, axis: Any = None) -> Any:
        total = self.sum(axis)
        return total * (total.size / self.size)


def _shifted(function: Callable[..., Any], values: list[Any], errors: list[Any]) -> list[Any]:
    """Returns what a function gives when each input in turn is moved by its error, up and down."""
    found = []
    for place, error in enumerate(errors):
        if error is not None and error.any():
            moved = (values[place] + error, values[place] - error)
            found += [function(*values[:place], value, *values[place + 1 :]) for value in moved]
    return found


_CHOOSING = (np.maximum, np.minimum, np.fmax, np.fmin)
_EXACT = (*_CHOOSING, np.negative, np.positive, np.absolute, np.fabs, np.sign, np.copysign)


def _inexact(ufunc: np.ufunc, values: list[Any]) -> Any:
    """Returns 0 where a function does not round at all, so that adding zero or negating leaves no trace, else 1."""
    if ufunc in _EXACT:
        return 0.0
    if ufunc in (np.add, np.subtract):
        return np.where(np.equal(values[0], 0) | np.equal(values[1], 0), 0.0, 1.0)
    if ufunc in (np.multiply, np.divide):
        parts = [np.frexp(np.abs(np.asarray(item, dtype=np.float64)))[0] for item in values]
        scaling = [(part == 0.0) | (part == 0.5) for part in parts]
        return np.where(scaling[1] | (scaling[0] & (ufunc is np.multiply)), 0.0, 1.0)
    return 1.0


def _wrap(result: Any, shifted: list[Any], inexact: Any, *, combine_largest: bool = False) -> Any:
    array = np.asarray(result)
    if array.dtype.kind != "f":
        return result
    moves = [_finite(np.abs(moved - array)) for moved in shifted]
    moves = [np.maximum(*moves[place : place + 2]) for place in range(0, len(moves), 2)]
    carried = functools.reduce(np.maximum if combine_largest else np.add, moves, np.zeros(array.shape))
    error = ROUNDING * np.abs(array) * inexact + carried
    return Tracked(array, _finite(error))


def _finite(values: np.ndarray) -> np.ndarray:
    """Returns values with zeros where they are not finite."""
    return np.where(np.isfinite(values), values, 0.0)


def _reduced(ufunc: np.ufunc, item: Any, kwargs: Mapping[str, Any]) -> Any:
    axis = kwargs.get("axis", 0)
    if not isinstance(item, Tracked) or set(kwargs) - {"axis", "keepdims", "dtype"} or kwargs.get("dtype") is not None:
        raise UntrackedError(f"{ufunc.__name__}.reduce")
    how: dict[str, Any] = {"axis": axis, "keepdims": bool(kwargs.get("keepdims", False))}
    value = ufunc.reduce(item.value, **how)
    if ufunc is np.add:
        size = np.add.reduce(np.abs(item.value), **how)
        return Tracked(value, np.add.reduce(item.error, **how) + ROUNDING * size * 4)
    if ufunc in (np.maximum, np.minimum):
        return Tracked(value, np.maximum.reduce(item.error, **how))
    if ufunc is np.multiply:
        with np.errstate(all="ignore"):
            relative = np.where(item.value == 0, 0.0, item.error / np.abs(item.value))
        return Tracked(value, np.abs(value) * (np.add.reduce(relative, **how) + ROUNDING * item.size))
    raise UntrackedError(f"{ufunc.__name__}.reduce")
