"""The settings of `--set`, split into those of the space, the evaluator and the strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl import registry
from automl.errors import InvalidInput
from automl.spaces.declared import fields_of
from automl.spaces.options import shown
from automl.spaces.space import Space


def split_settings(
    given: Mapping[str, Any], menus: Mapping[str, Mapping[str, Any]], space: Any = None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Splits the settings of `--set` into those of the space, the evaluator and the strategy.

    A name may have a prefix (`strategy.population`); without one it must be known to exactly one of the three.

    Args:
        given: Mapping from name to value.
        menus: Mapping from "space", "evaluator" and "strategy" to the settings that each knows, with their defaults.
        space: What the space is made of: a class, a function, or the space itself; None if nobody knows.

    Returns:
        Three dicts with the settings of the space, the evaluator and the strategy.

    Raises:
        InvalidInput: none of the three knows the name, it is that of a field, or several do and it has no prefix.

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
            if not dot or part not in menus or part == "space":
                refuse_field(space, bare, value)
            menu = [f"{part}.{item}" for part, items in menus.items() for item in items]
            raise InvalidInput(
                registry.unknown("setting", name, menu if dot else [item.partition(".")[2] for item in menu])
            )
        if len(owners) > 1:
            raise InvalidInput(f"setting {name!r} is known to {' and '.join(owners)}; write {owners[0]}.{name}")
        sorted_[owners[0]][bare] = value
    return sorted_["space"], sorted_["evaluator"], sorted_["strategy"]


def refuse_field(space: Any, name: str, value: Any) -> None:
    """Says how a field is given one value, where a field is named as if it were a setting.

    Args:
        space: What the space is made of: a class, a function, or the space itself.
        name: What was named, such as "width", or "block.width" in a space inside the space.
        value: Its value.

    Raises:
        InvalidInput: the space declares a field of this name.

    Example:
        >>> from automl import Integer
        >>> class Line(Space):
        ...     x = Integer(0, 20)
        >>> refuse_field(Line, "y", 3)
        >>> refuse_field(Line, "x", 3)
        Traceback (most recent call last):
        automl.errors.InvalidInput: 'x' is a field of the space Line, which the search chooses, and no setting; ...
    """
    kind = space if isinstance(space, type) else type(space)
    field, _, inside = name.partition(".")
    if not issubclass(kind, Space) or field not in fields_of(space):
        return
    given = f"automl.Choice({shown(value)})" if not inside else f"a space with {inside} = automl.Choice({shown(value)})"
    raise InvalidInput(
        f"{field!r} is a field of the space {kind.__name__}, which the search chooses, and no setting; to fix it, "
        f"search a subclass with {field} = {given}, or let {kind.__name__}.__init__ take {field} and set self.{field}"
    )
