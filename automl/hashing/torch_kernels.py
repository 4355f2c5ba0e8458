"""Operations that torch computes in few types only: written in others, or called in float32 and noted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from automl.hashing.torch_noise import mapped, tensors

NARROWER = {torch.float64: torch.float32, torch.complex128: torch.complex64}


def grouped_mm(
    mat_a: torch.Tensor,
    mat_b: torch.Tensor,
    *,
    offs: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    out_dtype: torch.dtype | None = None,  # noqa: ARG001 - everything has one type here
) -> torch.Tensor:
    """Returns `torch.nn.functional.grouped_mm` as matrix products, in whatever type; arguments as torch has them.

    Where the groups end before the rows do, torch leaves what memory holds; here those rows are zero.
    """
    if offs is None:
        found = mat_a @ mat_b
        return found if bias is None else found + bias
    ends = [0, *offs.tolist()]
    groups = [slice(*pair) for pair in itertools.pairwise(ends)]
    if mat_a.dim() == 2 and mat_b.dim() == 2:
        return _biased([mat_a[:, part] @ mat_b[part] for part in groups], bias, torch.stack)
    if mat_b.dim() == 2:
        parts = [mat_a[number] @ mat_b[:, part] for number, part in enumerate(groups)]
        left, axis = mat_b.shape[1] - ends[-1], 1
    else:
        parts = [mat_a[part] @ mat_b[number] for number, part in enumerate(groups)]
        left, axis = mat_a.shape[0] - ends[-1], 0
    found = _biased(parts, bias, lambda several: torch.cat(several, axis))
    padding = (0, left) if axis == 1 else (0, 0, 0, left)
    return torch.nn.functional.pad(found, padding) if left else found


def _biased(parts: list[torch.Tensor], bias: torch.Tensor | None, join: Callable[..., torch.Tensor]) -> torch.Tensor:
    if bias is not None:
        parts = [part + bias[number] for number, part in enumerate(parts)]
    return join(parts)


WRITTEN: Mapping[str, Callable[..., torch.Tensor]] = {"_grouped_mm": grouped_mm, "grouped_mm": grouped_mm}
"""What stands for operations without a kernel for float64."""


def in_float32(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], error: Exception) -> Any:
    """Returns what a function that failed in float64 gives in float32, as float64.

    Raises:
        Exception: `error`, where there is nothing in float64, or it fails in float32, too.
    """
    if not any(item.dtype in NARROWER for item in tensors((*args, *kwargs.values()))):
        raise error
    try:
        found = func(*mapped(args, _narrowed), **{key: _narrowed(item) for key, item in kwargs.items()})
    except Exception:
        raise error from None
    return _widened(found)


def _narrowed(item: Any) -> Any:
    if isinstance(item, torch.dtype):
        return NARROWER.get(item, item)
    return item.to(NARROWER[item.dtype]) if isinstance(item, torch.Tensor) and item.dtype in NARROWER else item


def _widened(item: Any) -> Any:
    if isinstance(item, torch.Tensor):
        wide = {narrow: wide for wide, narrow in NARROWER.items()}
        return item.to(wide.get(item.dtype, item.dtype))
    return type(item)(map(_widened, item)) if type(item) in (tuple, list) else item
