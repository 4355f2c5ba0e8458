"""Functions whose parameters are the settings of a dataclass, declared there and nowhere else.

`automl.search` takes some forty settings. Written out as its parameters, each name, type and default would stand twice;
as `**settings`, editors and type checkers would know none of them. A `ParamSpec` taken from the dataclass's own
constructor gives both: one declaration, and a call that mypy and editors check and complete name by name. What they
read from the types, `inspect.signature` and `help` read from a signature and a docstring made here.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, cast

from automl import registry
from automl.errors import InvalidInput
from automl.settings import GROUPS, NOTHING, Declared, declared

P = ParamSpec("P")
S = TypeVar("S")
R = TypeVar("R")

_PLACE = "    every setting of"
"""How the line of a docstring begins that is replaced by one line for each setting."""


def takes(settings: Callable[P, S]) -> Callable[[Callable[[S, frozenset[str]], R]], Callable[P, R]]:
    """Returns a decorator that gives a function the parameters of a dataclass.

    Args:
        settings: the dataclass, whose fields were made with `setting`.

    Returns:
        a decorator of a function that takes an instance, and the names of the settings that the caller gave (a None
        that stands for "left out" is not given).

    Example:
        >>> from dataclasses import dataclass
        >>> from automl.settings import setting
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Oven:
        ...     degrees: int = setting(180, "How hot it gets.", group="Workers", lowest=30)
        >>> @takes(Oven)
        ... def bake(oven, given):
        ...     return oven.degrees, sorted(given)
        >>> bake()
        (180, [])
        >>> bake(degrees=200)
        (200, ['degrees'])
    """
    known = declared(cast("type[Any]", settings))
    made = inspect.signature(settings)
    parameters = [one.replace(annotation=known[name].hint) for name, one in made.parameters.items()]
    parameters.sort(key=lambda one: (one.kind, GROUPS.index(known[one.name].setting.group)))
    shown = [known[one.name] for one in parameters]

    def decorate(function: Callable[[S, frozenset[str]], R]) -> Callable[P, R]:
        signature = inspect.Signature(parameters, return_annotation=inspect.signature(function).return_annotation)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name not in known:
                    raise InvalidInput(registry.unknown(f"setting of {function.__name__}()", name, known))
            given = signature.bind(*args, **kwargs).arguments
            names = frozenset(name for name, value in given.items() if value is not None)
            return function(settings(*args, **kwargs), names)

        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = _with_arguments(inspect.getdoc(function) or "", shown)
        return call

    return decorate


def _with_arguments(text: str, known: Iterable[Declared]) -> str:
    lines = [textwrap.fill(_line(one), 110, initial_indent=" " * 4, subsequent_indent=" " * 8) for one in known]
    return "\n".join("\n".join(lines) if line.startswith(_PLACE) else line for line in text.splitlines())


def _line(one: Declared) -> str:
    words = one.default_in_words()
    notes = [f"default: {words}" if words and one.default is not NOTHING else "", one.setting.bounds]
    noted = "; ".join(note for note in notes if note)
    return f"{one.name}: {one.setting.meaning}{f' [{noted}]' if noted else ''}"
