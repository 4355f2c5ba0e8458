"""What a module returns, as named tensors, and those as short arrays that can be rounded and mixed."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from automl.errors import Unhashable
from automl.hashing.mixing import digest_array, mix
from automl.hashing.precision import Precision
from automl.hashing.signature import as_real, project

LONGEST = 64
"""Outputs with more values than this are reduced to as many random sums before they are rounded."""

_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Seen:
    """A tensor that a run gave.

    Attributes:
        name: which, and in which run.
        shape: of the tensor.
        values: in one dimension, float64.
        largest: the size of the largest finite value, 0 where there is none.
        finite: whether all values are.
    """

    name: str
    shape: tuple[int, ...]
    values: torch.Tensor
    largest: float
    finite: bool

    def fades(self, precision: Precision) -> bool:
        """Tells whether it may be noise."""
        return 0.0 < self.largest < precision.fading


def seen(name: str, tensor: torch.Tensor) -> Seen:
    """Returns a tensor with what its digest needs."""
    flat = as_real(tensor.detach())
    largest = float(flat.abs().max()) if flat.numel() else 0.0
    finite = math.isfinite(largest)
    if not finite:
        largest = float(flat.abs().nan_to_num(0.0, 0.0, 0.0).max())
    return Seen(name, tuple(tensor.shape), flat, largest, finite)


def compared(one: Seen, other: Seen, precision: Precision) -> float:
    """Returns the unit of a fading array: its largest value, or 0 where it changes too much or not at all."""
    first, second = (item.values.nan_to_num(0.0, 0.0, 0.0) for item in (one, other))
    if first.shape != second.shape:
        return 0.0
    moved = float((first - second).norm() / first.norm())
    return one.largest if 0.0 < moved < precision.settled else 0.0


def shortened(item: Seen, unit: float, precision: Precision) -> list[tuple[str, np.ndarray]]:
    """Returns an array's values, or random sums of many, with what lies below the noise of `unit` as zeros.

    Large values are drawn together before they are summed, so that one cannot drown the others; where values are not
    finite is told apart from what the others are.
    """
    flat = item.values
    if unit == 0.0:
        return [(item.name, np.zeros(min(flat.numel(), LONGEST)))]
    if flat.numel() <= LONGEST:
        return [(item.name, _stepped(flat.numpy(), unit, precision))]
    found = []
    if not item.finite:
        odd = ~torch.isfinite(flat)
        codes = np.where(np.isnan(flat.numpy()), 2.0, np.sign(flat.numpy())) * odd.numpy()
        found.append((f"{item.name}, which values are not finite", codes))
        flat = torch.where(odd, 0.0, flat)
    drawn = torch.asinh(flat) if unit == 1.0 else torch.asinh(flat / unit) * unit
    sums = project("outputs", drawn, LONGEST)
    return [(item.name, _stepped(sums.numpy(), unit, precision)), *found]


def digest(arrays: list[tuple[str, np.ndarray]], bits: int) -> bytes:
    """Returns the digest of named arrays; of their names none."""
    return mix(*(digest_array(array, bits) for _, array in arrays))


def _stepped(values: np.ndarray, unit: float, precision: Precision) -> np.ndarray:
    step = precision.step * unit
    with np.errstate(all="ignore"):
        coarse = np.rint(values / step) * step
    return np.where(np.abs(values) < unit, coarse, values)


def tensors(returned: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, torch.Tensor]]:
    """Yields the tensors of a module's return value with their names: of tuples and lists in order, of dicts by sorted
    key, of other objects those that they hold.

    A tuple's values have no names; a value of a dict, which is asked for by name, has its key.
    """
    if isinstance(returned, torch.Tensor):
        yield path, returned
    elif isinstance(returned, dict):
        for name in sorted(returned, key=str):
            yield from tensors(returned[name], f"{path}.{name}", depth + 1)
    elif isinstance(returned, list | tuple):
        for item in returned:
            yield from tensors(item, path, depth + 1)
    elif isinstance(returned, bool | int | float):
        yield path, torch.tensor(float(returned), dtype=torch.float64)
    elif hasattr(returned, "__dataclass_fields__"):
        for name in sorted(returned.__dataclass_fields__):
            yield from tensors(getattr(returned, name), f"{path}.{name}", depth + 1)
    elif not isinstance(returned, str | bytes | enum.Enum | type | torch.nn.Module) and depth < _DEPTH:
        held = getattr(returned, "__dict__", {})  # a cache, a distribution
        for name in sorted(held):
            if not callable(held[name]):
                yield from tensors(held[name], f"{path}.{name}", depth + 1)


def returned_tensors(returned: Any) -> list[tuple[str, torch.Tensor]]:
    """Returns the tensors of a module's return value with their names.

    Raises:
        Unhashable: there is none.
    """
    found = list(tensors(returned))
    if not found:
        raise Unhashable(
            f"the module returns {type(returned).__name__} without any tensor; return tensors, or tuples, lists or "
            "dicts of them"
        )
    return found
