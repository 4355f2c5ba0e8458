"""NAS-Bench-101 (Ying et al., ICML 2019): cells as small directed graphs with an operation on each inner vertex.

A candidate's JSON is the benchmark's own specification, `{"matrix": [[…]], "ops": […]}`: an upper triangular 0/1
matrix and one operation a vertex, `input` first and `output` last. As in the official model, an inner vertex adds its
inputs and applies its operation; the cell's input reaches each inner vertex through a projection of its own (1x1
convolution, batch norm, ReLU) and is added, projected, to the output; the output concatenates the inner vertices.
Vertices on no path from input to output are pruned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import networkx
import numpy as np

from automl.behaviour import Array, Graph, Node, Probe
from automl.errors import InvalidCandidate, InvalidSpace
from automl.jsontext import plain
from automl.spaces.cells import CellSpace
from automl.spaces.options import shown
from automl.spaces.space import Candidate, Defaults

OPERATIONS = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
VERTICES, EDGES = 7, 9
"""The most vertices and edges that the benchmark allows."""

PROBE = Probe(inputs=(Array((3, 4, 4)),))
"""What the cell is run on to be hashed: three channels of 4x4, a batch of two; all vertices have three channels."""

_MATRICES = {2: 1, 3: 5, 4: 47, 5: 840, 6: 27142, 7: 1538083}
"""Valid matrices by number of vertices, counted one by one; a test counts the smaller ones again."""

_PROJECTION = "conv1x1-bn-relu"


def pruned(matrix: Sequence[Sequence[int]], ops: Sequence[str]) -> tuple[list[list[int]], list[str]] | None:
    """Returns the part of a cell that lies on paths from input to output, or None where there is no such path."""
    size = len(ops)
    forward, backward = {0}, {size - 1}
    for vertex in range(1, size):
        if any(matrix[source][vertex] and source in forward for source in range(vertex)):
            forward.add(vertex)
    for vertex in range(size - 2, -1, -1):
        if any(matrix[vertex][target] and target in backward for target in range(vertex + 1, size)):
            backward.add(vertex)
    kept = sorted(forward & backward)
    if 0 not in kept or size - 1 not in kept:
        return None
    return [[int(matrix[row][column]) for column in kept] for row in kept], [ops[vertex] for vertex in kept]


def cell_graph(matrix: Sequence[Sequence[int]], ops: Sequence[str], **settings: Any) -> Graph:
    """Returns the graph of a cell; `settings` are those of `Graph` (frame, module).

    The concatenated output is given as its parts, each with its own slice of the projected input; whoever consumes it
    is a convolution with free weights, so their order is not seen.

    Raises:
        InvalidCandidate: no path leads from input to output.
    """
    found = pruned(matrix, ops)
    if found is None:
        raise InvalidCandidate(f"{list(map(list, matrix))}: no path leads from the input to the output")
    matrix, ops = found
    nodes = [Node("input")]

    def append(operation: str, *inputs: int) -> int:
        nodes.append(Node(operation, inputs))
        return len(nodes) - 1

    last = len(ops) - 1
    values = {0: 0}
    for vertex in range(1, last):
        terms = [append(_PROJECTION, 0)] if matrix[0][vertex] else []
        terms += [values[source] for source in range(1, vertex) if matrix[source][vertex]]
        values[vertex] = append(ops[vertex], append("add", *terms))
    parts = [values[source] for source in range(1, last) if matrix[source][last]]
    if matrix[0][last]:
        parts = [append("add", part, append(_PROJECTION, 0)) for part in parts] or [append(_PROJECTION, 0)]
    return Graph(tuple(nodes), tuple(parts), unordered_outputs=True, probe=PROBE, **settings)


class NASBench101(CellSpace):
    """Space of cells with up to `vertices` vertices, input and output included, and up to nine edges.

    Args:
        vertices: Largest number of vertices, from 2 to 7.

    Raises:
        InvalidSpace: `vertices` is out of this range.

    Example:
        >>> import numpy as np
        >>> space = NASBench101(vertices=5)
        >>> candidate = space.sample(np.random.default_rng(0))
        >>> candidate.ops
        ('input', 'maxpool3x3', 'conv3x3-bn-relu', 'conv1x1-bn-relu', 'output')
    """

    equal_shares = (0.53, 0.57)

    defaults = Defaults(evaluator="nasbench101")

    def __init__(self, vertices: int = VERTICES) -> None:
        if not 2 <= vertices <= VERTICES:
            raise InvalidSpace(f"NASBench101(vertices={vertices!r}): give a number from 2 to {VERTICES}")
        self.vertices = vertices

    def settings(self) -> Mapping[str, Any]:
        return {"vertices": self.vertices}

    def sample(self, rng: np.random.Generator) -> Candidate:
        """Draws matrices and operations uniformly until a valid cell comes up, as the benchmark's own sampler does."""
        size = self.vertices
        while True:
            matrix = np.triu(rng.integers(2, size=(size, size)), 1).tolist()
            ops = ["input", *(OPERATIONS[number] for number in rng.integers(3, size=size - 2)), "output"]
            if _valid(matrix, ops):
                return _candidate(matrix, ops)

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a valid cell with one edge flipped or one operation changed."""
        while True:
            matrix = [list(row) for row in candidate.value["matrix"]]
            ops = list(candidate.value["ops"])
            pairs = [(row, column) for column in range(len(ops)) for row in range(column)]
            drawn = int(rng.integers(len(pairs) + len(ops) - 2))
            if drawn < len(pairs):
                row, column = pairs[drawn]
                matrix[row][column] ^= 1
            else:
                vertex = 1 + drawn - len(pairs)
                ops[vertex] = OPERATIONS[(OPERATIONS.index(ops[vertex]) + 1 + int(rng.integers(2))) % 3]
            if _valid(matrix, ops):
                return _candidate(matrix, ops)
            if len(ops) == 2:
                return candidate

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a cell that takes each vertex, with the edges into it, from one parent or the other."""
        if len(one.value["ops"]) != len(other.value["ops"]):
            return one if rng.random() < 0.5 else other
        size = len(one.value["ops"])
        for _ in range(32):
            parents = [(one, other)[int(side)].value for side in rng.integers(2, size=size)]
            matrix = [[parents[column]["matrix"][row][column] for column in range(size)] for row in range(size)]
            ops = [parents[vertex]["ops"][vertex] for vertex in range(size)]
            if _valid(matrix, ops):
                return _candidate(matrix, ops)
        return one

    def decode(self, value: Any) -> Candidate:
        """Reads a cell: its matrix as lists or as an array of zeros and ones, whole or not; the names of the data set's
        own rows (`module_adjacency`, `module_operations`) are read, too.
        """
        if isinstance(value, Mapping) and set(value) == {"module_adjacency", "module_operations"}:
            value = {"matrix": value["module_adjacency"], "ops": value["module_operations"]}
        if not isinstance(value, Mapping) or set(value) != {"matrix", "ops"}:
            raise InvalidCandidate(
                f"{shown(value)} is no cell of NAS-Bench-101; write "
                '{"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}'
            )
        matrix, ops = plain(value["matrix"]), plain(value["ops"])
        matrix = [plain(row) for row in matrix] if isinstance(matrix, list | tuple) else matrix
        if not isinstance(ops, list | tuple) or not 2 <= len(ops) <= self.vertices:
            raise InvalidCandidate(f"ops: {shown(ops)} must list 2 to {self.vertices} operations")
        if ops[0] != "input" or ops[-1] != "output":
            raise InvalidCandidate(f"ops: {shown(list(ops))} must start with 'input' and end with 'output'")
        for name in ops[1:-1]:
            if name not in OPERATIONS:
                raise InvalidCandidate(f"ops: {name!r} is no operation of NAS-Bench-101; they are {list(OPERATIONS)}")
        _check_matrix(matrix, len(ops))
        found = pruned(matrix, ops)
        if found is None:
            raise InvalidCandidate(f"matrix: {matrix!r} has no path from the input to the output")
        edges = sum(map(sum, found[0]))
        if edges > EDGES:
            raise InvalidCandidate(
                f"matrix: {matrix!r} has {edges} edges on paths from input to output; the benchmark allows {EDGES}"
            )
        return _candidate(matrix, ops)

    def size(self) -> int:
        return sum(_MATRICES[vertices] * len(OPERATIONS) ** (vertices - 2) for vertices in range(2, self.vertices + 1))

    def graph(self, candidate: Candidate) -> Graph:
        return cell_graph(candidate.value["matrix"], candidate.value["ops"])

    def picture(self, candidate: Candidate) -> networkx.DiGraph:
        picture = networkx.DiGraph()
        for vertex, label in enumerate(candidate.value["ops"]):
            picture.add_node(vertex, label=label)
        matrix = candidate.value["matrix"]
        for row in range(len(matrix)):
            picture.add_edges_from((row, column, {"label": ""}) for column in range(len(matrix)) if matrix[row][column])
        return picture

    def describe(self, candidate: Candidate) -> str:
        rows = "/".join("".join(map(str, row)) for row in candidate.value["matrix"])
        return f"{rows} {' '.join(candidate.value['ops'][1:-1])}"


def _candidate(matrix: Sequence[Sequence[int]], ops: Sequence[str]) -> Candidate:
    return Candidate({"matrix": [[int(item) for item in row] for row in matrix], "ops": list(map(str, ops))})


def _valid(matrix: Sequence[Sequence[int]], ops: Sequence[str]) -> bool:
    found = pruned(matrix, ops)
    return found is not None and sum(map(sum, found[0])) <= EDGES


def _check_matrix(matrix: Any, size: int) -> None:
    rows_fit = isinstance(matrix, list | tuple) and len(matrix) == size
    if not rows_fit or any(not isinstance(row, list | tuple) or len(row) != size for row in matrix):
        raise InvalidCandidate(
            f"matrix: {shown(matrix)} must have {size} rows of {size} numbers, one for each operation"
        )
    for row in range(size):
        for column in range(size):
            item = plain(matrix[row][column])
            if isinstance(item, bool) or not isinstance(item, int | float) or item not in (0, 1):
                raise InvalidCandidate(f"matrix[{row}][{column}]: {item!r} is neither 0 nor 1")
            if item and column <= row:
                raise InvalidCandidate(f"matrix[{row}][{column}] is 1; the matrix must be upper triangular")
