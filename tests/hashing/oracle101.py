"""Cells of NAS-Bench-101: all of them up to a size, and which compute the same function, by matching weights
explicitly.

Knows nothing of the hasher. A cell's output is the multiset of its concatenated parts, each with its slice of the
projected input. Every convolution and every slice of a projection has its own kernel.
"""

import itertools
from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F

OPS = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
TOLERANCE = 1e-8
CHANNELS = 2


def live(matrix):
    """The vertices on paths from input to output, or None."""
    size = len(matrix)
    reach = np.linalg.matrix_power(np.eye(size, dtype=int) + np.array(matrix), size) > 0
    return [v for v in range(size) if reach[0, v] and reach[v, size - 1]] if reach[0, size - 1] else None


def all_cells(vertices, edges=9):
    """Every labelled cell of exactly `vertices` vertices, all on paths from input to output."""
    pairs = [(row, column) for column in range(vertices) for row in range(column)]
    for bits in itertools.product((0, 1), repeat=len(pairs)):
        if sum(bits) > edges:
            continue
        matrix = [[0] * vertices for _ in range(vertices)]
        for (row, column), bit in zip(pairs, bits, strict=False):
            matrix[row][column] = bit
        if live(matrix) != list(range(vertices)):
            continue
        for ops in itertools.product(OPS, repeat=vertices - 2):
            yield matrix, ["input", *ops, "output"]


def graph_form(matrix, ops):
    """The smallest writing of a cell over all orders of its inner vertices: equal for isomorphic cells."""
    size = len(ops)
    forms = []
    for order in itertools.permutations(range(1, size - 1)):
        full = (0, *order, size - 1)
        bits = tuple(matrix[full[row]][full[column]] for column in range(size) for row in range(size))
        forms.append((tuple(ops[v] for v in full), bits))
    return min(forms)


class Oracle:
    def __init__(self):
        generator = torch.Generator().manual_seed(101)
        self.x = torch.randn(3, CHANNELS, 4, 4, generator=generator, dtype=torch.float64)
        self.kernels = {
            (size, number): torch.randn(CHANNELS, CHANNELS, size, size, generator=generator, dtype=torch.float64)
            for size in (1, 3)
            for number in range(16)
        }
        self.known = {}

    def value(self, expression):
        if expression not in self.known:
            self.known[expression] = self._run(expression)
        return self.known[expression]

    def _run(self, expression):
        what, *rest = expression
        if what == "x":
            return self.x
        if what == "sum":
            total = 0
            for term in rest:
                total = total + self.value(term)
            return total
        if what == "maxpool3x3":
            return F.max_pool2d(self.value(rest[0]), 3, 1, 1)
        number, inner = rest
        size = 1 if what == OPS[0] else 3
        found = F.conv2d(self.value(inner), self.kernels[size, number], padding=size // 2)
        return torch.relu(F.batch_norm(found, None, None, training=True, eps=1e-5))

    @staticmethod
    def slots(matrix, ops):
        """The names of all weights by kernel size: vertices, projections into vertices, projections into output
        parts.
        """
        last = len(ops) - 1
        ones = [("op", v) for v in range(1, last) if ops[v] == OPS[0]] + [
            ("in", v) for v in range(1, last) if matrix[0][v]
        ]
        parts = [v for v in range(1, last) if matrix[v][last]]
        if matrix[0][last]:
            ones += [("out", v) for v in parts or [0]]
        return ones, [("op", v) for v in range(1, last) if ops[v] == OPS[1]]

    def parts(self, matrix, ops, weights):
        """The expressions of the output's parts."""
        last = len(ops) - 1
        nodes = {}
        for vertex in range(1, last):
            terms = [(OPS[0], weights["in", vertex], ("x",))] if matrix[0][vertex] else []
            terms += [nodes[source] for source in range(1, vertex) if matrix[source][vertex]]
            total = terms[0] if len(terms) == 1 else ("sum", *sorted(terms, key=repr))
            nodes[vertex] = (
                (ops[vertex], total) if ops[vertex] == OPS[2] else (ops[vertex], weights["op", vertex], total)
            )
        found = [v for v in range(1, last) if matrix[v][last]]
        if not matrix[0][last]:
            return [nodes[v] for v in found]
        if not found:
            return [(OPS[0], weights["out", 0], ("x",))]
        return [("sum", nodes[v], (OPS[0], weights["out", v], ("x",))) for v in found]

    def output(self, matrix, ops, weights):
        """One number for each part, sorted: equal multisets of parts give equal numbers."""
        direction = torch.arange(self.x.numel(), dtype=torch.float64).sin()
        return sorted(float(self.value(part).reshape(-1) @ direction) for part in self.parts(matrix, ops, weights))


def close(one, other):
    return len(one) == len(other) and all(abs(a - b) < TOLERANCE for a, b in zip(one, other, strict=False))


def partition(cells):
    """Returns the class number of each cell. All weights of these pruned cells are live: nothing multiplies by zero."""
    oracle = Oracle()
    buckets = defaultdict(list)
    for number, (matrix, ops) in enumerate(cells):
        slots = oracle.slots(matrix, ops)
        shared = oracle.output(matrix, ops, defaultdict(int))
        # what comes out when one weight alone is another: whatever the matching, it pairs weights of equal effect
        effects = [
            {
                slot: tuple(round(item, 5) for item in oracle.output(matrix, ops, defaultdict(int, {slot: 1})))
                for slot in kind
            }
            for kind in slots
        ]
        mark = (tuple(round(item, 5) for item in shared), *(tuple(sorted(kind.values())) for kind in effects))
        buckets[mark].append((number, effects))
    classes = [-1] * len(cells)
    count = 0
    for bucket in buckets.values():
        leaders = []
        for number, effects in bucket:
            matrix, ops = cells[number]
            for leader, output in leaders:
                if any(close(oracle.output(matrix, ops, weights), output) for weights in _matchings(effects)):
                    classes[number] = leader
                    break
            else:
                classes[number] = count
                leaders.append((count, oracle.output(matrix, ops, next(_matchings(effects)))))
                count += 1
    return classes


def _matchings(effects):
    """Yields every numbering of the weights that goes up with their effect; those of equal effect in every order."""
    choices = []
    for kind in effects:
        ranked = sorted(kind, key=kind.get)
        ties = [list(tie) for _, tie in itertools.groupby(ranked, key=kind.get)]
        choices.append(
            [list(itertools.chain(*order)) for order in itertools.product(*map(itertools.permutations, ties))]
        )
    for orders in itertools.product(*choices):
        yield {slot: number for order in orders for number, slot in enumerate(order)}
