"""DARTS genotypes as people write them: the text and the tuples of the papers' code, lists of pairs, JSON.

Everything is read into one form, `{"normal": [[[operation, input], [operation, input]], …four nodes], "reduce": […]}`.
A cell that concatenates other nodes than all four has them under `normal_concat` or `reduce_concat` besides. Texts are
parsed and never evaluated.

Example:
    >>> cell = "[('sep_conv_3x3', 1), ('skip_connect', 0)" + ", ('sep_conv_3x3', 1), ('none', 0)" * 3 + "]"
    >>> value = read_genotype(f"Genotype(normal={cell}, normal_concat=range(2, 6), reduce={cell}, reduce_concat=[5])")
    >>> value["normal"][0], value["reduce_concat"]
    ([['sep_conv_3x3', 1], ['skip_connect', 0]], [5])
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from automl.errors import InvalidCandidate
from automl.jsontext import plain
from automl.spaces.options import shown

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""What a search draws from."""

NONE = "none"
"""The edge that carries nothing. Published genotypes have it now and then; a search draws none."""

NODES = 4
CELLS = ("normal", "reduce")
ALL_NODES = [2, 3, 4, 5]
"""What a cell concatenates unless it says otherwise."""

_NAMES = ("normal", "normal_concat", "reduce", "reduce_concat")
_LONGEST = 20_000
_WANTED = (
    "write Genotype(normal=[('sep_conv_3x3', 1), …], normal_concat=range(2, 6), reduce=[…], "
    'reduce_concat=range(2, 6)), or {"normal": [[["sep_conv_3x3", 1], ["skip_connect", 0]], …], "reduce": […]}'
)


def read_genotype(value: Any) -> dict[str, Any]:
    """Returns a genotype in the one form that candidates have.

    Args:
        value: the text `Genotype(…)` of the papers' code, with `NAME =` in front or without; the named tuple itself; an
            object with `normal` and `reduce`; or a list of the four parts. A cell is a list of eight edges, or of four
            nodes with two edges each; an edge is (operation, input). What a cell concatenates is a list or a range.

    Raises:
        InvalidCandidate: it is no genotype of this space; the message names the place.
    """
    parts = _parts(_parsed(value) if isinstance(value, str) else value)
    found: dict[str, Any] = {name: _cell(parts[name], name) for name in CELLS}
    for name in CELLS:
        nodes = _concat(parts.get(f"{name}_concat"), f"{name}_concat")
        if nodes != ALL_NODES:
            found[f"{name}_concat"] = nodes
    return found


def to_genotype(value: Mapping[str, Any]) -> str:
    """Returns a genotype (a candidate's JSON data) as the text that the code of the papers reads.

    Example:
        >>> node = [["skip_connect", 0], ["max_pool_3x3", 1]]
        >>> to_genotype({"normal": [node] * 4, "reduce": [node] * 4})[:52]
        "Genotype(normal=[('skip_connect', 0), ('max_pool_3x3"
    """
    texts = []
    for name in CELLS:
        edges = ", ".join(f"({operation!r}, {source})" for pair in value[name] for operation, source in pair)
        nodes = value.get(f"{name}_concat", ALL_NODES)
        whole = list(nodes) == list(range(nodes[0], nodes[-1] + 1))
        concat = f"range({nodes[0]}, {nodes[-1] + 1})" if whole else str(list(nodes))
        texts.append(f"{name}=[{edges}], {name}_concat={concat}")
    return f"Genotype({', '.join(texts)})"


