"""Reading a function: its text, its defaults, the variables that it captured, and the names that it loads."""

from __future__ import annotations

import ast
import collections
import os
from collections.abc import Mapping, Sequence, Set
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.evaluators.fingerprints import modules
from automl.evaluators.fingerprints.content import of_plain
from automl.evaluators.fingerprints.naming import goes_without_saying
from automl.evaluators.fingerprints.refusal import NoContent
from automl.evaluators.fingerprints.uses import Chain, Uses, is_written_to, uses
from automl.evaluators.fingerprints.written import NOTHING, Piece, bytecode, constant

if TYPE_CHECKING:
    from automl.evaluators.fingerprints.walk import Walk

_PARTS = ("builtins", "cached", "doc", "file", "loader", "name", "package", "path", "spec")
_OF_MODULES = frozenset(f"__{part}__" for part in _PARTS)
"""Globals that say where a module lies, and nothing that a result depends on."""

_WHOLE_SCOPE = frozenset({"eval", "exec", "globals"})
"""Functions through which code reaches any global name."""

_CONTAINERS = (list, set, dict, collections.deque, collections.Counter)


def scope_of(function: FunctionType) -> Mapping[str, Any]:
    """Returns the global names of a function."""
    return function.__globals__


def read(walk: Walk, function: FunctionType) -> None:
    """Adds a function to a walk."""
    code = function.__code__
    file = walk.file_of(code.co_filename, function.__globals__)
    piece = file.find(code) if file is not None else None
    walk.text(function.__qualname__, piece.text if piece is not None else b"bytecode" + bytecode(code))
    unread = piece.unread if piece is not None else frozenset()
    bindings(walk, function, piece, unread)
    names(walk, function.__globals__, piece, uses(code), unread)


def bindings(walk: Walk, function: FunctionType, piece: Piece | None, unread: Set[str], within: str = "") -> None:
    """Adds what a function holds beside its text: defaults, captured variables, attributes, imports that it makes.

    Args:
        walk: takes them in.
        function: holds them.
        piece: its text, where there is one.
        unread: names of numbers that it only counts up.
        within: what stands before the names.
    """
    used = uses(function.__code__)
    for name, value in _defaults(function, piece):
        walk.fact(f"{within}{name}", value)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
        if _writes_only(name, value, unread, used.local):
            continue
        if name == "__class__" and walk.reading is value:
            continue
        if isinstance(value, ModuleType):
            modules.chains(walk, f"{within}{name}", value, used.local.get(name, frozenset({()})))
        else:
            walk.fact(f"{within}{name}", value)
    held = {name: value for name, value in vars(function).items() if name != "__wrapped__"}
    if held:
        walk.fact(f"{within}{function.__name__}.", held)
    for variable in sorted(used.environment):
        walk.fact(f"environment {variable}", os.environ.get(variable))
    if used.unknown_imports:
        raise NoContent("an import of a module whose name it computes")
    for one in used.imports:
        modules.imported(walk, one, used, function.__globals__)


def _defaults(function: FunctionType, piece: Piece | None) -> list[tuple[str, Any]]:
    """Returns the default values that the function's own text does not say, by parameter."""
    code = function.__code__
    given = function.__defaults__ or ()
    parameters = code.co_varnames[: code.co_argcount][code.co_argcount - len(given) :]
    found = [*zip(parameters, given, strict=True), *sorted((function.__kwdefaults__ or {}).items())]
    said: dict[str, ast.expr | None] = {}
    if piece is not None and not isinstance(node := piece.node, ast.ClassDef):
        places = [*node.args.posonlyargs, *node.args.args]
        with_default = places[len(places) - len(node.args.defaults) :]
        said = {place.arg: value for place, value in zip(with_default, node.args.defaults, strict=True)}
        said |= {place.arg: value for place, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)}
    return [(name, value) for name, value in found if not says(said.get(name), value, function.__globals__)]


def says(node: ast.expr | None, value: Any, scope: Mapping[str, Any]) -> bool:
    """Tells whether an expression gives a value away: literals, or the name of a number or a text."""
    if node is None:
        return False
    if isinstance(node, ast.Name) and is_constant(scope.get(node.id)):
        found = scope[node.id]
        return type(found) is type(value) and repr(found) == repr(value)
    found = constant(node)
    return found is not NOTHING and _same(found, value)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, set):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return of_plain(one) is not None and of_plain(one) == of_plain(other)


def is_constant(value: Any) -> bool:
    """Tells whether a global is a number or a text."""
    return type(value) in (bool, int, float, str) or (
        isinstance(value, int | float | str) and isinstance(value, np.generic)
    )


def names(
    walk: Walk, scope: Mapping[str, Any], piece: Piece | None, used: Uses, unread: Set[str], module: str | None = None
) -> None:
    """Adds the global names of code: those that it loads, and the numbers and code that it otherwise mentions.

    Args:
        walk: takes them in.
        scope: where they are looked up.
        piece: the code's text, where there is one.
        used: what its functions load.
        unread: names of numbers that it only counts up.
        module: the name of its module; the scope's own unless given.
    """
    mentioned = piece.mentioned if piece is not None else frozenset()
    module = module or scope.get("__name__")
    for name in sorted(mentioned | used.names.keys()):
        loaded = name in used.names
        if name in _OF_MODULES:
            continue
        if name not in scope:
            if loaded and name in _WHOLE_SCOPE:
                _whole(walk, scope)
            continue
        value = scope[name]
        if _writes_only(name, value, unread, used.names):
            continue
        if is_constant(value):
            if name not in walk.met[id(scope)]:
                walk.met[id(scope)].add(name)
                walk.text(name, f"{name}={value!r}")
        elif walk.is_code(value) and value.__qualname__ == name and value.__module__ == module:
            if not walk.silently(value, id(scope), name, optional=not loaded):
                _once(walk, scope, name, value)
        elif loaded:
            _loaded(walk, scope, name, value, used.names[name])


def _writes_only(name: str, value: Any, unread: Set[str], read: Mapping[str, Set[Chain]]) -> bool:
    """Tells whether code writes to what a name stands for and never reads it: a list of calls, a counter."""
    if type(value) in (int, float):
        return name in unread
    return type(value) in _CONTAINERS and is_written_to(read.get(name, ()))


def _loaded(walk: Walk, scope: Mapping[str, Any], name: str, value: Any, chains: Set[Chain]) -> None:
    if isinstance(value, ModuleType):
        modules.chains(walk, name, value, chains, walk.met[id(scope)])
    elif not goes_without_saying(name, value):
        _once(walk, scope, name, value)


def _once(walk: Walk, scope: Mapping[str, Any], name: str, value: Any) -> None:
    if (label := f"{name}=") not in walk.met[id(scope)]:
        walk.met[id(scope)].add(label)
        walk.fact(name, value)


def _whole(walk: Walk, scope: Mapping[str, Any]) -> None:
    """Adds everything in a scope, for code that may reach any of it."""
    for name in sorted(scope):
        if name not in _OF_MODULES and not goes_without_saying(name, scope[name]):
            _once(walk, scope, name, scope[name])


def merged(parts: Sequence[Uses]) -> Uses:
    """Returns what several functions load together."""
    found: dict[str, set[Chain]] = collections.defaultdict(set)
    for one in parts:
        for name, chains in one.names.items():
            found[name] |= chains
    return Uses({name: frozenset(chains) for name, chains in found.items()}, {}, ())
