"""Fingerprints of a user's code, so that figures of code that has changed are not served."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import xxhash

from automl import registry
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator


def describe(evaluator: Evaluator) -> dict[str, Any]:
    """Returns what an evaluator stands for in a context and in a study.

    A version that the user named answers for the code. Without one the source does.

    Raises:
        InvalidInput: there is no version, and the source cannot be read.
    """
    described = {"name": evaluator.name, "version": evaluator.version, "settings": evaluator.settings()}
    source = "" if _is_versioned(type(evaluator)) else own_source(evaluator)
    return {**described, "source": source} if source else described


def own_source(evaluator: Evaluator) -> str:
    """Returns the fingerprint of a user's own evaluator, empty for registered ones: their versions answer for them.

    Raises:
        InvalidInput: its source cannot be read, and it names no version.
    """
    kind = type(evaluator)
    if _is_registered(kind):
        return ""
    try:
        return fingerprint(*(one for one in kind.__mro__ if _is_users(one)))
    except (OSError, TypeError):
        if _is_versioned(kind):
            return ""
        raise InvalidInput(
            f"the source of evaluator {kind.__qualname__} cannot be read, so changes to it would go unnoticed; "
            "give the class a version (version = '1') and raise it when the figures change"
        ) from None


@functools.lru_cache(maxsize=64)
def fingerprint(*things: Any) -> str:
    """Returns 32 hexadecimal digits of functions or classes, and of what they use of their own modules.

    Comments, docstrings and layout do not count. What they import from elsewhere is not looked at.

    Raises:
        OSError, TypeError: a source cannot be read.
    """
    digest = xxhash.xxh3_128()
    met: set[str] = set()
    waiting = list(things)
    while waiting:
        thing = waiting.pop(0)
        text = textwrap.dedent(inspect.getsource(thing))
        try:
            tree = ast.parse(text)
        except SyntaxError:  # a lambda's source is the line that it stands in, which need not be a statement
            digest.update(text.encode())
            continue
        digest.update("\n".join(_written(tree)).encode())
        module = sys.modules.get(thing.__module__)
        scope = vars(module) if module is not None else {}
        for name in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - met):
            met.add(name)
            used = scope.get(name)
            if isinstance(used, int | float | str):
                digest.update(f"{name}={used!r}".encode())
            elif (inspect.isfunction(used) or inspect.isclass(used)) and used.__module__ == thing.__module__:
                waiting += [] if used in things else [used]
    return digest.hexdigest()


def _written(node: ast.AST) -> Iterator[str]:
    """Yields a tree's content alike under all versions of Python: empty fields, which come and go, are left out."""
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        items = value if isinstance(value, list) else [value]
        if name == "body" and _has_docstring(node):
            items = items[1:]
        for item in items:
            if isinstance(item, ast.AST):
                yield name
                yield from _written(item)
            elif item is not None and name not in ("kind", "type_comment"):
                yield f"{name}={item!r}"
    yield "."


def _has_docstring(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
        return ast.get_docstring(node, clean=False) is not None
    return False


def _is_users(kind: type) -> bool:
    return kind is not object and kind.__module__.partition(".")[0] not in (
        "automl",
        "workers",
        "abc",
        "typing",
        "builtins",
    )


def _is_versioned(kind: type) -> bool:
    return _is_registered(kind) or any("version" in vars(one) for one in kind.__mro__ if _is_users(one))


@functools.lru_cache(maxsize=64)
def _is_registered(kind: type) -> bool:
    return not _is_users(kind) or registry.holds("evaluators", kind)
