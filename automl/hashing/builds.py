"""A torch module as it is made: numbers from fixed seeds, in float64; and whether it is the same each time."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from automl.hashing.copies import Copied, copied
from automl.hashing.guard import check_memory
from automl.hashing.shared_generators import SharedGenerators
from automl.hashing.torch_mode import Deterministic
from automl.hashing.torch_names import WIDER

Build = Callable[[], torch.nn.Module]

_SEED = 0
_SHORT = 6
"""A number that takes more characters than this may have been drawn."""

_REFERENCES = 2
"""References to a module that was made just now: the variable, and the argument of the function that counts them."""

_DEPTH = 3
_PLAIN = frozenset([int, bool, str, type(None), OrderedDict])
"""Types that hold no numbers that are drawn; hooks are in the last."""


def built(
    build: Build, call: Callable[[torch.nn.Module], Any], *, seeded: bool = False
) -> tuple[torch.nn.Module, bool]:
    """Returns a module in float64, and whether each of its builds is the same.

    What it draws while it is made comes from one fixed state of torch's, Python's and numpy's generators; the two
    others are set only where it draws from them, because the whole process shares them.

    Args:
        build: returns the module.
        call: runs a module on the probe, where lazy ones find their sizes.
        seeded: set the shared generators in any case.
    """
    shared = SharedGenerators()
    made = _made(build, call, seeded=seeded)
    if not seeded and shared.moved():
        seeded = True
        made = _made(build, call, seeded=True)
    is_same = True
    if not isinstance(build, Copied) and any(map(_may_be_drawn, _held(made))):
        is_same = _alike(made, _made(build, call, seeded=seeded))
    if seeded:
        shared.restore()
    return made, is_same


def _made(build: Build, call: Callable[[torch.nn.Module], Any], *, seeded: bool) -> torch.nn.Module:
    generator = torch.Generator()
    generator.manual_seed(_SEED)
    if seeded:
        SharedGenerators.seed()
    with Deterministic(generator, stream=True):
        module = build()
    check_memory(module)
    if sys.getrefcount(module) > _REFERENCES and not isinstance(build, Copied):
        module = copied(module)  # somebody else holds it, who wants it to stay as it is
    module = _wide(module)
    if any(isinstance(item, torch.nn.parameter.UninitializedParameter) for item in module.parameters()):
        with Deterministic(generator, stream=True), torch.no_grad():
            call(module)
    return module


def _wide(module: torch.nn.Module) -> torch.nn.Module:
    """Returns the module on the CPU, its parameters and buffers in float64 or complex128."""
    every = [item for part in module.modules() for held in (part._parameters, part._buffers) for item in held.values()]
    if all(item is None or (item.dtype not in WIDER and item.device.type == "cpu") for item in every):
        return module
    made: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # a buffer that two modules share stays shared

    def wide(item: torch.Tensor) -> torch.Tensor:
        if item.dtype not in WIDER and item.device.type == "cpu":
            return item
        found = item.to("cpu", WIDER.get(item.dtype, item.dtype))
        return made.setdefault(id(item), (item, found))[1]

    return module._apply(wide)  # type: ignore[no-untyped-call]


def _held(module: torch.nn.Module) -> list[Any]:
    """Returns the numbers and arrays that a module's parts hold, parameters left out: these are given other values."""
    found: list[Any] = []
    for part in module.modules():
        found += part._buffers.values()
        for name, item in part.__dict__.items():
            if type(item) not in _PLAIN and name not in ("_parameters", "_buffers", "_modules"):
                _gather(item, found, _DEPTH)
    return found


def _gather(item: Any, found: list[Any], depth: int) -> None:
    if isinstance(item, float | np.ndarray) or (isinstance(item, torch.Tensor) and not _is_parameter(item)):
        found.append(item)
    elif depth and type(item) in (list, tuple, dict):
        for one in item.values() if type(item) is dict else item:
            if type(one) not in _PLAIN:
                _gather(one, found, depth - 1)


def _is_parameter(item: torch.Tensor) -> bool:
    return isinstance(item, torch.nn.Parameter)


def _may_be_drawn(item: Any) -> bool:
    if item is None:
        return False
    if isinstance(item, float):
        return len(repr(item)) > _SHORT
    if isinstance(item, np.ndarray) or item.layout != torch.strided:
        return True
    if not item.numel():
        return False
    first = item.reshape(-1)[0]
    return len(repr(first.item())) > _SHORT or not bool((item == first).all())


def _alike(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    left, right = _held(one), _held(other)
    return len(left) == len(right) and all(map(_same, left, right))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        is_dense = one.layout == other.layout == torch.strided
        return is_dense and one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return one is other or repr(one) == repr(other)
