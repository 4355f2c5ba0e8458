"""From what a user wrote to the parts of a search: space, evaluator, strategy, objective. Nothing is written here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from automl import strategies
from automl.data.datasets import DatasetTask
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator, Fidelity, as_before
from automl.evaluators.fingerprints.describing import Description, description
from automl.evaluators.stages import Stages
from automl.evaluators.task import Task
from automl.registry import Named
from automl.settings import check, known, setting
from automl.setup import targets
from automl.setup.choosing import EVOLUTION, MOST_EVALUATIONS, SURROGATE, choose
from automl.setup.finding import (
    Found,
    check_takes_task,
    find_evaluator,
    find_space,
    find_strategy,
    make_evaluator,
    make_strategy,
    menu_of,
    of_name,
    sizes_for,
)
from automl.setup.objective import objective_of
from automl.setup.proposing import Proposing, proposing
from automl.setup.rating import Rating, check_one_task, given_to_rater, of_final
from automl.setup.splitting import split_settings
from automl.setup.targets import SpaceReference
from automl.spaces.space import Defaults, Space
from automl.strategies import Strategy


@dataclass(frozen=True)
class Parts:
    """Parts of one search, loaded and checked: space, evaluator, strategy and objective.

    Attributes:
        space: The space.
        reference: Reference from which workers load the space.
        evaluator: Evaluator that runs the evaluations; of a search that rates first, the one that decides.
        evaluator_given: Name and JSON settings of the evaluator, from which `automl resume` makes it again; None if it
            holds an object (a user's function or arrays) that only the user's program can provide.
        strategy: Strategy that proposes candidates.
        objective: Name of the metric that is the fitness.
        direction: "maximize" or "minimize".
        notice: Sentence for the user about how these parts were chosen; empty if there is nothing to say.
        why: Sentence that says which strategy was chosen for a new study and why; empty if it was named.
        rating: `Rating` of a search that rates with one evaluator and decides with another; None for other searches.
        strategy_given: Names of the strategy's settings that the user, the space or a stored study has given.

    Example:
        >>> parts = assemble("nasbench201")
        >>> parts.evaluator.name, parts.strategy.name, parts.objective, parts.direction
        ('nasbench201', 'surrogate', 'accuracy', 'maximize')
    """

    space: Space
    reference: SpaceReference
    evaluator: Evaluator
    evaluator_given: Mapping[str, Any] | None
    strategy: Strategy
    objective: str
    direction: str
    notice: str = ""
    rating: Rating | None = None
    strategy_given: frozenset[str] = frozenset()
    why: str = ""

    @property
    def rater(self) -> Evaluator:
        """The evaluator that the strategy learns from."""
        return self.rating.evaluator if self.rating else self.evaluator

    @property
    def priced(self) -> SpaceReference:
        """The space whose costs count: that of the networks which are trained, where they have another size."""
        found: SpaceReference = self.evaluator.priced(self.reference)
        return found

    @property
    def for_workers(self) -> Evaluator:
        """What workers are sent: the evaluator, or both, and what stands for the strategy's artefacts."""
        if self.rating is None and self.proposing is None:
            return self.evaluator
        return Stages(self.rater, self.evaluator, self.proposing)

    @cached_property
    def proposing(self) -> Proposing | None:
        """What stands for the strategy's artefacts; None if it reads none."""
        return proposing(self.strategy, self.reference, self.rater)

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
            **({"rating": self.rating.identity()} if self.rating else {}),
        }


