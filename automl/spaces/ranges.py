"""Fields of numbers: whole and real ones, uniform or uniform in their logarithm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidSpace
from automl.jsontext import plain
from automl.spaces.field import NO_DEFAULT, Field, finite, is_whole, refusal
from automl.spaces.options import NEARLY, shown

if TYPE_CHECKING:
    import numpy as np

_LARGEST_EXPONENT = 709.78
"""The natural logarithm of the largest float, rounded down."""


class Integer(Field):
    """Field whose value is a whole number from `low` to `high`, both included.

    Args:
        low, high: Bounds, both included.
        log: True to sample uniformly in the logarithm: as many values between 8 and 64 as between 64 and 512.
        step: Distance of neighbouring values; the first is `low`, and `high` must be one of them.
        default: Value that you believe to be good: strategies begin near it.

    Raises:
        InvalidSpace: `low` is above `high`, a bound is no integer or has more than 64 bits, `log` is used with `low`
            below 1, or `step` is no integer above 0, does not lead to `high`, or is used together with `log`.

    Example:
        >>> units = Integer(32, 128, step=32)
        >>> units.size(), units.check(96, "units")
        (4, 96)
        >>> width = Integer(8, 512, log=True)
        >>> width.size(), width.check(64, "width")
        (505, 64)
        >>> width.check(7, "width")
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: width: 7 is not a whole number from 8 to 512
    """

    step: int = 1
    """Difference of neighbours; an attribute of the instance only where it is not 1, for what spaces are known by."""

    def __init__(self, low: int, high: int, *, log: bool = False, step: int = 1, default: int = NO_DEFAULT) -> None:
        low, high, step = plain(low), plain(high), plain(step)
        if not is_whole(low) or not is_whole(high) or low > high:
            raise InvalidSpace(f"Integer({low!r}, {high!r}): give two whole numbers, the smaller first")
        if low < -(2**63) or high >= 2**63:
            raise InvalidSpace(
                f"Integer({low}, {high}): bounds lie within -2**63 and 2**63 - 1, which 64 bits hold; "
                "let the field be an exponent, or take Real(…, log=True)"
            )
        if log and low < 1:
            raise InvalidSpace(f"Integer({low}, {high}, log=True): a logarithmic range starts at 1 or more")
        if not is_whole(step) or step < 1 or (high - low) % step:
            raise InvalidSpace(f"Integer({low}, {high}, step={step!r}): {_step_words(low, high, step)}")
        if log and step != 1:
            raise InvalidSpace(f"Integer({low}, {high}, log=True, step={step}): take one of the two, log or step")
        self.low, self.high, self.log = low, high, bool(log)
        if step != 1:
            self.step = step
        self.believe(default)

    def __repr__(self) -> str:
        step = f", step={self.step}" if self.step != 1 else ""
        return f"Integer({self.low}, {self.high}{', log=True' if self.log else ''}{step})"

    def sample(self, rng: np.random.Generator) -> int:
        if self.step != 1:
            return self.low + self.step * int(rng.integers(self.size()))
        if not self.log:
            return int(rng.integers(self.low, self.high + 1))
        drawn = math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
        return min(max(round(drawn), self.low), self.high)

    def mutate(self, value: int, rng: np.random.Generator) -> int:
        if self.low == self.high:
            return value
        if rng.random() < 0.5:  # a neighbour
            step = 1 if value == self.low else -1 if value == self.high else (1 if rng.random() < 0.5 else -1)
            return value + step * self.step
        while (drawn := self.sample(rng)) == value:
            pass
        return drawn

    def check(self, value: Any, path: str) -> int:
        value = plain(value)
        if not is_whole(value) or not self.low <= value <= self.high:
            raise refusal(path, value, f"a whole number from {self.low} to {self.high}")
        if (value - self.low) % self.step:
            raise refusal(path, value, f"{self.low} and a multiple of {self.step}, up to {self.high}")
        return int(value)

    def size(self) -> int:
        return (self.high - self.low) // self.step + 1


class Real(Field):
    """Field whose value is a real number from `low` to `high`.

    When a candidate is read, a number beyond a bound by a rounding error means the bound.

    Args:
        low, high: Bounds, both included.
        log: True to sample uniformly in the logarithm: as many values between 0.001 and 0.01 as between 0.01 and 0.1.
        step: Distance of neighbouring values; the first is `low`, and `high` must be one of them. None allows all.
        default: Value that you believe to be good: strategies begin near it.

    Raises:
        InvalidSpace: `low` is above `high`, a bound is no finite number, the difference of the bounds overflows a
            float, `log` is used with `low` not above 0, or `step` is no number above 0, does not lead to `high`, or is
            used together with `log`.

    Example:
        >>> dropout = Real(0.0, 0.5, step=0.1)
        >>> dropout.size(), dropout.check(0.1 + 0.2, "dropout")
        (6, 0.3)
        >>> import numpy as np
        >>> rate = Real(1e-4, 1e-1, log=True)
        >>> rate.size() is None, 1e-4 <= rate.sample(np.random.default_rng(0)) <= 1e-1
        (True, True)
    """

    STEP = 0.1
    """Standard deviation of a small mutation, as a share of the (logarithmic) range."""

    step: float | None = None
    """Difference of neighbours; an attribute of the instance only where it is given, as `Integer.step`."""

    def __init__(
        self,
        low: float,
        high: float,
        *,
        log: bool = False,
        step: float | None = None,
        default: float = NO_DEFAULT,
    ) -> None:
        bounds = [finite(plain(low)), finite(plain(high))]
        if bounds[0] is None or bounds[1] is None or bounds[0] > bounds[1]:
            raise InvalidSpace(f"Real({shown(low)}, {shown(high)}): give two finite numbers, the smaller first")
        self.low, self.high, self.log = bounds[0], bounds[1], bool(log)
        if log and self.low <= 0:
            raise InvalidSpace(f"Real({low}, {high}, log=True): a logarithmic range starts above 0")
        if not log and not math.isfinite(self.high - self.low):
            raise InvalidSpace(
                f"Real({low}, {high}): the difference of the bounds is more than a float holds; "
                "let the field be an exponent, or take a logarithmic range"
            )
        ratio = self.high / self.low if log else 1.0
        # Where the ratio is none that a float holds, the range is walked by its logarithms.
        self._ratio = ratio if math.isfinite(ratio) else None
        if step is not None:
            self._set_step(step)
        self.believe(default)

    def _set_step(self, given: float) -> None:
        step = finite(plain(given))
        words = f"Real({self.low}, {self.high}, step={shown(given)})"
        if self.log:
            raise InvalidSpace(f"{words}: take one of the two, log or step")
        if step is None or step <= 0:
            raise InvalidSpace(f"{words}: a step is a number above 0")
        count = (self.high - self.low) / step
        if count > 1e9 or not math.isclose(count, round(count), rel_tol=NEARLY, abs_tol=1e-6):
            raise InvalidSpace(f"{words}: {_step_words(self.low, self.high, step)}")
        self.step = step
        self._steps = round(count)

    def _at(self, place: int) -> float:
        """Returns the value so many steps from `low`, as it would be written."""
        assert self.step is not None
        return self.high if place == self._steps else float(f"{self.low + place * self.step:.12g}")

    def _place(self, value: float) -> int:
        assert self.step is not None
        return round((value - self.low) / self.step)

    def __repr__(self) -> str:
        step = f", step={self.step}" if self.step is not None else ""
        return f"Real({self.low}, {self.high}{', log=True' if self.log else ''}{step})"

    def sample(self, rng: np.random.Generator) -> float:
        if self.step is not None:
            return self._at(int(rng.integers(self._steps + 1)))
        return self._from_unit(rng.random())

    def mutate(self, value: float, rng: np.random.Generator) -> float:
        if self.low == self.high:
            return value
        if self.step is not None:
            return self._mutated_step(self._place(value), rng)
        if rng.random() < 0.5:
            return self.sample(rng)
        unit = abs(self._to_unit(value) + rng.normal(0.0, self.STEP)) % 2.0
        return self._from_unit(2.0 - unit if unit > 1.0 else unit)  # reflected at both ends

    def check(self, value: Any, path: str) -> float:
        value = plain(value)
        number = finite(value) if isinstance(value, int | float) else None
        if number is not None and not self.low <= number <= self.high:
            bound = self.low if number < self.low else self.high
            slack = 0.0 if self.log else NEARLY * (self.high - self.low)
            number = bound if math.isclose(number, bound, rel_tol=NEARLY, abs_tol=slack) else None
        if number is None:
            raise refusal(path, value, f"a number from {self.low} to {self.high}")
        if self.step is None:
            return number
        near = self._at(self._place(number))
        if not math.isclose(number, near, rel_tol=NEARLY, abs_tol=NEARLY * self.step):
            raise refusal(path, value, f"{self.low} and a multiple of {self.step}, up to {self.high}")
        return near

    def _mutated_step(self, now: int, rng: np.random.Generator) -> float:
        """Returns a neighbour, or any other value."""
        if rng.random() < 0.5:
            return self._at(now + (1 if now == 0 else -1 if now == self._steps else (1 if rng.random() < 0.5 else -1)))
        return self._at((now + 1 + int(rng.integers(self._steps))) % (self._steps + 1))

    def size(self) -> int | None:
        if self.step is not None:
            return self._steps + 1
        return 1 if self.low == self.high else None

    def _to_unit(self, value: float) -> float:
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if self._ratio is None:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        span = math.log(self._ratio)
        return math.log(value / self.low) / span if span else 0.5  # bounds that no logarithm tells apart

    def _from_unit(self, unit: float) -> float:
        if not self.log:
            value = self.low + unit * (self.high - self.low)
        elif self._ratio is None:
            start = math.log(self.low)
            value = math.exp(min(start + unit * (math.log(self.high) - start), _LARGEST_EXPONENT))
        else:
            value = self.low * self._ratio**unit
        return float(min(max(value, self.low), self.high))


def _step_words(low: float, high: float, step: Any) -> str:
    if not isinstance(step, int | float) or isinstance(step, bool) or step <= 0:
        return "a step is a number above 0, of Integer a whole one"
    last = low + math.floor((high - low) / step * (1 + NEARLY)) * step
    return f"steps of {step} from {low} do not lead to {high}; end at {last:.12g}, or take another step"
