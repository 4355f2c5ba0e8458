"""Strategies: each proposes candidates (ask) and learns from their fitness (tell)."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from automl import registry
from automl.errors import InvalidInput
from automl.settings import make
from automl.strategies.base import FULL, Hashes, Proposal, Strategy, Told

__all__ = ["FULL", "Hashes", "Proposal", "Strategy", "Told", "create", "made"]


def create(name: str | Strategy, settings: Mapping[str, Any] | None = None) -> Strategy:
    """Returns a strategy by its registered name, or from `file.py:Name` or `module:Name`, made with settings.

    Raises:
        InvalidInput: the name is unknown, a setting is unknown (the message lists the known ones), or a value is out of
            range.

    Example:
        >>> create("regularized_evolution", {"population": 20}).population
        20
        >>> create("regularised_evolution")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown strategy 'regularised_evolution'; did you mean ...
    """
    if isinstance(name, Strategy):
        return dataclasses.replace(name, **settings) if settings else name  # type: ignore[type-var]
    return made(registry.find("strategies", name).thing, name, settings or {})


def made(found: Any, name: str, settings: Mapping[str, Any]) -> Strategy:
    """Returns a strategy made from its class with settings.

    Args:
        found: Class of the strategy.
        name: Name under which the class was found, for error messages.
        settings: Mapping from name to value.

    Raises:
        InvalidInput: the object is no class of strategies, a setting is unknown, or a value is out of range.

    Example:
        >>> from automl.strategies.random import Random
        >>> made(Random, "random", {})
        Random()
    """
    if not (inspect.isclass(found) and issubclass(found, Strategy)):
        raise InvalidInput(f"strategy {name!r} is {found!r}; it must be a subclass of automl.strategies.Strategy")
    return make(found, settings, f"strategy {name}")
