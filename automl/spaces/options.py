"""What may stand among the options of a `Choice`, and which option a value means."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from automl.errors import InvalidSpace
from automl.jsontext import canonical, plain

NEARLY = 1e-9
"""Relative distance within which a number means an option or a bound: 0.1 * 3 means 0.3."""

LONGEST_OPTION = 1_000_000
"""Characters of an option's JSON, at most. Every candidate, every row and every message repeats it."""

TAKEN = ("json", "value")
"""Names that a candidate's view uses itself: an entry of an option called so could not be read from `c.field.value`."""

_SHOWN = 12
_SHOWN_CHARACTERS = 200


def shown(value: Any) -> str:
    """Returns a value as text for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 20]}… ({len(text):,} characters)"


def shown_list(values: Sequence[Any]) -> str:
    """Returns the first of some values as text for a message, and how many more there are."""
    more = len(values) - _SHOWN
    listed = ", ".join(map(shown, values[:_SHOWN]))
    return f"[{listed}, … {more:,} more]" if more > 0 else f"[{listed}]"


def check_arguments(options: Sequence[Any]) -> None:
    """Insists that a Choice was given its options one by one, as in Choice(8, 16), and not in a list.

    Raises:
        InvalidSpace: there is none, or the only one is a list, a range, a generator or another collection.
    """
    if not options:
        raise InvalidSpace("Choice() has no options: give at least one")
    only = plain(options[0]) if len(options) == 1 else None
    if isinstance(only, Iterable) and not isinstance(only, str | bytes | Mapping):
        text = shown(only)
        items = text if isinstance(only, list | tuple | set | frozenset | range) else "…"
        raise InvalidSpace(
            f"Choice({text}) has one option, the {type(only).__name__} itself; write Choice(*{items}) to choose among "
            "its items"
        )


def check_option(option: Any) -> str:
    """Returns the canonical JSON of an option that is no space.

    Raises:
        InvalidSpace: it is a class or a function; one of its entries has a name that candidates use
            themselves; or it is too long.
        InvalidInput: it is no JSON data for another reason.
    """
    if inspect.isclass(option) and isinstance(getattr(option, "record", None), property):
        raise InvalidSpace(f"Choice: the option {option.__name__} is a class; write {option.__name__}(), its instance")
    if callable(option):
        name = getattr(option, "__name__", type(option).__name__)
        raise InvalidSpace(
            f"Choice: the option {shown(option)} cannot be written as JSON; give its name, as in Choice({name!r}, …), "
            "and look it up where the candidate is built"
        )
    text = canonical(option)
    if len(text) > LONGEST_OPTION:
        raise InvalidSpace(
            f"Choice: an option has {len(text):,} characters of JSON and may have {LONGEST_OPTION:,}; "
            "give it a short name, and look the name up where the candidate is built"
        )
    if taken := _taken_in(option):
        raise InvalidSpace(
            f"Choice: the option {shown(option)} has an entry called {taken!r}, a name that candidates use themselves; "
            "call the entry something else"
        )
    return text


def _taken_in(option: Any) -> str | None:
    """Returns a name in an option, however deep, that hides an attribute of the candidate's view."""
    if isinstance(option, Mapping):
        found = [name for name in TAKEN if name in option]
        return found[0] if found else next(filter(None, map(_taken_in, option.values())), None)
    return next(filter(None, map(_taken_in, option)), None) if isinstance(option, list | tuple) else None


def copied(option: Any) -> Any:
    """Returns an option that may be changed without changing the space: lists and dicts are copied."""
    if isinstance(option, dict):
        return {name: copied(item) for name, item in option.items()}
    if isinstance(option, list):
        return [copied(item) for item in option]
    return option


def nearest(value: Any, options: Sequence[Any]) -> int | None:
    """Returns the place of the option that a value means up to rounding, or None where there is none.

    Numbers agree within `NEARLY`, whether they are whole or not (8.0 means 8); in lists and dicts each number does.
    """
    near = [number for number, option in enumerate(options) if _alike(value, option)]
    if len(near) > 1 and isinstance(value, int | float):
        return min(near, key=lambda number: (abs(options[number] - value), type(options[number]) is not type(value)))
    return near[0] if near else None


def _alike(value: Any, option: Any) -> bool:
    if isinstance(value, list | tuple) and isinstance(option, list | tuple):
        return len(value) == len(option) and all(map(_alike, value, option))
    if isinstance(value, Mapping) and isinstance(option, Mapping):
        return value.keys() == option.keys() and all(_alike(value[name], option[name]) for name in option)
    value = plain(value)
    if type(value) in (int, float) and type(option) in (int, float):
        try:
            return math.isclose(value, option, rel_tol=NEARLY)
        except OverflowError:  # a whole number that no float holds
            return False
    return type(value) is type(option) and bool(value == option)
