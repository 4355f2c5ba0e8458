"""From what a user wrote to the parts of a search: space, evaluator, strategy, objective. Nothing is written here."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl import registry, strategies
from automl.errors import AutoMLError, InvalidEnqueued, InvalidInput, InvalidSpace
from automl.evaluators.base import Evaluator, Fidelity, Work
from automl.evaluators.fingerprints import describe
from automl.evaluators.function import FunctionEvaluator
from automl.evaluators.task import Task
from automl.jsontext import canonical
from automl.selection.objectives import objectives_of
from automl.settings import known, make
from automl.setup import targets
from automl.setup.targets import SpaceReference
from automl.spaces.space import Space
from automl.strategies import Strategy


@dataclass(frozen=True)
class Parts:
    """What a search consists of.

    Attributes:
        space, reference: the space, and how workers find it.
        evaluator: runs evaluations.
        evaluator_given: its name and JSON settings, from which `automl resume` makes it again; None where it holds an
            object (a user's function or arrays) that only the user's program can give.
        strategy: proposes.
        objective: the metric that is the fitness.
        direction: "maximize" or "minimize".
    """

    space: Space
    reference: SpaceReference
    evaluator: Evaluator
    evaluator_given: Mapping[str, Any] | None
    strategy: Strategy
    objective: str
    direction: str

    def identity(self) -> dict[str, Any]:
        """Returns what makes two studies the same, as JSON data."""
        return {
            "space": self.reference.identity(),
            "evaluator": describe(self.evaluator),
            "strategy": {"name": self.strategy.name, "settings": self.strategy.settings()},
            "objective": self.objective,
            "direction": self.direction,
        }


def find_space(target: str | Space, settings: Mapping[str, Any] | None = None) -> tuple[Space, SpaceReference]:
    """Returns the space that a target or an object names."""
    if isinstance(target, Space):
        return target, targets.reference_to(target)
    return targets.resolve(target, settings)


def split_settings(
    given: Mapping[str, Any], target: str | Space, evaluator: Any, strategy: str | Strategy
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sorts `--set` settings to the part that knows them: space, evaluator, strategy.

    A name may say its part (`strategy.population`); a bare name must be known to exactly one.

    Raises:
        InvalidInput: no part knows the name, or more than one does.
    """
    menus: dict[str, dict[str, Any]] = {
        "space": {} if isinstance(target, Space) else known(_callable_of(targets.find(target).thing)),
        "evaluator": known(_callable_of(_class_of("evaluators", evaluator))) if evaluator else {},
        "strategy": known(_callable_of(_class_of("strategies", strategy))),
    }
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


def _class_of(group: registry.Group, item: Any) -> Any:
    if not isinstance(item, str):
        return type(item)
    return registry.find(group, item).thing


def _callable_of(item: Any) -> Callable[..., Any]:
    return item if callable(item) and not isinstance(item, Space) else dict


def assemble(
    target: str | Space,
    *,
    evaluator: str | Evaluator | Callable[..., Any] | None = None,
    task: str | Task | None = None,
    strategy: str | Strategy | None = None,
    objective: str | None = None,
    direction: str | None = None,
    settings: Mapping[str, Any] | None = None,
    space_settings: Mapping[str, Any] | None = None,
    evaluator_settings: Mapping[str, Any] | None = None,
    strategy_settings: Mapping[str, Any] | None = None,
) -> Parts:
    """Finds and checks all parts, filling what is left out from the space's defaults.

    Raises:
        InvalidInput: a name, setting, objective or direction is unknown, or the space cannot be searched.
    """
    defaults = defaults_of(target)
    chosen = evaluator if evaluator is not None else defaults.evaluator
    if chosen is None:
        raise InvalidInput(
            "no evaluator: give one (a registered name, an Evaluator, or a function of candidate and seed)"
        )
    if not isinstance(chosen, str | Evaluator) and not callable(chosen):
        raise InvalidInput(f"evaluator {chosen!r} is neither a name, nor an automl.Evaluator, nor a function")
    plan = strategy if strategy is not None else defaults.strategy
    own_evaluator = evaluator is None or evaluator == defaults.evaluator
    own_strategy = strategy is None or strategy == defaults.strategy
    for_space, for_evaluator, for_strategy = split_settings(settings or {}, target, chosen, plan)
    for_evaluator = {**(evaluator_settings or {}), **for_evaluator}
    if task is not None:
        _check_takes_task(chosen)
        for_evaluator["task"] = task
    if own_evaluator:
        for_evaluator = {**defaults.evaluator_settings, **for_evaluator}
    if own_strategy:
        for_strategy = {**defaults.strategy_settings, **(strategy_settings or {}), **for_strategy}
    else:
        for_strategy = {**(strategy_settings or {}), **for_strategy}
    space, reference = find_space(target, {**(space_settings or {}), **for_space})
    runner, given = make_evaluator(chosen, for_evaluator)
    goal, way = objective_of(runner, objective or (defaults.objective if own_evaluator else None), direction)
    return Parts(space, reference, runner, given, strategies.create(plan, for_strategy), goal, way)


def _check_takes_task(chosen: str | Evaluator | Callable[..., Any]) -> None:
    found = _class_of("evaluators", chosen) if isinstance(chosen, str) else type(chosen)
    if not (inspect.isclass(found) and issubclass(found, Evaluator)) or "task" in (menu := known(found)):
        return  # a function is refused where it is made into an evaluator
    data = next((name for name in ("tasks", "dataset", "data") if name in menu), None)
    what = f"set {data} instead (it is {canonical(menu[data])} unless set)" if data else "it has its data itself"
    raise InvalidInput(f"evaluator {found.name} takes no task; {what}")


def defaults_of(target: str | Space) -> Any:
    if isinstance(target, Space):
        return target.defaults
    if not isinstance(target, str):
        raise InvalidSpace(f"{target!r} is no space; give an instance (as in MySpace()), or a target")
    found = targets.find(target).thing
    if not isinstance(found, Space) and not callable(found):
        raise InvalidSpace(f"{target} is {found!r}, which is no space; name a subclass or an instance of automl.Space")
    return found.defaults if hasattr(found, "defaults") else Space.defaults


def make_evaluator(
    chosen: str | Evaluator | Callable[..., Any], settings: Mapping[str, Any]
) -> tuple[Evaluator, Mapping[str, Any] | None]:
    """Returns an evaluator and, where it can be made again from JSON, its name and settings."""
    if isinstance(chosen, Evaluator):
        made = dataclasses.replace(chosen, **settings) if settings else chosen  # type: ignore[type-var]
        return made, None
    if isinstance(chosen, str):
        found = _class_of("evaluators", chosen)
        if inspect.isclass(found) and issubclass(found, Evaluator):
            made = make(found, settings, f"evaluator {chosen}")
            return made, _as_json({"name": chosen, "settings": dict(settings)})
        if callable(found):
            return make_evaluator(found, settings)[0], _as_json({"name": chosen, "settings": dict(settings)})
        raise InvalidInput(f"evaluator {chosen!r} is {found!r}; it must be an automl.Evaluator or a function")
    if "task" in settings:
        raise InvalidInput("a function as evaluator takes no task: it has its data itself; leave `task` out")
    return FunctionEvaluator(chosen), None


def _as_json(given: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        canonical(given)
    except InvalidInput:
        return None
    return given


def objective_of(evaluator: Evaluator, objective: str | None, direction: str | None) -> tuple[str, str]:
    """Returns the objective and its direction, checked against what the evaluator measures.

    Raises:
        InvalidInput: a metric that the evaluator does not have, or a direction that is none.
    """
    metrics = evaluator.metrics
    if direction not in (None, "maximize", "minimize"):
        raise InvalidInput(f"direction {direction!r} is unknown; it is maximize or minimize")
    if objective is None:
        objective = next(iter(metrics))
    elif objective not in metrics and isinstance(evaluator, FunctionEvaluator):
        return objective, direction or "maximize"
    elif objective not in metrics:
        raise InvalidInput(registry.unknown(f"objective of evaluator {evaluator.name}", objective, metrics))
    return objective, direction or metrics[objective]


def rungs_of(parts: Parts) -> list[Fidelity]:
    """Returns the cheaper fidelities that the strategy will ask the evaluator for, cheapest first.

    Raises:
        InvalidInput: the strategy needs some, and the evaluator has none; or one of them costs a full evaluation.
    """
    offered = {one.share: one for one in parts.evaluator.approximations()}
    if strategies.FULL in offered:
        raise InvalidInput(
            f"evaluator {parts.evaluator.name} offers an approximation that costs a full evaluation; "
            "give each a share below 1"
        )
    wanted = parts.strategy.rungs([*sorted(offered), strategies.FULL])
    return [offered[share] for share in sorted(wanted) if share != strategies.FULL]


def check_first_sample(space: Space, evaluator: Evaluator, seed: int) -> None:
    """Insists that one sampled candidate reads back, has a behaviour that can be made, and suits the evaluator.

    Raises:
        InvalidSpace: it does not; the space's own error is quoted.
    """
    from automl.behaviour import Module
    from automl.spaces.space import checked

    candidate = None
    try:
        candidate = space.sample(np.random.default_rng(seed))
        checked(space, candidate.value)
        behaviour = space.behaviour(candidate)
        training = dict(space.training(candidate))
        canonical(training)
        evaluator.check(Work(behaviour, training, candidate.json))
        if isinstance(behaviour, Module):
            behaviour.build()
    except AutoMLError:
        raise
    except Exception as error:
        where = f"candidate {candidate.json}" if candidate is not None else "sampling"
        raise InvalidSpace(
            f"space {space.kind} fails on its first sample ({where}): {type(error).__name__}: {error}"
        ) from error


def check_goals(parts: Parts, seed: int) -> None:
    """Insists that whatever the strategy optimizes or bounds is a metric of the evaluator or a cost of the space.

    What a plain function returns is known once it was called, so its metrics are left to the strategy to refuse.

    Raises:
        InvalidInput: an objective or constraint that is neither.
    """
    objectives = objectives_of(parts.identity())
    wanted = [*(one.metric for one in objectives.all), *(one.metric for one in objectives.constraints)]
    known = {"fitness", *parts.evaluator.metrics}
    if isinstance(parts.evaluator, FunctionEvaluator) or known.issuperset(wanted):
        return
    known.update(parts.space.costs(parts.space.sample(np.random.default_rng(seed))))
    for metric in wanted:
        if metric not in known:
            raise InvalidInput(registry.unknown("metric of objectives and constraints", metric, known))


def check_enqueued(parts: Parts, values: Sequence[Any]) -> None:
    """Insists that all candidates that are to be proposed first belong to the space.

    Raises:
        InvalidEnqueued: one does not; its number is named.
    """
    for number, value in enumerate(values, 1):
        try:
            parts.space.decode(value)
        except InvalidInput as error:
            raise InvalidEnqueued(number, str(error)) from error
