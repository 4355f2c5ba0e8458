"""What a search optimizes: one objective or several, and constraints that candidates must keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput

if TYPE_CHECKING:
    from automl.storage.studies import TrialRecord

FITNESS = "fitness"
"""The name that stands for the study's own objective, larger being better, in objectives and constraints."""

_CONSTRAINT = re.compile(r"\s*([^<>=\s]+)\s*(<=?|>=?)\s*([^<>=\s]+)\s*")


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric of the evaluator or a cost of the space, to be made large or small.

    Attributes:
        metric: its name.
        minimize: True where less is better.

    Example:
        >>> Objective("loss", minimize=True).worth(0.25)
        -0.25
    """

    metric: str
    minimize: bool = False

    def worth(self, value: float) -> float:
        """Returns the value as a number of which more is better. Applied twice, it returns the value again."""
        return -value if self.minimize else value

    @property
    def direction(self) -> str:
        """The direction in words: "maximize" or "minimize"."""
        return "minimize" if self.minimize else "maximize"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a metric or a cost. A value equal to the bound keeps it.

    Attributes:
        metric: what is bounded.
        most: True for an upper bound, False for a lower one.
        bound: the number.

    Example:
        >>> small = Constraint("parameters", most=True, bound=1e6)
        >>> small.excess(500_000), small.excess(1_500_000)
        (0.0, 0.5)
    """

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
class Objectives:
    """The objectives and constraints of one study.

    Attributes:
        fitness: the study's own objective.
        all: what candidates are compared in; the study's own objective alone where no other was asked for.
        constraints: what a candidate must keep to be a winner, of the search or of random search.

    Example:
        >>> accuracy, size = read_objectives("accuracy:maximize,parameters:minimize")
        >>> both = Objectives(accuracy, (accuracy, size), tuple(read_constraints("latency<20")))
        >>> sorted(both.needs)
        ['accuracy', 'latency', 'parameters']
    """

    fitness: Objective
    all: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """The figures, beside the fitness, that a candidate must have to be compared and judged."""
        return frozenset({*(one.metric for one in self.all), *(one.metric for one in self.constraints)} - {FITNESS})

    def figures(self, trial: TrialRecord) -> dict[str, float]:
        """Returns the trial's figures by name, empty where it failed or was a cheaper evaluation."""
        if trial.fitness is None:
            return {}
        return {
            **{name: float(value) for name, value in trial.metrics.items()},
            **{name: float(value) for name, value in trial.costs.items()},
            FITNESS: self.fitness.worth(trial.fitness),
        }

    def worth(self, trial: TrialRecord) -> tuple[float, ...] | None:
        """Returns the trial's figure in each objective, larger being better; None where it lacks one."""
        known = self.figures(trial)
        if any(one.metric not in known for one in self.all):
            return None
        return tuple(one.worth(known[one.metric]) for one in self.all)

    def allows(self, trial: TrialRecord) -> bool:
        """Tells whether a trial keeps all constraints; one that lacks a figure does not."""
        if not self.constraints:
            return True
        known = self.figures(trial)
        return all(one.metric in known and one.excess(known[one.metric]) == 0.0 for one in self.constraints)


def objectives_of(settings: Mapping[str, Any]) -> Objectives:
    """Returns the objectives and constraints of a stored study, read from its settings.

    Example:
        >>> strategy = {"name": "random", "settings": {}}
        >>> settings = {"objective": "accuracy", "direction": "maximize", "strategy": strategy}
        >>> objectives_of(settings).fitness
        Objective(metric='accuracy', minimize=False)
    """
    own = Objective(str(settings.get("objective", FITNESS)), settings.get("direction") == "minimize")
    opposite = Objective(own.metric, not own.minimize)
    given = (settings.get("strategy") or {}).get("settings") or {}
    read = read_objectives(str(given.get("objectives") or ""))
    named = tuple((opposite if one.minimize else own) if one.metric == FITNESS else one for one in read)
    return Objectives(own, named or (own,), tuple(read_constraints(str(given.get("constraints") or ""))))


def read_objectives(text: str) -> list[Objective]:
    """Reads objectives from text such as `accuracy:maximize,parameters:minimize`.

    Raises:
        InvalidInput: a part is not like that.

    Example:
        >>> read_objectives("accuracy:maximize,parameters:minimize")
        [Objective(metric='accuracy', minimize=False), Objective(metric='parameters', minimize=True)]
        >>> read_objectives("accuracy")
        Traceback (most recent call last):
        automl.errors.InvalidInput: objectives: 'accuracy' is no objective; write it like accuracy:maximize
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        metric, _, direction = part.partition(":")
        if direction not in ("maximize", "minimize"):
            raise InvalidInput(f"objectives: {part!r} is no objective; write it like accuracy:maximize")
        found.append(Objective(metric, direction == "minimize"))
    return found


def read_constraints(text: str) -> list[Constraint]:
    """Reads constraints from text such as `parameters<1e6,latency<=20`; `<` and `<=` mean the same.

    Raises:
        InvalidInput: a part is not like that.

    Example:
        >>> for one in read_constraints("parameters<1e6,accuracy>=0.9"):
        ...     print(one)
        parameters ≤ 1,000,000
        accuracy ≥ 0.9
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _CONSTRAINT.fullmatch(part)
        try:
            bound = float(match.group(3)) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise InvalidInput(f"constraints: {part!r} is no constraint; write it like parameters<1e6")
        found.append(Constraint(match.group(1), match.group(2).startswith("<"), bound))
    return found
