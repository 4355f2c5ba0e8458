"""Short signatures of large tensors: a few random sums, rounded coarsely.

Every rounded number can straddle an edge of the grid, so the fewer there are the better; and two tensors that differ
at all differ in a random sum.
"""

from __future__ import annotations

import numpy as np
import torch

from automl.hashing.kept import Kept
from automl.hashing.mixing import digest_array, mix
from automl.hashing.weights import uniform

BITS = 12
"""Mantissa bits of signatures."""

SUMS = 3
"""Random sums in a signature."""

TILE = 2**14
"""Longer tensors are summed in tiles of this length."""

FLOOR = 2.0**-44
"""What a network computes below this is rounding noise, hence zero; its probe inputs and weights have variance one."""


_DIRECTIONS: Kept[torch.Tensor] = Kept(2**25)


def _directions(purpose: str, count: int, sums: int) -> torch.Tensor:
    """Returns `sums` fixed random directions among `count` values, shape (sums, count), scaled to keep variance."""

    def make() -> torch.Tensor:
        values = uniform(mix("directions", purpose, str(count)), sums * count)
        return torch.from_numpy(values).reshape(sums, count) / max(1, count) ** 0.5

    return _DIRECTIONS.get((purpose, count, sums), make)


def project(purpose: str, flat: torch.Tensor, sums: int) -> torch.Tensor:
    """Returns `sums` fixed random sums of a one-dimensional tensor; differentiable.

    Beyond `TILE` values, rows of a tile are summed first and then the rows, so that directions stay small enough to
    keep.
    """
    count = flat.numel()
    if count <= TILE:
        return _directions(purpose, count, sums) @ flat
    rows = -(-count // TILE)
    table = torch.nn.functional.pad(flat, (0, rows * TILE - count)).reshape(rows, TILE)
    return (_directions(f"{purpose} rows", rows, sums) * (_directions(purpose, TILE, sums) @ table.T)).sum(1)


def as_real(tensor: torch.Tensor) -> torch.Tensor:
    """Returns the tensor's values in one dimension as float64; complex ones as pairs, others (whole, boolean)
    converted.
    """
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return tensor.to(torch.float64).reshape(-1)


def signature(tensor: torch.Tensor) -> bytes:
    """Returns 16 bytes for a tensor's values and shape."""
    flat = as_real(tensor.detach())
    sums = project("signature", flat, SUMS)
    return mix(repr(tuple(tensor.shape)), digest_array(without_dust(sums), BITS))


def without_dust(values: torch.Tensor) -> np.ndarray:
    """Returns the values as a numpy array, those below `FLOOR` as exact zeros."""
    return torch.where(values.abs() < FLOOR, 0.0, values).numpy()
