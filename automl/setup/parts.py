"""From what a user wrote to the parts of a search: space, evaluator, strategy, objective. Nothing is written here."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from automl import registry, strategies
from automl.data.datasets import DatasetTask
from automl.data.named import absolute, load, names_file
from automl.errors import InvalidInput, InvalidSpace
from automl.evaluators.base import Evaluator, Fidelity
from automl.evaluators.directions import direction_of
from automl.evaluators.fingerprints.describing import Description, description
from automl.evaluators.function import FunctionEvaluator
from automl.evaluators.stages import Stages
from automl.evaluators.task import Task
from automl.jsontext import canonical
from automl.registry import Named
from automl.settings import check, known, make, setting
from automl.setup import targets
from automl.setup.proposing import Proposing, proposing
from automl.setup.rating import Rating, check_one_task, given_to_rater, of_final
from automl.setup.targets import SpaceReference
from automl.spaces.space import Defaults, Space
from automl.strategies import Strategy
from automl.strategies.random import Random


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
        rating: `Rating` of a search that rates with one evaluator and decides with another; None for other searches.
        strategy_given: Names of the strategy's settings that the user, the space or a stored study has given.

    Example:
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
    rating: Rating | None = None
    strategy_given: frozenset[str] = frozenset()

    @property
    def rater(self) -> Evaluator:
        """The evaluator that the strategy learns from."""
        return self.rating.evaluator if self.rating else self.evaluator

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


@dataclass(frozen=True)
class _Found:
    """A part of a search, its name resolved.

    Attributes:
        given: the name or the object.
        thing: what the name stands for (a class, a function, an object), or the object itself.
    """

    given: Any
    thing: Any

    @property
    def menu(self) -> dict[str, Any]:
        """The settings that it takes, with their defaults."""
        if inspect.isclass(self.thing) or dataclasses.is_dataclass(self.thing):
            return known(self.thing if inspect.isclass(self.thing) else type(self.thing))
        return {}


def assemble(
    target: str | Space,
    chosen: PartSettings | None = None,
    stored: Mapping[str, Any] | None = None,
    fallback: Callable[..., Any] | None = None,
) -> Parts:
    """Loads and checks the parts of a search: space, evaluator, strategy and objective.

    A part that is left out is taken from the stored study, if there is one, and otherwise from the space's defaults.

    Args:
        target: Space, or its target such as `nasbench201`, `file.py:Name` or `module:Name`.
        chosen: Other parts as the user named them; None takes all from `stored` or the defaults.
        stored: Stored settings of a study that is continued; None for a new study.
        fallback: Evaluator to be used if neither the user, the stored study nor the space names one.

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
    place = _find_space(target)
    defaults = getattr(place.thing, "defaults", Space.defaults)
    remembered = given_to_rater(stored)
    evaluator = _find_evaluator(
        _first(chosen.evaluator, remembered and remembered["name"], defaults.evaluator, fallback)
    )
    strategy = _find_strategy(chosen.strategy, stored["strategy"]["name"] if stored else None, defaults.strategy)
    decider = _find_decider(chosen, stored)
    own_settings, for_final = of_final(chosen.settings or {}, None if decider is None else decider.menu)
    menus = {"space": _menu_of(place.thing), "evaluator": evaluator.menu, "strategy": strategy.menu}
    for_space, for_evaluator, for_strategy = split_settings(own_settings, menus)

    own_evaluator = evaluator.given == defaults.evaluator
    if chosen.task is not None and (decider is None or "task" in evaluator.menu):
        _check_takes_task(evaluator)
        for_evaluator["task"] = chosen.task
    if remembered and evaluator.given == remembered["name"]:
        for_evaluator = {**remembered["settings"], **for_evaluator}
    if own_evaluator:
        for_evaluator = {**defaults.evaluator_settings, **for_evaluator}
    if (
        stored
        and inspect.isclass(strategy.thing)
        and getattr(strategy.thing, "name", None) == stored["strategy"]["name"]
    ):
        for_strategy = {**stored["strategy"]["settings"], **for_strategy}
    if strategy.given == defaults.strategy:
        for_strategy = {**defaults.strategy_settings, **for_strategy}

    if isinstance(place, Named):
        if stored and stored["space"]["target"] == place.target:
            for_space = {**stored["space"]["settings"], **for_space}
        space, reference = targets.made(place, for_space)
    else:
        space, reference = place.thing, targets.reference_to(place.thing)
    runner, given = _make_evaluator(evaluator, for_evaluator)
    runner = runner.for_space(reference)
    made = _make_strategy(strategy, for_strategy)
    ready = isinstance(strategy.thing, Strategy)  # an object of the user's: it is as it was made
    said = frozenset(known(type(made)) if ready else for_strategy)
    if decider is None:
        goal, way, notice = objective_of(
            runner, chosen.objective, chosen.direction, stored, defaults.objective if own_evaluator else None
        )
        return Parts(space, reference, runner, given, made, goal, way, notice, strategy_given=said)
    kept = (stored or {}).get("rating")
    rated, rated_way, _ = objective_of(runner, None, None, kept, defaults.objective if own_evaluator else None)
    final, final_given = _decider(decider, for_final, chosen, stored, defaults)
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
    return Parts(space, reference, final, final_given, made, goal, way, notice, rating, said)


