"""The DARTS space (Liu, Simonyan and Yang, ICLR 2019): a normal and a reduction cell of four nodes with two edges each.

A candidate's JSON is its genotype: `{"normal": [[[op, input], [op, input]], …four nodes], "reduce": […]}`. Inputs 0 and
1 are the two cells before, 2 to 5 the nodes of this one; a node adds its two edges, the cell concatenates its nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import networkx
import numpy as np

from automl.behaviour import Array, Graph, Node, Probe
from automl.errors import InvalidCandidate
from automl.spaces.cells import CellSpace
from automl.spaces.space import Candidate

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NODES = 4
CELLS = ("normal", "reduce")
PROBE = Probe(inputs=(Array((4, 4, 4)), Array((4, 4, 4))))
"""What the cells are run on to be hashed: the outputs of the two cells before, four channels of 4x4, a batch of two."""

Cell = Sequence[Sequence[tuple[str, int]]]


def genotype_graph(genotype: Mapping[str, Cell], **settings: Any) -> Graph:
    """Returns both cells as one graph; `settings` are those of `Graph` (frame, module).

    In the reduction cell, edges from the cells before have stride 2, where a skip is a factorized reduction.
    Concatenated nodes are read by 1x1 convolutions with free weights only, so their order is not seen.
    """
    nodes = [Node("input"), Node("input", (), (("index", 1),))]

    def append(operation: str, inputs: tuple[int, ...], stride: int = 1) -> int:
        nodes.append(Node(operation, inputs, (("stride", stride),) if stride > 1 else ()))
        return len(nodes) - 1

    outputs: list[int] = []
    for name in CELLS:
        values = [0, 1]
        for pair in genotype[name]:
            edges = []
            for operation, source in pair:
                reduces = name == "reduce" and source < 2
                if reduces and operation == "skip_connect":
                    edges.append(append("factorized_reduce", (values[source],)))
                else:
                    edges.append(append(operation, (values[source],), 2 if reduces else 1))
            values.append(append("add", tuple(edges)))
        outputs += values[2:]
    return Graph(tuple(nodes), tuple(outputs), unordered_outputs=True, probe=PROBE, **settings)


class DARTS(CellSpace):
    """All genotypes: for each of four nodes in two cells, two operations on two different earlier values."""

    def sample(self, rng: np.random.Generator) -> Candidate:
        return Candidate({name: [_pair(node, rng) for node in range(NODES)] for name in CELLS})

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a genotype with one operation or one input changed."""
        value = {name: [[list(edge) for edge in pair] for pair in candidate.value[name]] for name in CELLS}
        pair = value[CELLS[int(rng.integers(2))]][node := int(rng.integers(NODES))]
        edge = int(rng.integers(2))
        others = [source for source in range(node + 2) if source not in (pair[0][1], pair[1][1])]
        if others and rng.random() < 0.5:
            pair[edge][1] = int(rng.choice(others))
        else:
            pair[edge][0] = str(rng.choice([name for name in OPERATIONS if name != pair[edge][0]]))
        return Candidate(value)

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a genotype that takes each node from one parent or the other."""
        parents = (one.value, other.value)
        return Candidate({name: [parents[int(rng.integers(2))][name][node] for node in range(NODES)] for name in CELLS})

    def decode(self, value: Any) -> Candidate:
        if not isinstance(value, Mapping) or set(value) != set(CELLS):
            raise InvalidCandidate(f"{value!r} is no genotype; write an object with the cells 'normal' and 'reduce'")
        return Candidate({name: _checked(value[name], name) for name in CELLS})

    def size(self) -> int:
        cell = 1
        for node in range(NODES):
            cell *= (node + 2) * (node + 1) * len(OPERATIONS) ** 2
        return cell**2

    def graph(self, candidate: Candidate) -> Graph:
        return genotype_graph(candidate.value)

    def picture(self, candidate: Candidate) -> networkx.DiGraph:
        picture = networkx.DiGraph()
        for name in CELLS:
            for place, label in enumerate((f"{name} c(k-2)", f"{name} c(k-1)", *map(str, range(NODES)))):
                picture.add_node(f"{name} {place}", label=label)
            for node, pair in enumerate(candidate.value[name], 2):
                for operation, source in pair:
                    picture.add_edge(f"{name} {source}", f"{name} {node}", label=operation)
        return picture

    def describe(self, candidate: Candidate) -> str:
        cells = (
            " ".join("+".join(f"{op}~{at}" for op, at in pair) for pair in candidate.value[name]) for name in CELLS
        )
        return " | ".join(cells)


def _pair(node: int, rng: np.random.Generator) -> list[list[Any]]:
    sources = rng.permutation(node + 2)[:2]
    return [[OPERATIONS[int(rng.integers(len(OPERATIONS)))], int(source)] for source in sources]


def _checked(cell: Any, name: str) -> list[list[list[Any]]]:
    if not isinstance(cell, list | tuple) or len(cell) != NODES:
        raise InvalidCandidate(f"{name}: {cell!r} must list {NODES} nodes")
    found = []
    for node, pair in enumerate(cell):
        path = f"{name}[{node}]"
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InvalidCandidate(f"{path}: {pair!r} must be two edges [operation, input]")
        for edge in pair:
            if not isinstance(edge, list | tuple) or len(edge) != 2:
                raise InvalidCandidate(f"{path}: {edge!r} must be [operation, input]")
            operation, source = edge
            if operation not in OPERATIONS:
                raise InvalidCandidate(f"{path}: {operation!r} is no operation of DARTS; they are {list(OPERATIONS)}")
            if isinstance(source, bool) or not isinstance(source, int) or not 0 <= source < node + 2:
                raise InvalidCandidate(f"{path}: input {source!r} must be a whole number from 0 to {node + 1}")
        if pair[0][1] == pair[1][1]:
            raise InvalidCandidate(f"{path}: both edges read input {pair[0][1]}; they must read two different ones")
        found.append([[operation, source] for operation, source in pair])
    return found
