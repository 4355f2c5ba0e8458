"""What a search aims at: one objective or several, and bounds that candidates must keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput

if TYPE_CHECKING:
    from automl.storage.studies import TrialRecord

_LIMIT = re.compile(r"\s*([^<>=\s]+)\s*(<=?|>=?)\s*([^<>=\s]+)\s*")


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric of the evaluator or a cost of the space, to be made large or small."""

    metric: str
    minimize: bool

    @property
    def sign(self) -> float:
        return -1.0 if self.minimize else 1.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound; the bound itself is allowed."""

    metric: str
    most: bool
    bound: float

    def excess(self, value: float) -> float:
        """Returns by how much a value breaks the bound, relative to it; 0 where it keeps it."""
        off = (value - self.bound) if self.most else (self.bound - value)
        return max(0.0, off / (abs(self.bound) or 1.0))

    def __str__(self) -> str:
        return f"{self.metric} {'≤' if self.most else '≥'} {self.bound:,.10g}"


@dataclass(frozen=True, slots=True)
class Aims:
    """What a study aims at.

    Attributes:
        goals: what its candidates are compared in, the study's own objective alone where nothing else was asked for.
        limits: what a candidate must keep to be a winner, of the search or of random search.
        told_sign: -1 where fitness is told to strategies with its sign turned.
    """

    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()
    told_sign: float = 1.0

    @property
    def needs(self) -> frozenset[str]:
        """The figures, beside the fitness, that a candidate must have to be compared and judged."""
        return frozenset({*(one.metric for one in self.goals), *(one.metric for one in self.limits)} - {"fitness"})

    def figures(self, trial: TrialRecord) -> dict[str, float]:
        """Returns the trial's figures by name, empty where it failed or was a cheaper evaluation."""
        if trial.fitness is None:
            return {}
        return {
            **{name: float(value) for name, value in trial.metrics.items()},
            **{name: float(value) for name, value in trial.costs.items()},
            "fitness": self.told_sign * trial.fitness,
        }

    def worth(self, trial: TrialRecord) -> tuple[float, ...] | None:
        """Returns the trial's figure in each goal, larger being better; None where it lacks one."""
        known = self.figures(trial)
        if any(goal.metric not in known for goal in self.goals):
            return None
        return tuple(goal.sign * known[goal.metric] for goal in self.goals)

    def allows(self, trial: TrialRecord) -> bool:
        """Tells whether a trial keeps all limits; one that lacks a figure does not."""
        if not self.limits:
            return True
        known = self.figures(trial)
        return all(limit.metric in known and limit.excess(known[limit.metric]) == 0.0 for limit in self.limits)


def aims_of(settings: Mapping[str, Any]) -> Aims:
    """Reads what a stored study aims at: its objective, and its strategy's `objectives` and `constraints`."""
    minimize = settings.get("direction") == "minimize"
    own = Goal(str(settings.get("objective", "fitness")), minimize)
    given = (settings.get("strategy") or {}).get("settings") or {}
    goals = [
        # Strategies see the fitness with its sign turned where the study minimizes.
        Goal(own.metric, goal.minimize != minimize) if goal.metric == "fitness" else goal
        for goal in read_goals(str(given.get("objectives") or ""))
    ]
    limits = read_limits(str(given.get("constraints") or ""))
    return Aims(tuple(goals) or (own,), tuple(limits), -1.0 if minimize else 1.0)


def read_goals(text: str) -> list[Goal]:
    """Reads `accuracy:maximize,parameters:minimize`.

    Raises:
        InvalidInput: a part is not like that.
    """
    goals = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        metric, _, direction = part.partition(":")
        if direction not in ("maximize", "minimize"):
            raise InvalidInput(f"objectives: {part!r} is no objective; write it like accuracy:maximize")
        goals.append(Goal(metric, direction == "minimize"))
    return goals


def read_limits(text: str) -> list[Limit]:
    """Reads `parameters<1e6,latency<=20`; `<` and `<=` are the same.

    Raises:
        InvalidInput: a part is not like that.
    """
    limits = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _LIMIT.fullmatch(part)
        try:
            bound = float(match.group(3)) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise InvalidInput(f"constraints: {part!r} is no constraint; write it like parameters<1e6")
        limits.append(Limit(match.group(1), match.group(2).startswith("<"), bound))
    return limits