@dataclass(frozen=True, kw_only=True)
class PartSettings:
    """Parts of a search as a user names them: evaluator, task, strategy, their settings, objective and direction.

    Raises:
        InvalidInput: a value has another type.

    Example:
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
    final: str | Evaluator | Callable[..., Any] | None = setting(
        None,
        "What decides, where `evaluator` only rates: it evaluates the best-rated candidates (--trained), and winners, "
        "random search, test figures and verdict are its own. Its settings are final.NAME=VALUE.",
        group="Search",
        otherwise="the evaluator decides itself",
        unit="NAME",
        commands=("search",),
    )
    task: str | Task | DatasetTask | None = setting(
        None,
        "The data: a registered name, file.py:NAME, data.npz, table.csv:TARGET (or .parquet), a folder of images/, or "
        "an object.",
        group="Search",
        unit="NAME",
    )
    strategy: str | Strategy | None = setting(
        None,
        "What proposes candidates: a registered name, file.py:Name, or a Strategy.",
        group="Search",
        otherwise=f"the space's own, or surrogate for up to {MOST_EVALUATIONS:,} evaluations that take longer than a "
        "proposal, else regularized_evolution",
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


def assemble(
    target: str | Space,
    chosen: PartSettings | None = None,
    stored: Mapping[str, Any] | None = None,
    fallback: Callable[..., Any] | None = None,
    most: int | None = None,
) -> Parts:
    """Loads and checks the parts of a search: space, evaluator, strategy and objective.

    A part that is left out is taken from the stored study, if there is one, and otherwise from the space's defaults.
    A strategy that nobody names is chosen, see `automl.setup.choosing.choose`.

    Args:
        target: Space, or its target such as `nasbench201`, `file.py:Name` or `module:Name`.
        chosen: Other parts as the user named them; None takes all from `stored` or the defaults.
        stored: Stored settings of a study that is continued; None for a new study.
        fallback: Evaluator to be used if neither the user, the stored study nor the space names one.
        most: Largest number of evaluations, which says what strategy suits; None for the space's default.

    Raises:
        InvalidInput: a name, setting, objective or direction is unknown, or the space cannot be searched.

    Example:
        >>> assemble("nasbench201", PartSettings(strategy="random")).strategy
        Random()
        >>> assemble("nasbench201", PartSettings(objective="acuracy"))
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown objective of evaluator nasbench201 'acuracy'; did you mean accuracy?
    """
    chosen = chosen or PartSettings()
    place = find_space(target)
    defaults = getattr(place.thing, "defaults", Space.defaults)
    remembered = given_to_rater(stored)
    evaluator = find_evaluator(
        _first(chosen.evaluator, remembered and remembered["name"], defaults.evaluator, fallback)
    )
    own_strategy = defaults.strategy or (EVOLUTION if defaults.strategy_settings else None)
    strategy = find_strategy(chosen.strategy, stored["strategy"]["name"] if stored else None, own_strategy)
    decider = _find_decider(chosen, stored)
    own_settings, for_final = of_final(chosen.settings or {}, None if decider is None else decider.menu)
    if strategy is not None:
        menu = strategy.menu
    else:  # without settings neither need be loaded, which takes time
        menu = {**of_name(EVOLUTION).menu, **of_name(SURROGATE).menu} if own_settings else {}
    menus = {"space": menu_of(place.thing), "evaluator": evaluator.menu, "strategy": menu}
    for_space, for_evaluator, for_strategy = split_settings(own_settings, menus, place.thing)

    own_evaluator = evaluator.given == defaults.evaluator
    if chosen.task is not None and (decider is None or "task" in evaluator.menu):
        check_takes_task(evaluator)
        for_evaluator["task"] = chosen.task
    if remembered and evaluator.given == remembered["name"]:
        before = as_before(evaluator.thing, (stored.get("rating") or stored)["evaluator"]["settings"]) if stored else {}
        for_evaluator = {**before, **remembered["settings"], **for_evaluator}
    if own_evaluator:
        for_evaluator = {**defaults.evaluator_settings, **for_evaluator}

    runner, given = make_evaluator(evaluator, for_evaluator)
    final, final_given = (None, None) if decider is None else _decider(decider, for_final, chosen, stored, defaults)
    if isinstance(place, Named):
        if stored and stored["space"]["target"] == place.target:
            for_space = {**stored["space"]["settings"], **for_space}
        else:
            for_space = {**sizes_for(place.thing, runner, final), **for_space}
        space, reference = targets.made(place, for_space)
    else:
        space, reference = place.thing, targets.reference_to(place.thing)
    runner = runner.for_space(reference)
    why = ""
    if strategy is None:
        of_evolution = sorted(for_strategy.keys() - of_name(SURROGATE).menu.keys()) if for_strategy else []
        name, why = choose(space, runner, defaults.trials if most is None else most, of_evolution)
        strategy = of_name(name)
    if (
        stored
        and inspect.isclass(strategy.thing)
        and getattr(strategy.thing, "name", None) == stored["strategy"]["name"]
    ):
        for_strategy = {**stored["strategy"]["settings"], **for_strategy}
    if strategy.given == own_strategy:
        for_strategy = {**defaults.strategy_settings, **for_strategy}
    made = make_strategy(strategy, for_strategy)
    ready = isinstance(strategy.thing, Strategy)  # an object of the user's: it is as it was made
    said = frozenset(known(type(made)) if ready else for_strategy)
    if decider is None or final is None:
        goal, way, notice = objective_of(
            runner, chosen.objective, chosen.direction, stored, defaults.objective if own_evaluator else None
        )
        return Parts(space, reference, runner, given, made, goal, way, notice, strategy_given=said, why=why)
    kept = (stored or {}).get("rating")
    rated, rated_way, _ = objective_of(runner, None, None, kept, defaults.objective if own_evaluator else None)
    final = final.for_space(reference)
    default = defaults.objective if decider.given == defaults.evaluator else None
    goal, way, notice = objective_of(final, chosen.objective, chosen.direction, stored, default)
    check_one_task(runner, final)
    if dict(description(runner).stands) == dict(description(final).stands):
        raise InvalidInput(
            f"the evaluator and the final one are the same ({final.name}, with the same version and settings), so one "
            "would be served the other's figures; give them different names, settings or code_version"
        )
    rating = Rating(runner, given, rated, rated_way)
    return Parts(space, reference, final, final_given, made, goal, way, notice, rating, said, why)


def _decider(
    found: Found,
    settings: Mapping[str, Any],
    chosen: PartSettings,
    stored: Mapping[str, Any] | None,
    defaults: Defaults,
) -> tuple[Evaluator, Mapping[str, Any] | None]:
    """Returns the evaluator that decides and, where it can be made again from JSON, its name and settings."""
    before = stored["evaluator_given"] if stored else None
    if stored and before and found.given == before["name"]:
        earlier = as_before(found.thing, stored["evaluator"]["settings"])
        settings = {**earlier, **before["settings"], **settings}
    if found.given == defaults.evaluator:
        settings = {**defaults.evaluator_settings, **settings}
    if chosen.task is not None:
        check_takes_task(found)
        settings = {**settings, "task": chosen.task}
    return make_evaluator(found, settings)


def _find_decider(chosen: PartSettings, stored: Mapping[str, Any] | None) -> Found | None:
    """Resolves the evaluator that decides, where another one rates."""
    if stored is not None and not stored.get("rating") and chosen.final is not None:
        raise InvalidInput("this study was begun without a final evaluator; take another name for one that has it")
    if chosen.final is not None:
        return find_evaluator(chosen.final)
    if stored is None or not stored.get("rating"):
        return None
    if stored["evaluator_given"] is None:
        raise InvalidInput("the final evaluator is an object in somebody's program; run that program again")
    return find_evaluator(stored["evaluator_given"]["name"])


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def rungs_of(parts: Parts) -> list[Fidelity]:
    """Returns the fidelities below the full one that the strategy will ask for, cheapest first.

    A `Fidelity` has the budget fraction `share`, its cost relative to a full evaluation: 12 of 200 epochs cost 0.06.

    Returns:
        List of `Fidelity`; empty for a strategy that asks for full evaluations only.

    Raises:
        InvalidInput: the strategy requires cheaper fidelities and the evaluator offers none, or the evaluator offers
            one with a budget fraction of 1.

    Example:
        >>> rungs_of(assemble("nasbench201"))  # the surrogate uses full evaluations only
        []
        >>> rungs_of(assemble("nasbench201", PartSettings(strategy="successive_halving")))
        [Fidelity(share=0.06, settings={'epochs': 12})]
    """
    offered = {one.share: one for one in parts.rater.approximations()}
    if strategies.FULL in offered:
        raise InvalidInput(
            f"evaluator {parts.rater.name} offers an approximation that costs a full evaluation; "
            "give each a budget fraction below 1"
        )
    wanted = parts.strategy.rungs([*sorted(offered), strategies.FULL])
    return [offered[share] for share in sorted(wanted) if share != strategies.FULL]
