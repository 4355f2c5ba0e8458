"""What a search consists of: its parts, and the settings by which a user names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from automl import strategies
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator, Fidelity
from automl.evaluators.fingerprints.describing import Description, description
from automl.evaluators.task import Task
from automl.settings import check, setting
from automl.setup.targets import SpaceReference
from automl.spaces.space import Space
from automl.strategies import Strategy


@dataclass(frozen=True)
class Parts:
    """The space, evaluator, strategy and objective of one search, found and checked.

    Attributes:
        space, reference: the space, and how workers find it.
        evaluator: runs evaluations.
        evaluator_given: its name and JSON settings, from which `automl resume` makes it again; None where it holds an
            object (a user's function or arrays) that only the user's program can give.
        strategy: proposes.
        objective: the metric that is the fitness.
        direction: "maximize" or "minimize".
        notice: what the user should know of how these were found, in a sentence; empty where there is nothing.

    Example:
        >>> from automl.setup.assembly import assemble
        >>> parts = assemble("nasbench201")
        >>> parts.evaluator.name, parts.strategy.name, parts.objective, parts.direction
        ('nasbench201', 'regularized_evolution', 'accuracy', 'maximize')
    """

    space: Space
    reference: SpaceReference
    evaluator: Evaluator
    evaluator_given: Mapping[str, Any] | None
    strategy: Strategy
    objective: str
    direction: str
    notice: str = ""

    @cached_property
    def described(self) -> Description:
        """The evaluator's description from before the search. What it writes to while it runs changes no context."""
        return description(self.evaluator)

    def identity(self) -> dict[str, Any]:
        """Returns what makes two studies the same, as JSON data."""
        return {
            "space": self.reference.identity(),
            "evaluator": dict(self.described.stands),
            "strategy": {"name": self.strategy.name, "settings": self.strategy.settings()},
            "objective": self.objective,
            "direction": self.direction,
        }


@dataclass(frozen=True, kw_only=True)
class PartSettings:
    """The parts of a search as a user names them: evaluator, task, strategy, their settings, the objective.

    Raises:
        InvalidInput: a value of another type.

    Example:
        >>> from automl.setup.assembly import assemble
        >>> chosen = PartSettings(strategy="regularized_evolution", settings={"population": 50})
        >>> assemble("nasbench201", chosen).strategy.population
        50
    """

    evaluator: str | Evaluator | Callable[..., Any] | None = setting(
        None,
        "What evaluates a candidate: a registered name, file.py:Name, an Evaluator, or a function of a candidate and a "
        "seed that returns a number or a dictionary of metrics.",
        group="Search",
        otherwise="the space's own",
        unit="NAME",
    )
    task: str | Task | None = setting(
        None, "The data: a registered name, or a Task of your own arrays.", group="Search", unit="NAME"
    )
    strategy: str | Strategy | None = setting(
        None,
        "What proposes candidates: a registered name, file.py:Name, or a Strategy.",
        group="Search",
        otherwise="the space's own",
        unit="NAME",
        commands=("search",),
    )
    settings: Mapping[str, Any] | None = setting(
        None,
        "Settings of the space, evaluator and strategy by name, such as population=50 or evaluator.epochs=3.",
        group="Search",
        flags="--set",
        unit="KEY=VALUE",
    )
    objective: str | None = setting(
        None,
        "The metric to optimise.",
        group="Search",
        otherwise="the space's own, or the evaluator's first",
        unit="METRIC",
    )
    direction: Literal["maximize", "minimize"] | None = setting(
        None, "Which way the objective is better.", group="Search", otherwise="as the metric says"
    )

    def __post_init__(self) -> None:
        check(self)


def rungs_of(parts: Parts) -> list[Fidelity]:
    """Returns the cheaper fidelities that the strategy will ask the evaluator for, cheapest first.

    Raises:
        InvalidInput: the strategy needs some, and the evaluator has none; or one of them costs a full evaluation.

    Example:
        >>> from automl.setup.assembly import assemble
        >>> rungs_of(assemble("nasbench201"))  # evolution asks for full evaluations only
        []
        >>> rungs_of(assemble("nasbench201", PartSettings(strategy="successive_halving")))
        [Fidelity(share=0.06, settings={'epochs': 12})]
    """
    offered = {one.share: one for one in parts.evaluator.approximations()}
    if strategies.FULL in offered:
        raise InvalidInput(
            f"evaluator {parts.evaluator.name} offers an approximation that costs a full evaluation; "
            "give each a budget fraction below 1"
        )
    wanted = parts.strategy.rungs([*sorted(offered), strategies.FULL])
    return [offered[share] for share in sorted(wanted) if share != strategies.FULL]
