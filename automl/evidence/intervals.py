"""Intervals for differences and ratios of means, from few runs (Welch, Fieller) or many (bootstrap over runs).

Samples are nested lists: runs ⊃ architectures ⊃ seeds. Only the top level with more than one member counts as
independent units; what lies below is averaged, because seeds of one architecture say nothing about another one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from automl.errors import InvalidInput
from automl.evidence.means import exponent_of, mean, times_two_to

LEVEL = 0.95
BOOTSTRAP_RUNS = 10
"""With fewer units the bootstrap's intervals are too short (87 % cover at n = 5 where 95 % are claimed)."""
RESAMPLES = 10_000
EXACT = "exact: seeds agree"
"""How the interval was made where all units of each side are equal."""
_ROUNDING = 1e-12
"""Standard errors up to this are nothing but rounding of equal values, where the largest of these is 1."""
_TOO_LARGE = "it is larger than numbers can be"

Nested: TypeAlias = "float | Sequence[Nested]"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated value with its 95 % interval. `low` and `high` are None if the data give no interval.

    Attributes:
        value: Point estimate; None if there are no data, or the ratio's denominator is 0.
        low, high: Ends of the 95 % interval.
        method: Description of how the interval was computed, for readers.
        units: Pair with the numbers of independent units on both sides.

    Example:
        >>> Estimate(1.5, 0.5, 2.5, "Welch", (3, 3)).to_json()
        {'value': 1.5, 'low': 0.5, 'high': 2.5, 'method': 'Welch', 'units': [3, 3]}
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
    """Returns the means of the independent units of a nested sample: the highest level that has more than one member.

    Returns:
        float64 array of shape (units,); empty for an empty sample.

    Raises:
        InvalidInput: a value is not finite.

    Example:
        >>> units([[[0.9, 0.92], [0.8]]])  # one run of two architectures: the architectures are the units
        array([0.91, 0.8 ])
    """
    if isinstance(sample, Sequence | np.ndarray):
        members = [item for item in sample if not (isinstance(item, Sequence | np.ndarray) and len(item) == 0)]
        if len(members) == 1 and isinstance(members[0], Sequence | np.ndarray):
            return units(members[0])
        return np.array([_mean(item) for item in members], dtype=np.float64)
    return np.array([_mean(sample)])


def _mean(item: Nested) -> float:
    if isinstance(item, Sequence | np.ndarray):
        return mean([_mean(inner) for inner in item])
    value = float(item)
    if not math.isfinite(value):
        raise InvalidInput(f"{item!r} is not a finite number; leave failed evaluations out and count them")
    return value


def difference(one: Nested, other: Nested, *, level: float = LEVEL) -> Estimate:
    """Returns mean(one) − mean(other) with Welch's interval, or a bootstrap over runs if both have ten or more.

    Raises:
        InvalidInput: a value is not finite.

    Example:
        >>> difference([3.0, 4.0], [1.0, 1.0]).value
        2.5
    """
    a, b = units(one), units(other)
    size = (len(a), len(b))
    if not all(size):
        return Estimate(None, method="no interval: no values", units=size)
    exponent = exponent_of(a, b)
    found = _difference(np.ldexp(a, -exponent), np.ldexp(b, -exponent), level)
    return representable(replace(found, units=size), lambda value: times_two_to(value, exponent))


def _difference(a: np.ndarray, b: np.ndarray, level: float) -> Estimate:
    value = float(a.mean() - b.mean())
    size = min(len(a), len(b))
    if size < 2:
        return Estimate(value, method="no interval: a side has one value")
    error = _error(a) + _error(b)
    if math.sqrt(error) <= _ROUNDING:
        return Estimate(value, value, value, EXACT)
    if size >= BOOTSTRAP_RUNS:
        one_means, other_means = _resampled(a, b)
        return _percentiles(value, one_means - other_means, size, level)
    return Estimate(value, *_welch(a, b, level), "Welch")


def _welch(a: np.ndarray, b: np.ndarray, level: float) -> tuple[float, float]:
    """Returns Welch's interval of mean(a) − mean(b)."""
    from scipy import stats  # as in `_student`

    with warnings.catch_warnings():  # that values which agree to many digits lose some: they are exact to the others
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    return float(found.low), float(found.high)


def ratio(one: Nested, other: Nested, *, level: float = LEVEL) -> Estimate:
    """Returns mean(one) / mean(other) with Fieller's interval, or a bootstrap over runs if both have ten or more.

    Fieller (1954): all ρ for which mean(one) − ρ·mean(other) does not differ from 0. If the denominator itself does not
    differ from 0, this set is unbounded and no interval is given, however many runs there are; the two ends of a
    bootstrap would describe the resamples and not the ratio.

    Raises:
        InvalidInput: a value is not finite.

    Example:
        >>> ratio([3.0, 4.0], [1.0, 1.0]).value
        3.5
    """
    a, b = units(one), units(other)
    size = (len(a), len(b))
    if not all(size):
        return Estimate(None, method="no interval: no values", units=size)
    top, bottom = exponent_of(a), exponent_of(b)
    found = _ratio(np.ldexp(a, -top), np.ldexp(b, -bottom), level)
    return representable(replace(found, units=size), lambda value: times_two_to(value, top - bottom))