def _decider(
    found: _Found,
    settings: Mapping[str, Any],
    chosen: PartSettings,
    stored: Mapping[str, Any] | None,
    defaults: Defaults,
) -> tuple[Evaluator, Mapping[str, Any] | None]:
    """Returns the evaluator that decides and, where it can be made again from JSON, its name and settings."""
    before = stored["evaluator_given"] if stored else None
    if before and found.given == before["name"]:
        settings = {**before["settings"], **settings}
    if found.given == defaults.evaluator:
        settings = {**defaults.evaluator_settings, **settings}
    if chosen.task is not None:
        _check_takes_task(found)
        settings = {**settings, "task": chosen.task}
    return _make_evaluator(found, settings)


def _find_decider(chosen: PartSettings, stored: Mapping[str, Any] | None) -> _Found | None:
    """Resolves the evaluator that decides, where another one rates."""
    if stored is not None and not stored.get("rating") and chosen.final is not None:
        raise InvalidInput("this study was begun without a final evaluator; take another name for one that has it")
    if chosen.final is not None:
        return _find_evaluator(chosen.final)
    if stored is None or not stored.get("rating"):
        return None
    if stored["evaluator_given"] is None:
        raise InvalidInput("the final evaluator is an object in somebody's program; run that program again")
    return _find_evaluator(stored["evaluator_given"]["name"])


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _find_space(target: str | Space) -> Named | _Found:
    if isinstance(target, Space):
        return _Found(target, target)
    if not isinstance(target, str):
        raise InvalidSpace(f"{target!r} is no space; give an instance (as in MySpace()), or a target")
    found = targets.find(target)
    if not isinstance(found.thing, Space) and not callable(found.thing):
        raise InvalidSpace(
            f"{target} is {found.thing!r}, which is no space; name a subclass or an instance of automl.Space"
        )
    return found


def _menu_of(space: Any) -> dict[str, Any]:
    return {} if isinstance(space, Space) else known(space)


def _find_evaluator(given: Any) -> _Found:
    if given is None:
        raise InvalidInput(
            "no evaluator: give one (a registered name, an Evaluator, or a function of candidate and seed)"
        )
    if isinstance(given, str):
        found = registry.find("evaluators", given).thing
        usable = (
            issubclass(found, Evaluator) if inspect.isclass(found) else isinstance(found, Evaluator) or callable(found)
        )
        if not usable:
            raise InvalidInput(f"evaluator {given!r} is {found!r}; it must be an automl.Evaluator or a function")
        return _Found(given, found)
    if inspect.isclass(given):
        raise InvalidInput(f"evaluator {given.__name__} is a class; give an object of it, as in {given.__name__}()")
    if not isinstance(given, Evaluator) and not callable(given):
        raise InvalidInput(f"evaluator {given!r} is neither a name, nor an automl.Evaluator, nor a function")
    return _Found(given, given)


def _find_strategy(given: str | Strategy | None, stored: str | None, default: str) -> _Found:
    """Resolves the strategy; a stored study knows its class's name only, which need not be registered."""
    if given is None:
        found = _Found(default, registry.find("strategies", default).thing)
        if stored is None or getattr(found.thing, "name", None) == stored:
            return found
        given = stored
    return _Found(given, given if isinstance(given, Strategy) else registry.find("strategies", given).thing)


