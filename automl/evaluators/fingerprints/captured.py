"""The data that is bound to a function, apart from its code."""

from __future__ import annotations

import functools
from types import FunctionType, MethodType, ModuleType
from typing import Any

from automl.evaluators.fingerprints.refusal import NoContent
from automl.evaluators.fingerprints.walk import fingerprint


def bound_data(function: Any) -> str:
    """Returns 32 hexadecimal digits of the data bound to a function, empty where there is none.

    That is what tells two functions of one factory apart, whose code has one version: captured variables, defaults,
    arguments of a partial, what an object holds. Code among it, and what has no content, is passed over.

    Example:
        >>> def make(goal):
        ...     return lambda c: -abs(c.x - goal)
        >>> bound_data(make(2)) == bound_data(make(7)), bound_data(len)
        (False, '')
    """
    found = [(name, digest) for name, value in _bound(function) if (digest := _digest(value))]
    return fingerprint(found, code=False).digest if found else ""


def _digest(value: Any) -> str:
    try:
        return fingerprint(value, code=False).digest
    except NoContent:
        return ""


def _bound(function: Any) -> list[tuple[str, Any]]:
    """Returns the data bound to a function, each with the name under which it is."""
    if isinstance(function, functools.partial):
        given = [(str(place), value) for place, value in enumerate(function.args)]
        return _data([*given, *sorted(function.keywords.items())]) + _bound(function.func)
    if isinstance(function, MethodType):
        return _bound(function.__func__) + _bound(function.__self__)
    if isinstance(function, FunctionType):
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        captured = [(name, cell.cell_contents) for name, cell in cells if _is_filled(cell)]
        defaults = [("defaults", function.__defaults__)] if function.__defaults__ else []
        keywords = sorted((function.__kwdefaults__ or {}).items())
        return _data([*captured, *defaults, *keywords])
    return _data(sorted(getattr(function, "__dict__", {}).items()))


def _data(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Returns the data among them; of functions, such as one that a decorator holds, the data bound to these."""
    found: list[tuple[str, Any]] = []
    for name, one in pairs:
        if isinstance(one, FunctionType | MethodType | functools.partial):
            found += _bound(one)
        elif not isinstance(one, type | ModuleType):
            found.append((name, one))
    return found


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
