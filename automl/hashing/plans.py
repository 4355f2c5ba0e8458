"""Plans: a graph's live nodes as steps over a table of values, with chains taken apart into single operations."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from automl.behaviour import Graph, Node
from automl.errors import Unhashable
from automl.hashing.builtin import OPERATIONS
from automl.hashing.operations import Operation, Own, Steps
from automl.hashing.values import ADD, ValueTable
from automl.jsontext import canonical

INPUT, SAME, ZERO, PLAIN, WEIGHTED, SUM = range(6)

_NODES_KEPT = 100_000

_OWN_WORDS = {"input": INPUT, "identity": SAME, "skip_connect": SAME, "zero": ZERO, "none": ZERO, "add": SUM}


def operation_names(own: Mapping[str, Any] = MappingProxyType({})) -> list[str]:
    """Returns the names that a node may have, sorted: those of the hasher, the built-in operations, and a graph's own.

    Example:
        >>> "add" in operation_names(), "sum" in operation_names()
        (True, False)
    """
    return sorted({*_OWN_WORDS, *OPERATIONS, *own})


Step = tuple[int, int, tuple[int, ...], bool]
"""One step: what kind (see above), which operation, which earlier steps it reads, and whether their order is
irrelevant.

The operation is its number in the table; for INPUT the index of the probe's input, for ZERO the stride.
"""

Chain = list[tuple[int, int, bool]]
"""The steps of one node, each reading the one before: kind, operation, commutative."""


class GraphPlan(NamedTuple):
    """A graph's live part, ready to run.

    Attributes:
        steps: in topological order.
        outputs: indices of steps.
    """

    steps: list[Step]
    outputs: list[int]


class Planner:
    """Makes plans; knows the number of every operation that it has met."""

    def __init__(self, table: ValueTable) -> None:
        self._table = table
        self._nodes: dict[int, tuple[Node, Chain]] = {}
        self._chains: dict[Any, Chain] = {}
        self._numbers: dict[Any, tuple[int, int, bool]] = {}
        self._kept: list[Any] = []  # own operations are known by id(), so they must stay alive

    def plan(self, graph: Graph) -> GraphPlan:
        """Returns the plan of a graph.

        Raises:
            Unhashable: an operation is unknown, or a node reads a node that does not come before it.
        """
        nodes = graph.nodes
        live = _live_nodes(graph)
        known = self._nodes if not graph.operations else {}
        steps: list[Step] = []
        place = [0] * len(nodes)
        for number, node in enumerate(nodes):
            if not live[number]:
                continue
            found = known.get(id(node))
            if found is None or found[0] is not node:
                found = known[id(node)] = (node, self._chain_of(node, graph.operations))
            sources = tuple([place[source] for source in node.inputs])
            for kind, operation, commutative in found[1]:
                steps.append((kind, operation, sources, commutative))
                sources = (len(steps) - 1,)
            place[number] = len(steps) - 1
        if len(self._nodes) > _NODES_KEPT:
            self._nodes.clear()
        return GraphPlan(steps, [place[output] for output in graph.outputs])

    def _chain_of(self, node: Node, own: Mapping[str, Any]) -> Chain:
        if own:
            return self._chain(node.operation, dict(node.settings), own)
        key = (node.operation, node.settings)
        chain = self._chains.get(key)
        if chain is None:
            chain = self._chains[key] = self._chain(node.operation, dict(node.settings), own)
        return chain

    def _chain(self, name: str, settings: Mapping[str, Any], own: Mapping[str, Any]) -> Chain:
        if name not in own and name in _OWN_WORDS:
            kind = _OWN_WORDS[name]
            number = {INPUT: int(settings.get("index", 0)), ZERO: int(settings.get("stride", 1)), SUM: ADD}.get(kind, 0)
            return [(kind, number, kind == SUM)]
        found = own.get(name) or OPERATIONS.get(name)
        if found is None:
            raise Unhashable(
                f"unknown operation {name!r}; give it to the graph in `operations`, or use one of {sorted(OPERATIONS)}"
            )
        if isinstance(found, Steps):
            return [self._number(operation, {**settings, **fixed}) for operation, fixed in found.steps]
        return [self._number(found, settings)]

    def _number(self, found: Any, settings: Mapping[str, Any]) -> tuple[int, int, bool]:
        key = (id(found), canonical(dict(settings)))
        known = self._numbers.get(key)
        if known is None:
            self._kept.append(found)
            if not isinstance(found, Operation):
                if not callable(found) or inspect.isclass(found):
                    raise Unhashable(
                        f"{found!r} is no operation; give an instance of Operation or a function of arrays"
                    )
                found = Own(found)
            number = self._table.register(found, settings)
            known = (WEIGHTED if found.has_weights() else PLAIN, number, found.commutative)
            self._numbers[key] = known
        return known


def _live_nodes(graph: Graph) -> list[bool]:
    """Returns for each node whether the outputs read it, directly or not."""
    nodes = graph.nodes
    live = [False] * len(nodes)
    for output in graph.outputs:
        if not 0 <= output < len(nodes):
            raise Unhashable(f"output {output} is no node; the graph has {len(nodes)}")
        live[output] = True
    for number in range(len(nodes) - 1, -1, -1):
        if live[number]:
            for source in nodes[number].inputs:
                if not 0 <= source < number:
                    raise Unhashable(f"node {number} reads node {source}; nodes must come in topological order")
                live[source] = True
    return live
