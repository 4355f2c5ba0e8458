"""What code says: its syntax tree without comments, docstrings and layout, or its bytecode where there is no source.

A function's source is looked up in its file and compiled: only where that gives the very bytecode that the function
runs is it the function's source. A file that was edited after it was imported is thus never taken for what runs.
"""

from __future__ import annotations

import ast
import functools
import linecache
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

import xxhash

from automl.evaluators.fingerprints.uses import only_counted

NOTHING = object()
"""Stands for: no constant."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_HAS_NAME = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OPERATORS: Mapping[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def mixed(*parts: bytes | str) -> bytes:
    """Mixes parts, in order, into 16 bytes; their lengths too, so no two lists of parts run into one another."""
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        pieces += (len(data).to_bytes(8, "little"), data)
    return xxhash.xxh3_128_digest(b"".join(pieces))


@dataclass
class Piece:
    """A function or a class in a source text.

    Attributes:
        node: its syntax tree.
    """

    node: FunctionNode | ast.ClassDef

    @cached_property
    def text(self) -> str:
        """What it says, alike for every layout."""
        return written(self.node if isinstance(self.node, ast.Lambda) else statement(self.node))

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """All names that stand in it."""
        return frozenset(found.id for found in ast.walk(self.node) if isinstance(found, ast.Name))

    @cached_property
    def unread(self) -> frozenset[str]:
        """Names of numbers that it counts up and never reads."""
        return only_counted(self.node)

    @cached_property
    def inside(self) -> frozenset[int]:
        """The ids of all nodes in it."""
        return frozenset(map(id, ast.walk(self.node)))


class File:
    """A source text, parsed and compiled, whose functions can be found by their code."""

    def __init__(self, text: str, name: str) -> None:
        self.tree = ast.parse(text)
        self._codes: dict[str, list[CodeType]] = defaultdict(list)
        self._functions: dict[tuple[str, int], list[Piece]] = defaultdict(list)
        self.classes: dict[str, list[Piece]] = defaultdict(list)
        self._collect(compile(self.tree, name, "exec", dont_inherit=True))
        self._index(self.tree, "")

    def _collect(self, code: CodeType) -> None:
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._codes[constant.co_qualname].append(constant)
                self._collect(constant)

    def _index(self, node: ast.AST, inside: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = f"{inside}{child.name}" if isinstance(child, _HAS_NAME) else inside
            if isinstance(child, ast.ClassDef):
                self.classes[name].append(Piece(child))
                self._index(child, f"{name}.")
                continue
            if isinstance(child, _FUNCTIONS):
                name_of = getattr(child, "name", "<lambda>")
                self._functions[name_of, _first_line(child)].append(Piece(child))
                name = f"{inside}<lambda>" if isinstance(child, ast.Lambda) else name
                self._index(child, f"{name}.<locals>.")
                continue
            self._index(child, inside)

    @cached_property
    def text(self) -> str:
        """What it says, alike for every layout."""
        return written(self.tree)

    def find(self, code: CodeType) -> Piece | None:
        """Returns the function that compiles to `code`, None where there is none (any more)."""
        wanted = bytecode(code)
        same = [one for one in self._codes.get(code.co_qualname, ()) if bytecode(one) == wanted]
        same.sort(key=lambda one: one.co_firstlineno != code.co_firstlineno)
        found = (_of_line(self._functions[one.co_name, one.co_firstlineno], one) for one in same)
        return next((piece for piece in found if piece is not None), None)


def _first_line(node: FunctionNode) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return decorators[0].lineno if decorators else node.lineno


def _of_line(pieces: Sequence[Piece], code: CodeType) -> Piece | None:
    """Returns which of the functions that begin in one line a code object is: of lambdas, the innermost around it."""
    if code.co_name != "<lambda>":
        return pieces[0] if pieces else None
    spans = [(one[0], one[2], one[1], one[3]) for one in code.co_positions() if None not in one and one[2:] != (0, 0)]
    if not spans:
        return pieces[0] if len(pieces) == 1 else None
    begin = min((first, column) for first, column, _, _ in spans if first is not None and column is not None)
    end = max((last, column) for _, _, last, column in spans if last is not None and column is not None)
    around = [one for one in pieces if (span := _span(one))[0] <= begin and end <= span[1]]
    return max(around, key=lambda one: _span(one)[0], default=None)


def _span(piece: Piece) -> tuple[tuple[int, int], tuple[int, int]]:
    assert isinstance(piece.node, ast.Lambda)
    body = piece.node.body
    return (body.lineno, body.col_offset), (body.end_lineno or body.lineno, body.end_col_offset or body.col_offset)


def file_of(name: str, scope: Mapping[str, Any]) -> File | None:
    """Returns the source file of this name as it is now, None where there is none or it is no Python.

    Args:
        name: as in a code object: a path, or the name of a notebook's cell.
        scope: globals of the code, through which modules in archives are found.
    """
    linecache.checkcache(name)
    lines = linecache.getlines(name, scope if isinstance(scope, dict) else None)
    return _file("".join(lines), name) if lines else None


@functools.lru_cache(maxsize=64)
def _file(text: str, name: str) -> File | None:
    try:
        return File(text, name)
    except (SyntaxError, ValueError, RecursionError):
        return None


@functools.lru_cache(maxsize=4096)
def bytecode(code: CodeType) -> bytes:
    """Returns 16 bytes of what code does, where lines, files and docstrings do not count."""
    documented = code.co_consts[:1]
    unused = not _loads_first(code)
    constants = [
        _constant(None if place == 0 and documented and isinstance(value, str) and unused else value)
        for place, value in enumerate(code.co_consts)
    ]
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return mixed(repr(counts), code.co_code, repr(names), code.co_exceptiontable, *constants)


def _loads_first(code: CodeType) -> bool:
    import dis

    return any(item.opname in ("LOAD_CONST", "RETURN_CONST") and item.arg == 0 for item in dis.get_instructions(code))


def _constant(value: Any) -> bytes:
    if isinstance(value, CodeType):
        return mixed("code", value.co_name, bytecode(value))
    if isinstance(value, tuple):
        return mixed("tuple", *map(_constant, value))
    if isinstance(value, frozenset):
        return mixed("set", *sorted(map(_constant, value)))
    return mixed(type(value).__name__, repr(value))


def written(node: ast.AST) -> str:
    """Returns a tree's content, alike for every layout and every version of Python."""
    return "\n".join(_written(node))


def statement(node: ast.stmt) -> ast.Module:
    """Returns a statement as the file that would hold nothing else."""
    return ast.Module(body=[node], type_ignores=[])


def _written(node: ast.AST) -> Iterator[str]:
    """Yields a tree's content. Empty fields, which come and go with Python's versions, are left out."""
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


def constant(node: ast.expr | None) -> Any:
    """Returns the value of an expression of literals, NOTHING where it is none.

    Example:
        >>> constant(ast.parse("{'lr': 10 ** -2}", mode="eval").body)
        {'lr': 0.01}
    """
    try:
        return _value(node)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return NOTHING


def _value(node: ast.expr | None) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        items = [_value(item) for item in node.elts]
        return tuple(items) if isinstance(node, ast.Tuple) else items if isinstance(node, ast.List) else set(items)
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("no literal")
