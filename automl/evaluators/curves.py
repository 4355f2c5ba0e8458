"""Learning curves: what a long evaluation reports on its way, epoch by epoch."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl.errors import InvalidInput
from automl.evaluators.figures import as_number
from automl.evidence.means import mean
from automl.jsontext import canonical, parse, stored

MOST_POINTS = 1000
"""A curve that grows longer is thinned to about half as many, evenly spaced."""

MOST_VALUES = 8000
"""Figures in a curve: one of many metrics has fewer points, so that none outgrows a row of an exported cache."""

Point = tuple[float, Mapping[str, float]]
"""An epoch, and the metrics after it."""


@dataclass(slots=True)
class LearningCurve:
    """Metrics that one evaluation reported during training, by epoch.

    Attributes:
        points: List of (epoch, metrics) pairs in ascending order of epochs. The evaluator decides what an epoch is (a
            pass over the data, a step, a tree); it may be a fraction.

    Example:
        >>> curve = LearningCurve()
        >>> curve.report(1, {"accuracy": 0.6})
        >>> curve.report(2, {"accuracy": 0.7, "loss": 0.9})
        >>> curve.epochs, curve.values("accuracy")
        ([1.0, 2.0], {1.0: 0.6, 2.0: 0.7})
        >>> LearningCurve.from_json(curve.json()) == curve
        True
    """

    points: list[Point] = field(default_factory=list)

    def report(self, epoch: float, metrics: Mapping[str, float]) -> None:
        """Adds a point, or further metrics to the last point. Points of later epochs are removed.

        A training that had to start again reports these epochs again.

        Args:
            epoch: number of epochs done so far; a finite number.
            metrics: mapping from name to number; values that are not finite numbers are left out.

        Raises:
            InvalidInput: the epoch is no finite number, or the metrics are no mapping with a number in it.
        """
        try:
            place = float(epoch)
            found = {str(name): value for name, given in metrics.items() if (value := as_number(given)) is not None}
            if metrics and not found:
                raise ValueError
        except (TypeError, ValueError, OverflowError, AttributeError):
            raise InvalidInput(
                f"report({epoch!r}, {metrics!r}) is no point of a learning curve; give a number and a dict of metrics"
            ) from None
        if not math.isfinite(place):
            raise InvalidInput(f"a learning curve cannot have a point at epoch {place}")
        found = {name: value for name, value in found.items() if math.isfinite(value)}
        if self.points and self.points[-1][0] == place:
            found = {**self.points[-1][1], **found}
        del self.points[bisect_left(self.points, place, key=_epoch) :]
        self.points.append((place, found))
        most = max(2, min(MOST_POINTS, MOST_VALUES // max(1, len(found))))
        if len(self.points) > most:
            self._thin(2 * (place - self.points[0][0]) / most)

    def _thin(self, gap: float) -> None:
        """Keeps the ends, and between them no two points that are nearer than `gap`.

        Every second point would do once; the second time it would take from the old half what it took already.
        """
        kept = [self.points[0]]
        for point in self.points[1:-1]:
            if point[0] - kept[-1][0] >= gap:
                kept.append(point)
        self.points[:] = [*kept, self.points[-1]]

    @property
    def epochs(self) -> list[float]:
        """List of the epochs that have a point."""
        return [epoch for epoch, _ in self.points]

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics reported, sorted."""
        return sorted({name for _, metrics in self.points for name in metrics})

    def values(self, metric: str) -> dict[float, float]:
        """Returns a dict from epoch to value of one metric, without the epochs that did not report it."""
        return {epoch: metrics[metric] for epoch, metrics in self.points if metric in metrics}

    def json(self) -> str:
        """Returns the curve as canonical JSON; an empty text for no points."""
        return canonical([[epoch, dict(metrics)] for epoch, metrics in self.points]) if self.points else ""

    @classmethod
    def from_json(cls, text: str) -> LearningCurve:
        """Reads a curve that `json` wrote."""
        return cls([(epoch, metrics) for epoch, metrics in stored(text)] if text else [])

    @classmethod
    def checked(cls, text: str) -> LearningCurve:
        """Reads a curve from elsewhere, and refuses what `json` cannot have written.

        Raises:
            InvalidInput: it is no such text.
        """
        curve = cls()
        data = parse(text) if text else []
        if not isinstance(data, list) or not all(isinstance(item, list) and len(item) == 2 for item in data):
            raise InvalidInput("a learning curve is a JSON list of [epoch, metrics]")
        for epoch, metrics in data:
            curve.report(epoch, metrics)
        if curve.json() != text:
            raise InvalidInput("a learning curve has finite metrics, in ascending order of epochs")
        return curve


def mean_values(curves: Sequence[LearningCurve], metric: str) -> dict[float, float]:
    """Returns the mean of one metric over several curves, as a dict from epoch to mean, for the epochs that all curves
    have.

    Example:
        >>> one = LearningCurve([(1, {"accuracy": 0.6}), (2, {"accuracy": 0.8})])
        >>> other = LearningCurve([(1, {"accuracy": 0.5})])
        >>> mean_values([one, other], "accuracy")
        {1: 0.55}
    """
    every = [values for values in (curve.values(metric) for curve in curves) if values]
    shared = [epoch for epoch in every[0] if all(epoch in values for values in every)] if every else []
    return {epoch: mean(values[epoch] for values in every) for epoch in shared}


def _epoch(point: Any) -> float:
    return float(point[0])