def split_settings(
    given: Mapping[str, Any], menus: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Splits the settings of `--set` into those of the space, the evaluator and the strategy.

    A name may have a prefix (`strategy.population`); without one it must be known to exactly one of the three.

    Args:
        given: Mapping from name to value.
        menus: Mapping from "space", "evaluator" and "strategy" to the settings that each knows, with their defaults.

    Returns:
        Three dicts with the settings of the space, the evaluator and the strategy.

    Raises:
        InvalidInput: none of the three knows the name, or several do and it has no prefix.

    Example:
        >>> menus = {"space": {"vertices": 7}, "evaluator": {"epochs": 108}, "strategy": {"population": 100}}
        >>> split_settings({"population": 50, "evaluator.epochs": 12}, menus)
        ({}, {'epochs': 12}, {'population': 50})
    """
    sorted_: dict[str, dict[str, Any]] = {"space": {}, "evaluator": {}, "strategy": {}}
    for name, value in given.items():
        part, dot, bare = name.partition(".")
        if dot and part in menus:
            owners = [part] if bare in menus[part] else []
        else:
            bare = name
            owners = [part for part, menu in menus.items() if name in menu]
        if not owners:
            menu = [f"{part}.{item}" for part, items in menus.items() for item in items]
            raise InvalidInput(
                registry.unknown("setting", name, menu if dot else [item.partition(".")[2] for item in menu])
            )
        if len(owners) > 1:
            raise InvalidInput(f"setting {name!r} is known to {' and '.join(owners)}; write {owners[0]}.{name}")
        sorted_[owners[0]][bare] = value
    return sorted_["space"], sorted_["evaluator"], sorted_["strategy"]


def _check_takes_task(evaluator: _Found) -> None:
    found = evaluator.thing if inspect.isclass(evaluator.thing) else type(evaluator.thing)
    if not issubclass(found, Evaluator) or "task" in (menu := known(found)):
        return  # a function is refused where it is made into an evaluator
    data = next((name for name in ("tasks", "dataset", "data") if name in menu), None)
    what = f"set {data} instead (it is {canonical(menu[data])} unless set)" if data else "it has its data itself"
    raise InvalidInput(f"evaluator {found.name} takes no task; {what}")


def _make_evaluator(found: _Found, settings: Mapping[str, Any]) -> tuple[Evaluator, Mapping[str, Any] | None]:
    """Returns an evaluator and, where it can be made again from JSON, its name and settings."""
    thing, named = found.thing, isinstance(found.given, str)
    given, text = dict(settings), settings.get("task")
    if isinstance(text, str) and names_file(text):
        # Read here and once: workers get the data, and need not have the file.
        given["task"], settings = absolute(text), {**settings, "task": load(text)}
    made: Any
    if inspect.isclass(thing):
        made = make(thing, settings, f"evaluator {found.given}")
    elif isinstance(thing, Evaluator):
        made = dataclasses.replace(thing, **settings) if settings else thing  # type: ignore[type-var]
    elif "task" in settings:
        raise InvalidInput("a function as evaluator takes no task: it has its data itself; leave `task` out")
    else:
        made = FunctionEvaluator(thing)
    return made, _as_json({"name": found.given, "settings": given}) if named else None


def _make_strategy(found: _Found, settings: Mapping[str, Any]) -> Strategy:
    if isinstance(found.thing, Strategy):
        made = strategies.create(found.thing, settings)
    else:
        made = strategies.made(found.thing, found.given, settings)
    if made.name == Random.name and type(made) is not Random:
        raise InvalidInput(
            f"strategy {type(made).__name__} is called {made.name!r}, the name of uniform sampling, which searches are "
            "compared with; give it another name"
        )
    return made


def _as_json(given: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        canonical(given)
    except InvalidInput:
        return None
    return given


def objective_of(
    evaluator: Evaluator,
    objective: str | None,
    direction: str | None,
    stored: Mapping[str, Any] | None = None,
    default: str | None = None,
) -> tuple[str, str, str]:
    """Returns the name of a search's objective, its direction, and a notice if the direction was inferred from the
    name.

    The metric is `objective`, or else the stored one, or else `default`, or else the evaluator's first. The direction
    is `direction`, or else the stored one, or else the evaluator's. A `FunctionEvaluator` declares no directions: for
    it the name decides, so that `val_loss` is minimized; an unknown name is maximized.

    Args:
        evaluator: Evaluator that measures the objective.
        objective, direction: Values that the user gave; None if left out.
        stored: Stored settings of a study that is continued; None for a new study.
        default: Name of the space's default objective; None if it has none.

    Returns:
        Metric name; "maximize" or "minimize"; and a sentence for the user if the name made it "minimize", otherwise "".

    Raises:
        InvalidInput: the evaluator does not have the metric, or the name alone decides and is ambiguous (`distance`).

    Example:
        >>> import automl
        >>> objective_of(automl.FunctionEvaluator(len, objective_name="loss"), None, None)
        ('loss', 'minimize', "objective 'loss' is minimized, as its name says; give a direction where that is wrong")
    """
    metrics, free = evaluator.metrics, isinstance(evaluator, FunctionEvaluator)
    if objective is None and stored and (free or stored["objective"] in metrics):
        objective = stored["objective"]
    objective = objective or default or next(iter(metrics))
    if objective not in metrics and not free:
        raise InvalidInput(registry.unknown(f"objective of evaluator {evaluator.name}", objective, metrics))
    if direction is None and stored and objective == stored["objective"]:
        direction = stored["direction"]
    if direction is not None or not free:
        return objective, direction or metrics[objective], ""
    direction = direction_of(objective) or "maximize"
    said = f"objective {objective!r} is minimized, as its name says; give a direction where that is wrong"
    return objective, direction, said if direction == "minimize" else ""


def rungs_of(parts: Parts) -> list[Fidelity]:
    """Returns the fidelities below the full one that the strategy will ask for, cheapest first.

    A `Fidelity` has the budget fraction `share`, its cost relative to a full evaluation: 12 of 200 epochs cost 0.06.

    Returns:
        List of `Fidelity`; empty for a strategy that asks for full evaluations only.

    Raises:
        InvalidInput: the strategy requires cheaper fidelities and the evaluator offers none, or the evaluator offers
            one with a budget fraction of 1.

    Example:
        >>> rungs_of(assemble("nasbench201"))  # the default, evolution, uses full evaluations only
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
