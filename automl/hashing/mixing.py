"""Rounding numbers and mixing them into digests: the same for every kind of behaviour.

The idea is that of Gillard et al. 2023, *Unified Functional Hashing in Automatic Machine Learning* (arXiv 2302.05433,
section 3): what a candidate computes is rounded, so that noise of floating point does not matter, and mixed into one
number. Their code cuts bits off and drops the sign; here values are rounded to nearest and keep their sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xxhash

from automl.errors import InvalidInput
from automl.jsontext import canonical

MANTISSA_BITS = 14
"""Default precision of a rounded value. `benchmarks/hash_quality.py` prints the table that it was chosen from."""

NOISE = 2.0**-38
"""A value smaller than this share of the terms that it was summed from is rounding noise, hence zero."""

_FRACTION = 52


def check_bits(mantissa_bits: int) -> int:
    """Returns `mantissa_bits`; raises InvalidInput unless it is a whole number from 1 to 52."""
    if isinstance(mantissa_bits, bool) or not isinstance(mantissa_bits, int) or not 1 <= mantissa_bits <= _FRACTION:
        raise InvalidInput(
            f"mantissa_bits={mantissa_bits!r} is not a whole number from 1 to {_FRACTION}; leave it out for the default"
        )
    return mantissa_bits


def rounded(values: np.ndarray, mantissa_bits: int) -> np.ndarray:
    """Rounds each value to the nearest number with `mantissa_bits` bits behind the leading one.

    The sign is kept; -0 becomes 0; NaN and the infinities have one form each.

    Args:
        values: any shape; converted to float64.
        mantissa_bits: 1 to 52; 52 changes nothing.

    Returns:
        A new float64 array of the same shape.
    """
    result = np.array(values, dtype="<f8", order="C")  # a copy, in the byte order that is mixed
    if mantissa_bits < _FRACTION:
        bits = result.view(
            "<i8"
        )  # magnitudes order as integers, so a carry out of the fraction raises the exponent rightly
        bits += 1 << (_FRACTION - mantissa_bits - 1)
        bits &= -1 << (_FRACTION - mantissa_bits)
    odd = ~np.isfinite(values)
    if odd.any():
        result[odd] = np.asarray(values, dtype="<f8")[odd]
        result[np.isnan(result)] = np.nan
    result += 0.0
    return result


def without_noise(values: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Returns `values` with everything below `NOISE * scale` replaced by exact zero."""
    return np.where(np.abs(values) < NOISE * scale, 0.0, values)


def digest_array(values: np.ndarray, mantissa_bits: int) -> bytes:
    """Returns 16 bytes that stand for the rounded values and their shape."""
    digest = xxhash.xxh3_128(repr(values.shape).encode())
    digest.update(rounded(values, mantissa_bits).tobytes())
    return digest.digest()


_SIZES = tuple(size.to_bytes(8, "little") for size in range(256))


def mix(*parts: bytes | str) -> bytes:
    """Mixes parts, in order, into 16 bytes. Lengths are mixed too, so no two lists of parts run into one another."""
    return xxhash.xxh3_128_digest(laid_out(*parts))


def laid_out(*parts: bytes | str) -> bytes:
    """Returns what `mix` mixes: each part behind its length. What begins many lists alike is laid out once."""
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        size = len(data)
        pieces += (_SIZES[size] if size < len(_SIZES) else size.to_bytes(8, "little"), data)
    return b"".join(pieces)


def mix_sorted(parts: Iterable[bytes]) -> bytes:
    """Mixes parts whose order means nothing; how often each occurs does."""
    return mix(*sorted(parts))


def mix_settings(settings: Mapping[str, Any]) -> bytes:
    """Mixes JSON settings, verbatim; raises InvalidInput if they are not JSON."""
    return mix(canonical(dict(settings)))
