"""How exactly what a module computes is known, and hence how it is rounded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Precision:
    """Thresholds between values and rounding noise.

    Attributes:
        name: part of the key, where it is not the usual one.
        bits: mantissa bits of outputs, at most.
        slot_bits: mantissa bits of the signatures of parameters.
        move: factor by which everything is moved to tell small values from noise.
        fading: an array whose values are all smaller than this may be noise; it is looked at a second time.
        settled: a fading array that changes by a larger share when everything is moved is noise, hence zero.
        known: the same for the gradient of a parameter.
        noise: a gradient below this share of the largest may be noise.
        step: values are rounded to multiples of this share of their array's unit first.
    """

    name: str
    bits: int
    slot_bits: int
    move: float
    fading: float
    settled: float
    known: float
    noise: float
    step: float


FINE = Precision("", 52, 12, 1.0 + 2.0**-44, 2.0**-20, 2.0**-20, 2.0**-22, 2.0**-38, 2.0**-36)
"""All is float64."""

COARSE = Precision("float32", 5, 5, 1.0 + 2.0**-12, 2.0**-9, 2.0**-3, 2.0**-3, 2.0**-14, 2.0**-12)
"""Some operation has a kernel for float32 only, so what follows is known to 2**-20 or so."""
