"""Plans: a graph's live nodes as steps over a table of values, with chains taken apart into single operations."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from automl.behaviour import Graph
from automl.errors import Unhashable
from automl.hashing.mixing import mix
from automl.hashing.operations import OPERATIONS, Operation, Own, Steps
from automl.hashing.values import ADD, ValueTable
from automl.jsontext import canonical

INPUT, SAME, ZERO, PLAIN, WEIGHTED, SUM = range(6)

_OWN_WORDS = {"input": INPUT, "identity": SAME, "skip_connect": SAME, "zero": ZERO, "none": ZERO, "add": SUM}


class Step(NamedTuple):
    """One step: what kind, which operation, which earlier steps it reads, and whether their order matters.

    Attributes:
        kind: INPUT, SAME (passes its input on), ZERO, PLAIN (no weights), WEIGHTED or SUM.
        operation: its number in the table; for INPUT the index of the probe's input, for ZERO the stride.
        sources: indices of earlier steps.
        commutative: True where the order of the sources does not matter.
    """

    kind: int
    operation: int
    sources: tuple[int, ...]
    commutative: bool


class Plan(NamedTuple):
    """A graph's live part, ready to run.

    Attributes:
        steps: in topological order.
        outputs: indices of steps.
        nodes: for each step, the node of the graph that it belongs to.
    """

    steps: list[Step]
    outputs: tuple[int, ...]
    nodes: list[int]


class Planner:
    """Makes plans; knows the number of every operation that it has met."""

    def __init__(self, table: ValueTable) -> None:
        self._table = table
        self._chains: dict[Any, list[tuple[int, int, bool]]] = {}
        self._numbers: dict[Any, tuple[int, int, bool]] = {}
        self._kept: list[Any] = []  # own operations are known by id(), so they must stay alive

    def plan(self, graph: Graph) -> Plan:
        """Returns the plan of a graph.

        Raises:
            Unhashable: an operation is unknown, or a node reads a node that does not come before it.
        """
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
        own = graph.operations
        steps: list[Step] = []
        origin: list[int] = []
        place = [0] * len(nodes)
        for number, node in enumerate(nodes):
            if not live[number]:
                continue
            sources = tuple([place[source] for source in node.inputs])
            chain = self._chains.get((node.operation, node.settings)) if not own else None
            if chain is None:
                chain = self._chain(node.operation, dict(node.settings), own)
                if not own:
                    self._chains[node.operation, node.settings] = chain
            for kind, operation, commutative in chain:
                steps.append(Step(kind, operation, sources, commutative))
                origin.append(number)
                sources = (len(steps) - 1,)
            place[number] = len(steps) - 1
        return Plan(steps, tuple([place[output] for output in graph.outputs]), origin)

    def _chain(self, name: str, settings: Mapping[str, Any], own: Mapping[str, Any]) -> list[tuple[int, int, bool]]:
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
            seed = mix(type(found).__qualname__, canonical(dict(found.identity(settings))))
            weighted = type(found).weights is not Operation.weights
            same = self._numbers.get((type(found), seed)) if weighted else None
            known = same or (
                WEIGHTED if weighted else PLAIN,
                self._table.register(found, settings, seed),
                found.commutative,
            )
            self._numbers[key] = self._numbers[type(found), seed] = known
        return known
