"""The DARTS space (Liu, Simonyan and Yang, ICLR 2019): a normal and a reduction cell of four nodes with two edges each.

A candidate's JSON is its genotype: `{"normal": [[[op, input], [op, input]], …four nodes], "reduce": […]}`. Inputs 0 and
1 are the two cells before, 2 to 5 the nodes of this one; a node adds its two edges, the cell concatenates its nodes.
Genotypes in the layouts of the papers are read too (`search_spaces.nas.genotypes`), and `to_genotype` writes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx
import numpy as np

from automl.behaviour import Array, Graph, Node, Probe
from automl.spaces.cells import CellSpace
from automl.spaces.space import Candidate
from search_spaces.nas.genotypes import ALL_NODES, CELLS, NODES, NONE, OPERATIONS, read_genotype
from search_spaces.nas.genotypes import to_genotype as to_genotype

PROBE = Probe(inputs=(Array((4, 4, 4)), Array((4, 4, 4))))
"""What the cells are run on to be hashed: the outputs of the two cells before, four channels of 4x4, a batch of two."""


def genotype_graph(genotype: Mapping[str, Any], **settings: Any) -> Graph:
    """Returns both cells as one graph; `settings` are those of `Graph` (frame, module).

    An edge `none` carries zeros: the sum is the same without. In the reduction cell, edges from the cells before have
    stride 2, where a skip is a factorized reduction. Concatenated nodes are read by 1x1 convolutions with free weights
    only, so their order is not seen.
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
        outputs += [values[node] for node in genotype.get(f"{name}_concat", ALL_NODES)]
    return Graph(tuple(nodes), tuple(outputs), unordered_outputs=True, probe=PROBE, **settings)


class DARTS(CellSpace):
    """Space of the genotypes of DARTS: two cells of four nodes, each of which applies two operations to earlier values.

    Example:
        >>> import numpy as np
        >>> space = DARTS()
        >>> sorted(space.sample(np.random.default_rng(0)).value)
        ['normal', 'reduce']
    """

    equal_shares = (0.00, 0.00)

    def sample(self, rng: np.random.Generator) -> Candidate:
        return Candidate({name: [_pair(node, rng) for node in range(NODES)] for name in CELLS})

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a genotype with one operation or one input changed."""
        cells = {name: [[list(edge) for edge in pair] for pair in candidate.value[name]] for name in CELLS}
        value = {**candidate.value, **cells}
        pair = cells[CELLS[int(rng.integers(2))]][node := int(rng.integers(NODES))]
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
        cells = {name: [parents[int(rng.integers(2))][name][node] for node in range(NODES)] for name in CELLS}
        return Candidate({**{name: part for name, part in one.value.items() if name not in CELLS}, **cells})

    def decode(self, value: Any) -> Candidate:
        """Reads a genotype in any of the layouts in which they are published, see `read_genotype`."""
        return Candidate(read_genotype(value))

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
                    if operation != NONE:
                        picture.add_edge(f"{name} {source}", f"{name} {node}", label=operation)
        return picture

    def describe(self, candidate: Candidate) -> str:
        texts = []
        for name in CELLS:
            nodes = candidate.value.get(f"{name}_concat")
            text = " ".join("+".join(f"{op}~{at}" for op, at in pair) for pair in candidate.value[name])
            texts.append(text if nodes is None else f"{text} concat {nodes}")
        return " | ".join(texts)


def _pair(node: int, rng: np.random.Generator) -> list[list[Any]]:
    sources = rng.permutation(node + 2)[:2]
    return [[OPERATIONS[int(rng.integers(len(OPERATIONS)))], int(source)] for source in sources]
