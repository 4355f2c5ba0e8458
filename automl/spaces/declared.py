"""Reading the body of a space's class: which fields it declares, and slips that would go unnoticed otherwise."""

from __future__ import annotations

import inspect
import re
from abc import ABCMeta
from collections.abc import Iterable, Mapping
from typing import Any

from automl.errors import InvalidSpace
from automl.jsontext import plain
from automl.spaces.field import Field
from automl.spaces.options import shown

RESERVED = frozenset({"kind", "value", "json"})
"""Names that a candidate's view uses itself and no field may have."""

OF_SPACES = frozenset({"defaults", "equal_shares", "image_size", "scalable"})
"""Attributes with which a space's class says something of itself; a field of that name leaves them alone."""

_FOREIGN = ("optuna.distributions", "ray.tune", "scipy.stats", "hyperopt", "ConfigSpace", "nevergrad", "skopt")
"""Where other libraries define what one choice can be."""

_FIELD_TEXT = re.compile(r"\s*(?:automl\.)?(?:Choice|Integer|Real|Repeat)\s*\(")


class SpaceType(ABCMeta):
    """The type of spaces' classes.

    A field may have the name of a method (`costs`, `size`, `training`): the method stays what it is, and candidates
    show the field. What looks like a field and is none (`width = Choice`, `width = [8, 16]`) is refused when the class
    is made.
    """

    _declared: dict[str, Any]
    """The fields of this very class by name, in the order of its body."""

    @classmethod
    def __prepare__(cls, name: str, bases: tuple[type, ...], /, **_: Any) -> _Body:
        return _Body(name)

    def __new__(cls, name: str, bases: tuple[type, ...], body: Mapping[str, Any], /, **options: Any) -> SpaceType:
        declared = {item: value for item, value in body.items() if is_declared(item, value)}
        for item in declared:
            check_name(name, item)
        for item, value in body.items():
            if item not in declared and not item.startswith("_"):
                _check_slip(name, bases, body, item, value)
        for item, annotation in body.get("__annotations__", {}).items():
            if item not in body and (is_field(annotation) or _FIELD_TEXT.match(str(annotation))):
                raise InvalidSpace(f"{name}.{item} is only annotated as a field; write {item} = …, with an equals sign")
        hidden = {item for item in declared if any(hides(base, item) for base in bases)}
        made = super().__new__(cls, name, bases, {k: v for k, v in body.items() if k not in hidden}, **options)
        made._declared = declared
        return made

    def __setattr__(cls, name: str, value: Any) -> None:
        if is_declared(name, value):
            check_name(cls.__name__, name)
            cls._declared = {**cls.__dict__.get("_declared", {}), name: value}
            if hides(cls, name):
                return
        super().__setattr__(name, value)


class _Body(dict[str, Any]):
    """The names of a class body; a field is declared once."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self._owner = owner

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self and self[name] is not value and any(is_declared(name, item) for item in (value, self[name])):
            raise InvalidSpace(f"{self._owner}.{name} is declared twice, and the first one would be lost; keep one")
        super().__setitem__(name, value)


def is_field(item: Any) -> bool:
    """Returns True for fields and for spaces, which are fields of other spaces."""
    return isinstance(item, Field) or isinstance(type(item), SpaceType)


def is_declared(name: str, item: Any) -> bool:
    """Returns True where an attribute declares a field: names with an underscore in front are the user's own."""
    return not name.startswith("_") and is_field(item)


def check_name(owner: str, name: str) -> None:
    """Raises InvalidSpace for a field whose name candidates use themselves."""
    if name in RESERVED:
        raise InvalidSpace(f"{owner}: a field cannot be called {name!r}; candidates use that name themselves")


def hides(owner: type, name: str) -> bool:
    """Returns True where a field of this name would hide a method, a property or a class attribute of spaces."""
    missing = object()
    found = inspect.getattr_static(owner, name, missing)
    if found is missing or is_field(found):
        return False
    return name in OF_SPACES or callable(found) or isinstance(found, property | classmethod | staticmethod)


def fields_of(space: Any) -> dict[str, Any]:
    """Returns the declared fields of a space, or of a class of spaces, by name.

    Those of base classes come first, those of the instance last.
    """
    found: dict[str, Any] = {}
    places: list[Any] = [*reversed((space if isinstance(space, type) else type(space)).__mro__), space]
    for place in map(vars, places):
        known = {**place.get("_declared", {}), **place}
        found.update((name, item) for name, item in known.items() if is_declared(name, item))
    return found


def _check_slip(owner: str, bases: tuple[type, ...], body: Mapping[str, Any], name: str, item: Any) -> None:
    """Refuses an attribute that was meant as a field and is none."""
    inherited = [getattr(base, name) for base in bases if hasattr(base, name)]
    if any(is_field(value) for value in inherited):
        raise InvalidSpace(
            f"{owner}.{name} is {shown(item)}, and its base class declares a field of this name; "
            "write Choice(VALUE) to fix its value"
        )
    if isinstance(item, type) and (issubclass(item, Field) or (isinstance(item, SpaceType) and not name[:1].isupper())):
        raise InvalidSpace(f"{owner}.{name} is the class {item.__name__}; write {item.__name__}(…), an instance")
    if type(item).__module__.startswith(_FOREIGN):
        raise InvalidSpace(
            f"{owner}.{name} is {shown(item)} of {type(item).__module__.partition('.')[0]}, which is no field here; "
            "write Choice, Integer, Real or Repeat"
        )
    items = plain(item)
    if not isinstance(items, Iterable) or isinstance(items, str | bytes | Mapping | type):
        return
    listed = isinstance(items, list | tuple | set | frozenset | range)
    if listed and any(is_field(value) for value in items):
        raise InvalidSpace(f"{owner}.{name} is a {type(items).__name__} with a field in it; is there a comma too many?")
    constant = name[:1].isupper() or name in body.get("__annotations__", {}) or bool(inherited)
    if not constant and (listed or inspect.isgenerator(items)):
        raise InvalidSpace(
            f"{owner}.{name} is a {type(item).__name__} and no field; write {name} = Choice(*{shown(items)}), "
            f"or call it {name.upper()} or _{name} where it is a constant"
        )