def _ratio(a: np.ndarray, b: np.ndarray, level: float) -> Estimate:
    top, bottom = float(a.mean()), float(b.mean())
    if bottom == 0.0:
        return Estimate(None, method="no ratio: the denominator is 0")
    value = top / bottom
    size = min(len(a), len(b))
    if size < 2:
        return Estimate(value, method="no interval: a side has one value")
    top_error, bottom_error = _error(a), _error(b)
    if math.sqrt(max(top_error, bottom_error)) <= _ROUNDING:
        return Estimate(value, value, value, EXACT)
    square = _student(level, _freedom(bottom**2 * top_error, len(a), top**2 * bottom_error, len(b))) ** 2
    rest = bottom**2 - square * bottom_error
    if rest <= 0.0:
        return Estimate(value, method="no interval: the denominator does not differ from 0")
    if size >= BOOTSTRAP_RUNS:
        one_means, other_means = _resampled(a, b)
        if (other_means * bottom > 0.0).all():
            return _percentiles(value, one_means / other_means, size, level)
    root = math.sqrt(max(0.0, (top * bottom) ** 2 - (top**2 - square * top_error) * rest))
    return Estimate(value, (top * bottom - root) / rest, (top * bottom + root) / rest, "Fieller")


def representable(estimate: Estimate, scaled: Callable[[float], float]) -> Estimate:
    """Returns an estimate on another scale. A value or an interval that overflows there becomes None.

    Args:
        estimate: Estimate on the present scale.
        scaled: Function from the present scale to the other; it may return an infinity.

    Example:
        >>> import math
        >>> found = representable(Estimate(-2.0, -3.0, 2000.0), lambda bits: 2.0**bits if bits < 1024 else math.inf)
        >>> found.value, found.high
        (0.25, None)
    """
    if estimate.value is None:
        return estimate
    value = scaled(estimate.value)
    if not math.isfinite(value):
        return replace(estimate, value=None, low=None, high=None, method=f"no figure: {_TOO_LARGE}")
    if estimate.low is None or estimate.high is None:
        return replace(estimate, value=value)
    low, high = sorted((scaled(estimate.low), scaled(estimate.high)))
    if not (math.isfinite(low) and math.isfinite(high)):
        return replace(estimate, value=value, low=None, high=None, method=f"no interval: {_TOO_LARGE}")
    return replace(estimate, value=value, low=low, high=high)


def _resampled(one: np.ndarray, other: np.ndarray) -> list[np.ndarray]:
    """Resamples whole units of both sides, independently; returns the means, arrays of shape (resamples,).

    Equal input gives equal output.
    """
    rng = np.random.default_rng(0)
    return [side[rng.integers(len(side), size=(RESAMPLES, len(side)))].mean(axis=1) for side in (one, other)]


def _percentiles(value: float, figures: np.ndarray, n: int, level: float) -> Estimate:
    """Returns the percentiles of resampled figures as an interval.

    They are Hesterberg's expanded ones (The American Statistician 69, 2015, section 4.2): plain ones are too short by
    the factor that separates the normal from Student's t and n from n − 1.

    Args:
        value: the figure itself.
        figures: array of shape (resamples,).
        n: units of the smaller side.
        level: of the interval.
    """
    tail = 0.5 * math.erfc(math.sqrt(n / (n - 1)) * _student(level, n - 1) / math.sqrt(2.0))
    low, high = np.quantile(figures, [tail, 1.0 - tail])
    return Estimate(value, float(low), float(high), f"bootstrap of {n} units")


def _error(side: np.ndarray) -> float:
    """Returns the squared standard error of a side's mean."""
    return float(side.var(ddof=1)) / len(side)


def _freedom(one: float, one_units: int, other: float, other_units: int) -> float:
    """Returns the degrees of freedom of a sum of two squared errors (Welch and Satterthwaite)."""
    below = one**2 / (one_units - 1) + other**2 / (other_units - 1)
    return (one + other) ** 2 / below if below else float(min(one_units, other_units) - 1)


def _student(level: float, freedom: float) -> float:
    """Returns the quantile of Student's t for an interval of this level."""
    from scipy import stats  # takes most of a second to load, and commands that judge nothing need not wait for it

    return float(stats.t.ppf(0.5 + level / 2, freedom))
