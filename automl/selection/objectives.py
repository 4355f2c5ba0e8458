"""What a search optimizes: one objective or several, and constraints that candidates must keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput

if TYPE_CHECKING:
    from automl.storage.records import TrialRecord

FITNESS = "fitness"
"""The name that stands for the study's own objective, larger being better, in objectives and constraints."""

_CONSTRAINT = re.compile(r"\s*([^<>=\s]+)\s*(<=?|>=?)\s*([^<>=\s]+)\s*")


@dataclass(frozen=True, slots=True)
class Objective:
    """Metric of the evaluator or cost of the space that is to be maximized or minimized.

    Attributes:
        metric: Name of the metric or cost.
        minimize: True if less is better.

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
    """Bound on a metric or a cost. A value equal to the bound satisfies the constraint.

    Attributes:
        metric: Name of the metric or cost.
        most: True for an upper bound, False for a lower one.
        bound: The bound, in the metric's own unit.

    Example:
        >>> small = Constraint("parameters", most=True, bound=1e6)
        >>> small.excess(500_000), small.excess(1_500_000)
        (0.0, 0.5)
    """

    metric: str
    most: bool
    bound: float

    def excess(self, value: float) -> float:
        """Returns by how much a value violates the bound, relative to the bound; 0 if the value satisfies it."""
        off = (value - self.bound) if self.most else (self.bound - value)
        return max(0.0, off / (abs(self.bound) or 1.0))

    def __str__(self) -> str:
        return f"{self.metric} {'≤' if self.most else '≥'} {self.bound:,.10g}"


@dataclass(frozen=True, slots=True)
class Objectives:
    """Objectives and constraints of one study.

    A study always has one objective that is its fitness. A multi-objective strategy (such as NSGA-II) can compare
    candidates in several objectives, by Pareto dominance.

    Attributes:
        fitness: `Objective` whose metric is the fitness of the study: what `trial.fitness` and `study.best` mean.
        all: Tuple of the `Objective` in which candidates are compared; `(fitness,)` unless the strategy was given
            several. It need not contain `fitness`.
        constraints: Tuple of the `Constraint` that a candidate must satisfy to be reported as a winner, in the search
            and in random search.
        needs: Set of names of the metrics and costs that a trial must have: those in `all` and `constraints`.

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
        """Names of the metrics and costs, besides the fitness, that a trial must have to be compared and judged."""
        return frozenset({*(one.metric for one in self.all), *(one.metric for one in self.constraints)} - {FITNESS})

    def figures(self, trial: TrialRecord) -> dict[str, float]:
        """Returns the trial's metrics and costs by name; empty if it failed or was a cheaper evaluation."""
        if trial.fitness is None:
            return {}
        return {
            **{name: float(value) for name, value in trial.metrics.items()},
            **{name: float(value) for name, value in trial.costs.items()},
            FITNESS: self.fitness.worth(trial.fitness),
        }

    def worth(self, trial: TrialRecord) -> tuple[float, ...] | None:
        """Returns the trial's value in each objective, larger being better; None if it lacks one."""
        known = self.figures(trial)
        if any(one.metric not in known for one in self.all):
            return None
        return tuple(one.worth(known[one.metric]) for one in self.all)

    def allows(self, trial: TrialRecord) -> bool:
        """Tells whether a trial satisfies all constraints; a trial that lacks a metric does not."""
        if not self.constraints:
            return True
        known = self.figures(trial)
        return all(one.metric in known and one.excess(known[one.metric]) == 0.0 for one in self.constraints)


def objectives_of(settings: Mapping[str, Any]) -> Objectives:
    """Returns the objectives and constraints of a stored study, read from its settings.

    Returns:
        `Objectives`, with the study's single objective if its strategy was given no others.

    Example:
        >>> strategy = {"name": "random", "settings": {}}
        >>> settings = {"objective": "accuracy", "direction": "maximize", "strategy": strategy}
        >>> objectives_of(settings).fitness
        Objective(metric='accuracy', minimize=False)
    """
    own = Objective(str(settings.get("objective", FITNESS)), settings.get("direction") == "minimize")
    opposite = Objective(own.metric, not own.minimize)
    given = (settings.get("strategy") or {}).get("settings") or {}
    rated = settings.get("rating") is not None  # the strategy's objectives are those of the ratings
    read = [] if rated else read_objectives(str(given.get("objectives") or ""))
    named = tuple((opposite if one.minimize else own) if one.metric == FITNESS else one for one in read)
    return Objectives(own, named or (own,), tuple(read_constraints(str(given.get("constraints") or ""))))


def read_objectives(text: str) -> list[Objective]:
    """Reads objectives from text such as `accuracy:maximize,parameters:minimize`.

    Raises:
        InvalidInput: a part of the text has another form.

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
        InvalidInput: a part of the text has another form.

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
