"""Short signatures of large tensors: a few random sums, rounded coarsely.

Every rounded number can straddle an edge of the grid, so the fewer there are the better; and two tensors that differ
at all differ in a random sum.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Sequence

import numpy as np
import torch
import xxhash

from automl.hashing.kept import Kept
from automl.hashing.mixing import digest_array, mix
from automl.hashing.weights import uniform

BITS = 12
"""Mantissa bits of signatures."""

SUMS = 3
"""Random sums in a signature."""

TILE = 2**14
"""Longer tensors are summed in tiles of this length."""

SHORT = 2**10
"""Tensors up to this length are summed many at a time: of longer ones the copies take more time than the calls."""

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
    rows, rest = divmod(count, TILE)
    along = _directions(purpose, TILE, sums)
    parts = along @ flat[: rows * TILE].view(rows, TILE).T
    if rest:
        parts = torch.cat([parts, (along[:, :rest] @ flat[rows * TILE :])[:, None]], 1)
    return (_directions(f"{purpose} rows", rows + bool(rest), sums) * parts).sum(1)


def project_many(purpose: str, flat: Sequence[torch.Tensor], sums: int) -> torch.Tensor:
    """Returns the sums that `project` gives for each of some tensors of one length, shape (tensors, sums)."""
    count = flat[0].numel()
    if len(flat) == 1 or count > SHORT:
        return torch.stack([project(purpose, one, sums) for one in flat])
    return torch.stack(list(flat)) @ _directions(purpose, count, sums).T


def as_real(tensor: torch.Tensor) -> torch.Tensor:
    """Returns the tensor's values in one dimension as float64; complex ones as pairs, others (whole, boolean)
    converted.
    """
    if tensor.dtype is torch.float64 and tensor.layout is torch.strided:
        return tensor.reshape(-1)
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return tensor.to(torch.float64).reshape(-1)


def signature(tensor: torch.Tensor) -> bytes:
    """Returns 16 bytes for a tensor's values and shape."""
    sums = project("signature", as_real(tensor.detach()), SUMS).tolist()
    return mix(_text(tensor.shape), _digest([0.0 if -FLOOR < one < FLOOR else one for one in sums]))


@functools.lru_cache(maxsize=4096)
def _text(shape: torch.Size) -> str:
    return repr(tuple(shape))


_HALF, _MASK = 1 << (51 - BITS), -1 << (52 - BITS)
_DOUBLES, _WHOLE = f"<{SUMS}d", f"<{SUMS}q"
_SHAPE = repr((SUMS,)).encode()


def _digest(sums: list[float]) -> bytes:
    """Returns what `digest_array` gives for these few numbers, without the way through arrays."""
    if not all(map(math.isfinite, sums)):
        return digest_array(np.array(sums), BITS)
    bits = [(one + _HALF) & _MASK for one in struct.unpack(_WHOLE, struct.pack(_DOUBLES, *sums))]
    return xxhash.xxh3_128_digest(_SHAPE + struct.pack(_WHOLE, *bits))
