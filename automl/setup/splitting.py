"""The settings of `--set`, split into those of the space, the evaluator and the strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl import registry
from automl.errors import InvalidInput


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
