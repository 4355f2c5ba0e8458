"""Measured values on a scale on which a Gaussian process can learn them.

The upper half keeps its distances. The lower half does near the median; further down, its distances are logarithms.
Where one turns into the other is a length that is fitted with the weights, by the same marginal likelihood (warped
Gaussian processes: Snelson, Rasmussen and Ghahramani 2003, NIPS). So where bad candidates are catastrophes they do not
drown the differences between good ones, and where all is smooth it stays so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FAILED = 0.5
"""So far below the worst value, in standard deviations, comes out what failed."""

SPREAD = 2.0
"""Standard deviation of the logarithm of the length, before anything is known."""


@dataclass(frozen=True)
class Warped:
    """Values on the new scale.

    Attributes:
        values: [points], their mean square 1 where they are not all alike.
        slopes: by the logarithm of the length.
        density: logarithm of the product of their derivatives by the old values.
        density_slope: of that, by the logarithm of the length.
    """

    values: np.ndarray
    slopes: np.ndarray
    density: float
    density_slope: float


_LARGEST = 1e300


class Warp:
    """Turns measured values into such values.

    Args:
        values: [points]; larger is better, what is not finite has failed.
    """

    def __init__(self, values: np.ndarray) -> None:
        self.finite = np.isfinite(values)
        known = values[self.finite]
        with np.errstate(over="ignore"):  # beyond what is told apart, figures are as good as equal
            self._off = np.clip(known - np.median(known), -_LARGEST, _LARGEST) if len(known) else known
        self.varied = bool(len(known)) and bool(np.abs(self._off).max() > 0.0)
        upper = self._off[self._off >= 0.0]
        largest = float(np.abs(self._off).max()) if self.varied else 1.0
        scale = largest * float(np.sqrt(np.mean((upper / largest) ** 2))) if self.varied else 1.0
        scale = scale or largest
        self.centre = float(np.log(3.0 * scale))
        self.bounds = (float(np.log(scale)) - 1.0, float(np.log(largest)) + 3.0)

    def at(self, length: float) -> Warped:
        """Returns the values for a length, given as its logarithm."""
        result, slopes = np.zeros(len(self.finite)), np.zeros(len(self.finite))
        if not self.varied:
            return Warped(result, slopes, 0.0, 0.0)
        off = self._off / np.exp(length)
        down = np.maximum(-off, 0.0)
        values = np.where(off < 0.0, -np.log1p(down), off)
        slope = np.where(off < 0.0, down / (1.0 + down), -off)
        size = float(np.sqrt(np.mean(values**2)))
        values, slope = values / size, slope / size
        size_slope = float(np.mean(values * slope))
        slope = slope - values * size_slope
        count, worst = len(values), int(np.argmin(values))
        result[:], slopes[:] = values[worst] - FAILED, slope[worst]
        result[self.finite], slopes[self.finite] = values, slope
        density = -count * (length + np.log(size)) - float(np.log1p(down).sum())
        return Warped(result, slopes, density, -count * (1.0 + size_slope) + float((down / (1.0 + down)).sum()))


def warped(values: np.ndarray, length: float | None = None) -> np.ndarray:
    """Returns measured values on the scale of the process.

    Args:
        values: [points]; larger is better, what is not finite has failed.
        length: logarithm of the length; None where none is fitted yet.

    Example:
        >>> warped(np.array([-1e9, 0.0, 1.0, 2.0, -np.inf])).round(1).tolist()
        [-2.0, -0.0, 0.0, 0.0, -2.5]
    """
    warp = Warp(values)
    return warp.at(warp.centre if length is None else float(np.clip(length, *warp.bounds))).values
