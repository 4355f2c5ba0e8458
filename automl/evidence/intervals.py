"""Intervals for differences and ratios of means, from few runs (Welch, Fieller) or many (bootstrap over runs).

Samples are nested lists: runs ⊃ architectures ⊃ seeds. Only the top level with more than one member counts as
independent units; what lies below is averaged, because seeds of one architecture say nothing about another one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from automl.errors import InvalidInput

LEVEL = 0.95
BOOTSTRAP_RUNS = 10
"""With fewer units the bootstrap's intervals are too short (87 % cover at n = 5 where 95 % are claimed)."""
RESAMPLES = 10_000

Nested: TypeAlias = "float | Sequence[Nested]"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval; `low` and `high` are None where the data give none.

    Attributes:
        value: the point estimate; None where there is no data, or the ratio's denominator is 0.
        low, high: ends of the interval at the 95 % level.
        method: how the interval was made, in words for readers.
        units: numbers of independent units on both sides.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    method: str = "no interval"
    units: tuple[int, int] = (0, 0)

    def to_json(self) -> dict[str, float | str | list[int] | None]:
        """Returns the estimate as JSON data."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "method": self.method,
            "units": list(self.units),
        }


def units(sample: Nested) -> np.ndarray:
    """Returns the means of the independent units of a nested sample: its top level with more than one member.

    Returns:
        float64 array of shape (units,); empty for an empty sample.

    Raises:
        InvalidInput: a value is not finite.
    """
    if isinstance(sample, Sequence | np.ndarray):
        members = [item for item in sample if not (isinstance(item, Sequence | np.ndarray) and len(item) == 0)]
        if len(members) == 1 and isinstance(members[0], Sequence | np.ndarray):
            return units(members[0])
        return np.array([_mean(item) for item in members], dtype=np.float64)
    return np.array([_mean(sample)])


def _mean(item: Nested) -> float:
    if isinstance(item, Sequence | np.ndarray):
        return float(np.mean([_mean(inner) for inner in item]))
    value = float(item)
    if not math.isfinite(value):
        raise InvalidInput(f"{item!r} is not a finite number; leave failed evaluations out and count them")
    return value


def difference(one: Nested, other: Nested, *, level: float = LEVEL) -> Estimate:
    """Returns mean(one) − mean(other) with Welch's interval, or a bootstrap over runs where both have ten or more."""
    a, b = units(one), units(other)
    if not len(a) or not len(b):
        return Estimate(None, method="no interval: no values", units=(len(a), len(b)))
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) >= BOOTSTRAP_RUNS:
        return bootstrap(a, b, lambda x, y: x - y, level=level)
    if min(len(a), len(b)) < 2:
        return Estimate(value, method="no interval: a side has one value", units=(len(a), len(b)))
    if _negligible(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b), a, b):
        return Estimate(value, value, value, "exact: seeds agree", (len(a), len(b)))
    return Estimate(value, *_welch(a, b, level), "Welch", (len(a), len(b)))


def _welch(a: np.ndarray, b: np.ndarray, level: float) -> tuple[float, float]:
    """Returns Welch's interval of mean(a) − mean(b)."""
    from scipy import stats  # as in `_student`

    with warnings.catch_warnings():  # that values which agree to many digits lose some: they are exact to the others
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    return float(found.low), float(found.high)


def ratio(one: Nested, other: Nested, *, level: float = LEVEL) -> Estimate:
    """Returns mean(one) / mean(other) with Fieller's interval, or a bootstrap over runs where both have ten or more.

    Fieller (1954): all ρ for which mean(one) − ρ·mean(other) does not differ from 0. Where the denominator itself does
    not differ from 0 the set is unbounded and no interval is given.
    """
    a, b = units(one), units(other)
    if not len(a) or not len(b):
        return Estimate(None, method="no interval: no values", units=(len(a), len(b)))
    size = (len(a), len(b))
    top, bottom = float(a.mean()), float(b.mean())
    if bottom == 0.0:
        return Estimate(None, method="no ratio: the denominator is 0", units=size)
    value = top / bottom
    if min(size) >= BOOTSTRAP_RUNS:
        return bootstrap(a, b, lambda x, y: x / y, level=level)
    if min(size) < 2:
        return Estimate(value, method="no interval: a side has one value", units=size)
    top_error, bottom_error = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    if _negligible(top_error + bottom_error, a, b):
        return Estimate(value, value, value, "exact: seeds agree", size)
    scaled = value**2 * bottom_error
    freedom = (top_error + scaled) ** 2 / (top_error**2 / (len(a) - 1) + scaled**2 / (len(b) - 1))
    square = _student(level, freedom) ** 2
    rest = bottom**2 - square * bottom_error
    if rest <= 0.0:
        return Estimate(value, method="no interval: the denominator does not differ from 0", units=size)
    root = math.sqrt(max(0.0, (top * bottom) ** 2 - (top**2 - square * top_error) * rest))
    return Estimate(value, (top * bottom - root) / rest, (top * bottom + root) / rest, "Fieller", size)


def bootstrap(
    one: np.ndarray,
    other: np.ndarray,
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    level: float = LEVEL,
) -> Estimate:
    """Resamples whole units of both sides, independently, and takes percentiles of `statistic` of their means.

    The percentiles are Hesterberg's expanded ones (The American Statistician 69, 2015, section 4.2): plain ones are too
    short by the factor that separates the normal from Student's t and n from n − 1. Equal input gives equal output.

    Args:
        one: units of the first side, float64 array of shape (units,).
        other: units of the second side, likewise.
        statistic: takes the means of both sides, arrays of shape (resamples,), and returns one figure each.
        level: of the interval.
    """
    rng = np.random.default_rng(0)
    means = [side[rng.integers(len(side), size=(RESAMPLES, len(side)))].mean(axis=1) for side in (one, other)]
    figures = statistic(means[0], means[1])
    n = min(len(one), len(other))
    tail = 0.5 * math.erfc(math.sqrt(n / (n - 1)) * _student(level, n - 1) / math.sqrt(2.0))
    low, high = np.quantile(figures, [tail, 1.0 - tail])
    value = float(statistic(np.array([one.mean()]), np.array([other.mean()]))[0])
    return Estimate(value, float(low), float(high), f"bootstrap of {n} units", (len(one), len(other)))


def _student(level: float, freedom: float) -> float:
    """Returns the quantile of Student's t for an interval of this level."""
    from scipy import stats  # takes most of a second to load, and commands that judge nothing need not wait for it

    return float(stats.t.ppf(0.5 + level / 2, freedom))


def _negligible(error: float, a: np.ndarray, b: np.ndarray) -> bool:
    """Tells whether the spread is nothing but rounding of equal values."""
    return math.sqrt(error) <= 1e-12 * max(float(np.abs(a).max()), float(np.abs(b).max()), 1e-300)