def _parsed(text: str) -> Any:
    """Reads the text of a genotype: literals, ranges, and the call of `Genotype` as an object of its parts."""
    if len(text) > _LONGEST:
        raise InvalidCandidate(f"a genotype has at most {_LONGEST:,} characters, and this text has {len(text):,}")
    try:
        body = ast.parse(text.strip(), mode="exec").body
        if len(body) != 1 or not isinstance(body[0], ast.Expr | ast.Assign):
            raise ValueError("it is not one expression")
        return _literal(body[0].value)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = error.msg if isinstance(error, SyntaxError) else str(error) or "it is nested too deep"
        raise InvalidCandidate(f"{shown(text)} is no genotype ({why}); {_WANTED}") from error


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_literal(key): _literal(item) for key, item in zip(node.keys, node.values, strict=True) if key}
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        arguments = [_literal(item) for item in node.args]
        if name in ("list", "tuple") and len(arguments) == 1 and not node.keywords:
            return arguments[0]
        if name == "range" and not node.keywords and all(type(item) is int for item in arguments):
            if not 1 <= len(arguments) <= 3 or any(abs(item) > 100 for item in arguments):
                raise ValueError("its range is none of nodes")
            return list(range(*arguments))
        if name in ("int", "int32", "int64") and len(arguments) == 1 and type(arguments[0]) is int:
            return arguments[0]  # as numpy writes its numbers
        if name == "Genotype" and len(arguments) <= len(_NAMES):
            named = {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
            return {**dict(zip(_NAMES, arguments, strict=False)), **named}
        raise ValueError(f"it calls {name or 'something'!r}")
    raise ValueError("it holds more than names, numbers, lists and ranges")


def _parts(value: Any) -> Mapping[str, Any]:
    if hasattr(value, "_asdict"):
        value = value._asdict()  # the named tuple of the papers' code
    value = plain(value)
    if isinstance(value, list | tuple) and len(value) in (2, 4):
        value = dict(zip(_NAMES if len(value) == 4 else CELLS, value, strict=True))
    if not isinstance(value, Mapping) or not {*CELLS} <= {*value}:
        raise InvalidCandidate(f"{shown(value)} is no genotype; {_WANTED}")
    if unknown := sorted(map(str, {*value} - {*_NAMES})):
        raise InvalidCandidate(f"a genotype has no part {unknown[0]!r}; its parts are {', '.join(_NAMES)}")
    return value


def _listed(value: Any) -> Sequence[Any] | None:
    value = plain(value)
    return list(value) if isinstance(value, list | tuple | range) else None


def _concat(value: Any, name: str) -> list[int]:
    if value is None:
        return ALL_NODES
    nodes = _listed(value)
    whole = nodes is not None and all(type(plain(node)) is int for node in nodes)
    if nodes is None or not whole or not nodes or not {*nodes} <= {*ALL_NODES} or len({*nodes}) < len(nodes):
        raise InvalidCandidate(
            f"{name}: {shown(value)} must list nodes to be concatenated, each once, of {ALL_NODES} (0 and 1 are the "
            "cells before)"
        )
    return sorted(map(plain, nodes))


def _cell(value: Any, name: str) -> list[list[list[Any]]]:
    items = _listed(value)
    if items is None:
        raise InvalidCandidate(
            f"{name}: {shown(value)} must list {NODES} nodes of two edges, or their {2 * NODES} edges"
        )
    if all(_is_edge(item) for item in items):  # the edges of all nodes, one behind the other
        if len(items) != 2 * NODES:
            raise InvalidCandidate(
                f"{name}: {len(items)} edges; a cell of DARTS has {NODES} nodes of two edges each, {2 * NODES} in all "
                "(cells of five nodes are those of other spaces)"
            )
        items = [items[place : place + 2] for place in range(0, 2 * NODES, 2)]
    if len(items) != NODES:
        raise InvalidCandidate(f"{name}: {shown(value)} must list {NODES} nodes")
    return [_node(pair, node, f"{name}[{node}]") for node, pair in enumerate(items)]


def _is_edge(item: Any) -> bool:
    edge = _listed(item)
    return edge is not None and len(edge) == 2 and isinstance(edge[0], str) and not isinstance(edge[1], str)


def _node(value: Any, node: int, path: str) -> list[list[Any]]:
    pair = _listed(value)
    if pair is None or len(pair) != 2:
        raise InvalidCandidate(f"{path}: {shown(value)} must be two edges [operation, input]")
    found: list[list[Any]] = []
    for given in pair:
        edge = _listed(given)
        if edge is None or len(edge) != 2:
            raise InvalidCandidate(f"{path}: {shown(given)} must be [operation, input]")
        operation, source = edge[0], plain(edge[1])
        if operation not in (*OPERATIONS, NONE):
            raise InvalidCandidate(
                f"{path}: {shown(operation)} is no operation of DARTS; they are {[*OPERATIONS, NONE]}"
            )
        if isinstance(source, bool) or not isinstance(source, int) or not 0 <= source < node + 2:
            raise InvalidCandidate(f"{path}: input {shown(source)} must be a whole number from 0 to {node + 1}")
        found.append([str(operation), source])
    if found[0][1] == found[1][1] and NONE not in (found[0][0], found[1][0]):
        raise InvalidCandidate(f"{path}: both edges read input {found[0][1]}; they must read two different ones")
    return found
