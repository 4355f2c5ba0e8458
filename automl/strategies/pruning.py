"""Rules that stop trainings early, made of the learning curves of the trials that were told before.

Sources: the median rule of Golovin et al. 2017, Google Vizier; successive halving with early stopping of Li et al.
2020, A System for Massively Parallel Hyperparameter Tuning (arXiv 1810.05934); the brackets of Li et al. 2018,
Hyperband (arXiv 1603.06560).
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from automl.errors import InvalidInput, brief
from automl.evaluators.pruning import PruneRule

Kind = Literal["median", "percentile", "patience", "asha", "hyperband"]

STARTUP = 5
"""Curves that must have a value at an epoch before the median or a percentile is taken there."""

BRACKETS = 4

_DEFAULTS: Mapping[str, int] = {"median": 50, "percentile": 25, "patience": 5, "asha": 3, "hyperband": 3}
_LEAST_AND_MOST: Mapping[str, tuple[int, int]] = {
    "percentile": (1, 99),
    "patience": (1, 1_000_000),
    "asha": (2, 1_000),
    "hyperband": (2, 1_000),
}


@dataclass(frozen=True)
class Pruner:
    """Kind of a rule and its number, as a search is given it: `median`, `percentile:25`, `patience:5`, `asha:3`.

    - `median`: stop where the best value so far is worse than the median of the others at that epoch.
    - `percentile:P`: the same, with the best P percent of the others as the bar.
    - `patience:N`: stop after N reports on end without a better value.
    - `asha:N`: at the epochs 1, N, N², … only the best 1/N of those that came so far go on.
    - `hyperband:N`: the same in four brackets, of which the later ones begin to choose later.

    Attributes:
        kind: one of these names.
        number: its number.

    Raises:
        InvalidInput: the name is unknown, or the number out of range.

    Example:
        >>> Pruner.read("percentile:10")
        Pruner(kind='percentile', number=10)
        >>> Pruner.read("medain")
        Traceback (most recent call last):
        automl.errors.InvalidInput: prune='medain': it must be median, percentile:25, patience:5, asha:3 or hyperband:3
    """

    kind: Kind
    number: int

    @classmethod
    def read(cls, text: str) -> Pruner:
        """Reads a rule as it is written in a setting."""
        name, colon, digits = text.partition(":")
        number = _DEFAULTS.get(name, 0)
        if colon and digits.isdecimal() and name != "median":
            number = int(digits[:9])
        least, most = _LEAST_AND_MOST.get(name, (50, 50))
        if name not in get_args(Kind) or (colon and (name == "median" or not digits.isdecimal())):
            known = ["median", *(f"{kind}:{number}" for kind, number in _DEFAULTS.items() if kind != "median")]
            raise InvalidInput(f"prune={brief(text)}: it must be {', '.join(known[:-1])} or {known[-1]}")
        if not least <= number <= most:
            raise InvalidInput(f"prune={brief(text)}: the number must be from {least} to {most:,}")
        return cls(name, number)  # type: ignore[arg-type]


@dataclass
class CurvesTold:
    """Learning curves of the trials that were told, as far as a rule needs them.

    Attributes:
        pruner: the rule.
        metric: that decides.
        minimize: True if less of it is better.

    Example:
        >>> told = CurvesTold(Pruner.read("median"), "accuracy")
        >>> for number in range(5):
        ...     told.add(number, {1.0: number / 10})
        >>> told.rule(5).bars
        {1.0: 0.2}
    """

    pruner: Pruner
    metric: str
    minimize: bool = False
    _values: dict[tuple[int, float], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, number: int, values: Mapping[float, float]) -> None:
        """Takes the curve of a trial that was told: a mapping from epoch to value."""
        sign = -1.0 if self.minimize else 1.0
        for epoch, value in values.items():
            bisect.insort(self._values[self._bracket(number), epoch], sign * value)

    def rule(self, number: int) -> PruneRule:
        """Returns the rule for the trial of this number, made of all that was told so far."""
        kind = self.pruner.kind
        if kind == "patience":
            return PruneRule(self.metric, self.minimize, patience=self.pruner.number)
        sign, own = (-1.0 if self.minimize else 1.0), self._bracket(number)
        bars = {
            epoch: sign * bar
            for (bracket, epoch), values in self._values.items()
            if bracket == own and (bar := self._bar(own, epoch, values)) is not None
        }
        return PruneRule(self.metric, self.minimize, dict(sorted(bars.items())), best=kind in ("median", "percentile"))

    def _bracket(self, number: int) -> int:
        return number % BRACKETS if self.pruner.kind == "hyperband" else 0

    def _bar(self, bracket: int, epoch: float, values: list[float]) -> float | None:
        """Returns the bar at an epoch, where more is better; None where there is none."""
        if self.pruner.kind in ("median", "percentile"):
            return _quantile(values, 1 - self.pruner.number / 100) if len(values) >= STARTUP else None
        factor = self.pruner.number
        rung = round(math.log(epoch, factor), 9) if epoch >= 1 else -1.0
        if rung != int(rung) or rung < bracket or len(values) < factor:
            return None
        return values[-(len(values) // factor)]


def _quantile(values: list[float], share: float) -> float:
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])
