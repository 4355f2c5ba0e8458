"""From the names that a user gives to the things that they stand for, and from these to evaluators and strategies."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl import registry, strategies
from automl.data.named import absolute, load, names_file
from automl.errors import InvalidInput, InvalidSpace
from automl.evaluators.base import Evaluator
from automl.evaluators.function import FunctionEvaluator
from automl.jsontext import canonical
from automl.registry import Named
from automl.settings import known, make
from automl.setup import targets
from automl.spaces.space import Space
from automl.strategies import Strategy
from automl.strategies.random import Random


@dataclass(frozen=True)
class Found:
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


def find_space(target: str | Space) -> Named | Found:
    """Resolves the space's target; an object stands for itself."""
    if isinstance(target, Space):
        return Found(target, target)
    if not isinstance(target, str):
        raise InvalidSpace(f"{target!r} is no space; give an instance (as in MySpace()), or a target")
    found = targets.find(target)
    if not isinstance(found.thing, Space) and not callable(found.thing):
        raise InvalidSpace(
            f"{target} is {found.thing!r}, which is no space; name a subclass or an instance of automl.Space"
        )
    return found


def sizes_for(space: Any, *evaluators: Evaluator | None) -> Mapping[str, Any]:
    """Returns the settings of a space's class that follow from the data of the first evaluator that knows its sizes."""
    if not (inspect.isclass(space) and issubclass(space, Space)):
        return {}
    if inspect.getattr_static(space, "sizes_for") is inspect.getattr_static(Space, "sizes_for"):
        return {}  # and the data are not read for it
    for one in evaluators:
        if one is not None and (found := one.sizes()) is not None:
            sizes: Mapping[str, Any] = space.sizes_for(*found)
            return sizes
    return {}


def menu_of(space: Any) -> dict[str, Any]:
    """Returns the settings that a space takes, with their defaults; none for a space that is made already."""
    return {} if isinstance(space, Space) else known(space)


def find_evaluator(given: Any) -> Found:
    """Resolves the evaluator: a name, an `Evaluator`, or a function."""
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
        return Found(given, found)
    if inspect.isclass(given):
        raise InvalidInput(f"evaluator {given.__name__} is a class; give an object of it, as in {given.__name__}()")
    if not isinstance(given, Evaluator) and not callable(given):
        raise InvalidInput(f"evaluator {given!r} is neither a name, nor an automl.Evaluator, nor a function")
    return Found(given, given)


def find_strategy(given: str | Strategy | None, stored: str | None, default: str | None) -> Found | None:
    """Resolves the strategy; None where nobody named one. A stored study knows its class's name only, which need not be
    registered.
    """
    if given is None and default is not None:
        found = of_name(default)
        if stored is None or getattr(found.thing, "name", None) == stored:
            return found
    given = given if given is not None else stored
    if given is None:
        return None
    return Found(given, given) if isinstance(given, Strategy) else of_name(given)


def of_name(strategy: str) -> Found:
    """Resolves the registered name of a strategy."""
    return Found(strategy, registry.find("strategies", strategy).thing)


def check_takes_task(evaluator: Found) -> None:
    """Raises InvalidInput if a task was given and this evaluator takes none."""
    found = evaluator.thing if inspect.isclass(evaluator.thing) else type(evaluator.thing)
    if not issubclass(found, Evaluator) or "task" in (menu := known(found)):
        return  # a function is refused where it is made into an evaluator
    data = next((name for name in ("tasks", "dataset", "data") if name in menu), None)
    what = f"set {data} instead (it is {canonical(menu[data])} unless set)" if data else "it has its data itself"
    raise InvalidInput(f"evaluator {found.name} takes no task; {what}")


def make_evaluator(found: Found, settings: Mapping[str, Any]) -> tuple[Evaluator, Mapping[str, Any] | None]:
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


def make_strategy(found: Found, settings: Mapping[str, Any]) -> Strategy:
    """Makes the strategy, and refuses one that takes the name of random search."""
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
