"""Descriptors: the axes of an archive, as a user names them, and the cells that values fall into."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl.errors import InvalidInput, brief
from automl.hashing.features import NAMES
from automl.registry import unknown
from automl.strategies.base import Told

BINS = 8
"""Cells along an axis, unless the user says."""

MOST_CELLS = 4096
"""Cells of an archive, at most."""

FEATURES = "features."
"""Begins the names of descriptors that are read off functions: `features.shape.depth`."""

_FORM = re.compile(r"([^=:,\s]+)(?:=([^:,\s]+?)\.\.([^:,\s]+))?(?::(\d+))?(:log)?")


@dataclass(frozen=True)
class Descriptor:
    """One axis of an archive.

    Attributes:
        name: Metric of the evaluator, cost of the space, or feature of functions (`features.GROUP.NAME`).
        low, high: Ends of the axis; None until they are known.
        bins: Number of cells along it.
        log: Whether cells are equally wide in the logarithm.

    Example:
        >>> axis = Descriptor("parameters", 1e3, 1e6, bins=3, log=True)
        >>> [axis.cell(value) for value in (500, 5e3, 5e4, 5e5, 1e9)]  # what lies outside belongs to the last cell
        [0, 0, 1, 2, 2]
    """

    name: str
    low: float | None = None
    high: float | None = None
    bins: int = BINS
    log: bool = False

    def cell(self, value: float) -> int:
        """Returns the number of the cell that a value lies in; ends lie in the first and the last."""
        assert self.low is not None
        assert self.high is not None
        low, high, value = (self._scaled(one) for one in (self.low, self.high, value))
        return min(max(math.floor((value - low) / (high - low) * self.bins), 0), self.bins - 1)

    def _scaled(self, value: float) -> float:
        return math.log(max(value, 1e-300)) if self.log else value

    def over(self, values: Sequence[float]) -> Descriptor:
        """Returns the axis with ends: those that it has, or else the smallest and the largest of these values."""
        if self.low is not None:
            return self
        low, high = min(values), max(values)
        if self.log and low <= 0:
            raise InvalidInput(f"descriptor {self.name}: it has values of {low:g}, which have no logarithm; drop :log")
        if low == high:
            low, high = (low / 2, high * 2) if self.log else (low - 0.5, high + 0.5)
        return replace(self, low=low, high=high)

    def to_json(self) -> dict[str, Any]:
        """Returns the axis as JSON data."""
        return {"name": self.name, "low": self.low, "high": self.high, "bins": self.bins, "log": self.log}


def read_descriptors(text: str) -> tuple[Descriptor, ...]:
    """Reads descriptors as a user writes them: `NAME[=LOW..HIGH][:BINS][:log]`, separated by commas.

    Raises:
        InvalidInput: one of them cannot be read, stands twice, or all together have too many cells.

    Example:
        >>> read_descriptors("parameters=1e3..1e6:10:log, loss:4")[1]
        Descriptor(name='loss', low=None, high=None, bins=4, log=False)
        >>> read_descriptors("features.shape.deep")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown feature of group shape 'deep'; did you mean depth?
    """
    found = tuple(_one(part.strip()) for part in text.split(",")) if text.strip() else ()
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidInput(f"descriptors: {twice} stands there twice; name each once")
    if (cells := math.prod(one.bins for one in found)) > MOST_CELLS:
        raise InvalidInput(
            f"descriptors: they make {cells:,} cells, and an archive has {MOST_CELLS:,} at most; take fewer bins"
        )
    return found


def _one(text: str) -> Descriptor:
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidInput(
            f"descriptors: {brief(text)} cannot be read; write NAME, or NAME=LOW..HIGH:BINS:log, as in "
            "parameters=1e3..1e6:10:log"
        )
    name, low, high, bins, log = match.groups()
    if name.startswith(FEATURES):
        _check_feature(name)
    ends: tuple[float | None, float | None] = (None, None)
    if low is not None:
        try:
            ends = float(low), float(high)
        except ValueError:
            raise InvalidInput(f"descriptors: {low}..{high} of {name} are no two numbers") from None
        least, most = ends
        assert least is not None
        assert most is not None
        if not (math.isfinite(least) and math.isfinite(most) and least < most and (least > 0 or not log)):
            needs = "two positive numbers" if log else "two numbers"
            raise InvalidInput(f"descriptors: {low}..{high} of {name} must be {needs}, the smaller one first")
    if bins is not None and int(bins) < 1:
        raise InvalidInput(f"descriptors: {name} has {bins} bins; give at least 1")
    return Descriptor(name, *ends, BINS if bins is None else int(bins), bool(log))


def _check_feature(name: str) -> None:
    group, _, feature = name.removeprefix(FEATURES).partition(".")
    if group not in NAMES:
        raise InvalidInput(unknown("group of features", group, NAMES))
    if feature not in NAMES[group]:
        raise InvalidInput(unknown(f"feature of group {group}", feature, NAMES[group]))


def values_of(
    trial: Told, names: Sequence[str], features: Callable[[], Mapping[str, np.ndarray]]
) -> list[float | None]:
    """Returns what a finished trial has for each name; None for what it lacks or what is no finite number.

    Args:
        trial: with a fitness.
        names: of descriptors.
        features: returns the features of its function, by group; called where a name asks for one.
    """
    known = {"fitness": trial.fitness, **trial.costs, **trial.metrics}
    return [_finite(_feature(name, features()) if name.startswith(FEATURES) else known.get(name)) for name in names]


def _feature(name: str, features: Mapping[str, np.ndarray]) -> float | None:
    group, _, feature = name.removeprefix(FEATURES).partition(".")
    return float(features[group][NAMES[group].index(feature)]) if group in features else None


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
