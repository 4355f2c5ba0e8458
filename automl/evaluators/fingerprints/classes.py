"""Reading a class: its text, its bases, and the attributes that its text does not say."""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import sys
from collections.abc import Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

from automl.evaluators.fingerprints import functions
from automl.evaluators.fingerprints.naming import goes_without_saying
from automl.evaluators.fingerprints.uses import uses
from automl.evaluators.fingerprints.written import Piece

if TYPE_CHECKING:
    from automl.evaluators.fingerprints.walk import Walk

_OF_ENUMS = frozenset(vars(enum.Flag)) | {"_generate_next_value_", "_new_member_", "_sort_order_"}
_OF_TUPLES = frozenset({"_field_defaults", "_fields", "_make", "_replace", "_asdict"})


def scope_of(kind: type) -> Mapping[str, Any]:
    """Returns the global names of a class: those of its methods, else those of its module."""
    own = _methods(kind)
    if own:
        return own[0].__globals__
    return vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {}


def _methods(kind: type) -> list[FunctionType]:
    """Returns the functions that stand in the body of a class."""
    return [one for one in _functions(kind) if one.__code__.co_qualname.startswith(f"{kind.__qualname__}.")]


def read(walk: Walk, kind: type) -> None:
    """Adds a class to a walk."""
    outer, walk.reading = walk.reading, kind
    scope = scope_of(kind)
    piece, written_here = _text(walk, kind, scope)
    node = piece.node if piece is not None and isinstance(piece.node, ast.ClassDef) else None
    if piece is None:
        walk.text(kind.__qualname__, f"class {kind.__qualname__}")
        if dataclasses.is_dataclass(kind):
            walk.text(kind.__qualname__, repr(kind.__dataclass_params__))  # type: ignore[attr-defined]
    else:
        walk.text(kind.__qualname__, piece.text)
        used = functions.merged([uses(one.__code__) for one in written_here])
        functions.names(walk, scope, piece, used, piece.unread, kind.__module__)
    _bases(walk, kind)
    said = _said(node)
    for name, value in sorted(vars(kind).items()):
        if not _follows(kind, name, value):
            _attribute(walk, name, value, said.get(name), written_here, scope, piece)
    _declared(walk, kind, said, scope)
    for name in sorted(_defined(node) - vars(kind).keys()):
        walk.text(kind.__qualname__, f"without {name}")
    walk.reading = outer


def _bases(walk: Walk, kind: type) -> None:
    for place, base in enumerate(kind.__bases__):
        if not walk.is_root(base) and base is not object and not goes_without_saying(base.__name__, base):
            walk.fact(f"base {place}", base)
    if type(kind) is not type and walk.is_code(type(kind)):
        walk.fact("metaclass", type(kind))


def _declared(walk: Walk, kind: type, said: Mapping[str, ast.expr | None], scope: Mapping[str, Any]) -> None:
    """Adds the values of an enumeration, and the factories of a dataclass's defaults."""
    for name, member in getattr(kind, "__members__", {}).items() if issubclass(kind, enum.Enum) else ():
        if not functions.says(said.get(name), member.value, scope):
            walk.fact(name, member.value)
    for item in dataclasses.fields(kind) if "__dataclass_fields__" in vars(kind) else ():
        factory = item.default_factory
        if factory is not dataclasses.MISSING and not goes_without_saying(getattr(factory, "__name__", ""), factory):
            walk.fact(item.name, factory)


def _text(walk: Walk, kind: type, scope: Mapping[str, Any]) -> tuple[Piece | None, Mapping[FunctionType, Piece]]:
    """Returns the text of a class and of the methods in it, where it is what the class was made of."""
    own = _methods(kind)
    module = sys.modules.get(kind.__module__)
    name = own[0].__code__.co_filename if own else getattr(module, "__file__", None)
    file = walk.file_of(name, scope) if name else None
    if file is None:
        return None, {}
    found = {one: piece for one in own if (piece := file.find(one.__code__)) is not None}
    if len(found) < len(own):
        return None, {}
    for piece in file.classes.get(kind.__qualname__, ()):
        if all(id(method.node) in piece.inside for method in found.values()):
            return piece, found
    return None, {}


def _functions(kind: type) -> list[FunctionType]:
    return [one for value in vars(kind).values() for one in _unwrapped(value) if isinstance(one, FunctionType)]


def _unwrapped(value: Any) -> list[Any]:
    """Returns what stands behind a method, a static method, a property."""
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    if isinstance(value, property):
        return [one for one in (value.fget, value.fset, value.fdel) if one is not None]
    if isinstance(value, functools.cached_property):
        return [value.func]
    return [value] if isinstance(value, FunctionType) else []


def _follows(kind: type, name: str, value: Any) -> bool:
    """Tells whether Python made an attribute itself, out of what is looked at anyway."""
    if issubclass(kind, enum.Enum) and (name in _OF_ENUMS or name.startswith("_") or name in kind.__members__):
        return True
    if issubclass(kind, tuple) and hasattr(kind, "_fields") and name in _OF_TUPLES - {"_field_defaults"}:
        return True
    behind = _unwrapped(value)
    if behind:
        return _is_made(behind[0]) or (issubclass(kind, tuple) and hasattr(kind, "_fields") and name == "__new__")
    return name == "_abc_impl" or (name.startswith("__") and name.endswith("__")) or _is_slot(value)


def _is_made(function: Any) -> bool:
    """Tells whether `dataclasses` made a method."""
    inner = getattr(function, "__wrapped__", function)
    code = getattr(inner, "__code__", None)
    if code is None:
        return False
    return bool(code.co_qualname.startswith("__create_fn__.") or inner.__globals__.get("__name__") == "dataclasses")


def _is_slot(value: Any) -> bool:
    return type(value).__name__ in ("member_descriptor", "getset_descriptor", "_tuplegetter")


def _attribute(
    walk: Walk,
    name: str,
    value: Any,
    said: ast.expr | None,
    written_here: Mapping[FunctionType, Piece],
    scope: Mapping[str, Any],
    piece: Piece | None,
) -> None:
    behind = _unwrapped(value)
    if behind and all(one in written_here for one in behind):
        for one in behind:
            text = written_here[one]
            functions.bindings(walk, one, text, (piece or text).unread, f"{name}.")
            if one.__globals__ is not scope:
                functions.names(walk, one.__globals__, text, uses(one.__code__), frozenset())
    elif not functions.says(said, value, scope):
        walk.fact(name, value)


def _said(node: ast.ClassDef | None) -> dict[str, ast.expr | None]:
    """Returns the expressions that the body of a class assigns, by name; of several the last one."""
    found: dict[str, ast.expr | None] = {}
    for one in node.body if node is not None else ():
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            found[one.target.id] = one.value
        elif isinstance(one, ast.Assign):
            found |= {target.id: one.value for target in one.targets if isinstance(target, ast.Name)}
    return found


def _defined(node: ast.ClassDef | None) -> set[str]:
    """Returns the names of the methods that stand in the body of a class."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {one.name for one in node.body if isinstance(one, kinds)} if node is not None else set()
