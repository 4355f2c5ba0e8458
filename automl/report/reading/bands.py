"""Curves of several runs of one method as one curve with a band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.evidence.means import exponent_of
from automl.report.study_part import Curve

POINTS = 200
"""At most so many places on an axis at which the runs are looked at."""


@dataclass(frozen=True)
class Band:
    """Best so far of several runs: the mean, and the range of the middle half.

    Attributes:
        at: evaluations counted, or seconds since the start; from where all runs have a best to where the first ends.
        middle: mean of the runs.
        low, high: quartiles.
    """

    at: list[float]
    middle: list[float]
    low: list[float]
    high: list[float]

    def to_json(self) -> dict[str, list[float]]:
        return {"at": self.at, "mean": self.middle, "lower_quartile": self.low, "upper_quartile": self.high}


@dataclass(frozen=True)
class Bands:
    """The same runs by evaluations and by time; None where they have no stretch in common.

    Attributes:
        evaluations: counted, whether run or found in the cache.
        seconds: on the clock of the studies, which is the simulated one where they were simulated.
    """

    evaluations: Band | None
    seconds: Band | None

    def to_json(self) -> dict[str, Any]:
        return {
            "by_evaluations": self.evaluations.to_json() if self.evaluations else None,
            "by_seconds": self.seconds.to_json() if self.seconds else None,
        }


def bands(curves: Sequence[Curve]) -> Bands:
    """Returns both bands of several runs."""
    curves = [curve for curve in curves if curve.best]
    return Bands(
        _band([(curve.evaluations, curve.best) for curve in curves], whole=True),
        _band([(curve.seconds, curve.best) for curve in curves], whole=False),
    )


def _band(curves: Sequence[tuple[list[float], list[float]]], *, whole: bool) -> Band | None:
    """Looks at step curves at the same places, whole numbers where it is evaluations that are counted."""
    if not curves:
        return None
    start, end = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    if whole:
        start, end = math.ceil(start), math.floor(end)
    if end <= start:
        return None
    axis = np.linspace(start, end, POINTS)
    axis = np.unique(axis.astype(int)) if whole else axis
    table = np.array([np.array(best)[np.searchsorted(steps, axis, side="right") - 1] for steps, best in curves])
    exponent = exponent_of(table)
    scaled = np.ldexp(table, -exponent)
    low, high = np.quantile(scaled, [0.25, 0.75], axis=0)
    # Means and quartiles lie among the figures, so that they are numbers again.
    middle, low, high = (
        np.ldexp(one, exponent).tolist() for one in (scaled.mean(axis=0).clip(scaled.min(), scaled.max()), low, high)
    )
    return Band(axis.tolist(), middle, low, high)
