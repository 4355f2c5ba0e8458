"""NAS-Bench-201 (Dong and Yang, ICLR 2020): cells of four nodes whose six edges each carry one of five operations.

A candidate's JSON is the benchmark's own string, such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|…|`: one group
for each of the nodes 1, 2, 3; in a group, for each earlier node, the operation on the edge from it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import networkx

from automl.behaviour import Array, Graph, Node, Probe
from automl.errors import InvalidCandidate
from automl.spaces.cells import CellSpace
from automl.spaces.fields import Choice
from automl.spaces.options import shown
from automl.spaces.space import Candidate, Defaults

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""In the order of the benchmark's own tables."""

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(node, earlier node) in the order of the string."""

PROBE = Probe(inputs=(Array((3, 4, 4)),))
"""What the cell is run on to be hashed: three channels of 4x4, a batch of two."""

_FIELDS = tuple(f"edge_{source}_{node}" for node, source in EDGES)

_TEXT = re.compile(
    r"\|([a-z_0-9]+)~0\|\+\|([a-z_0-9]+)~0\|([a-z_0-9]+)~1\|\+\|([a-z_0-9]+)~0\|([a-z_0-9]+)~1\|([a-z_0-9]+)~2\|"
)


def to_text(operations: tuple[str, ...]) -> str:
    """Returns the benchmark's string for six operations in the order of `EDGES`."""
    a, b, c, d, e, f = operations
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def from_text(text: Any) -> tuple[str, ...]:
    """Returns the six operations of a string, in the order of `EDGES`; white space in it says nothing.

    Raises:
        InvalidCandidate: it is not a string of this benchmark.
    """
    match = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if match is None and isinstance(text, str) and len(text) < 1000:
        match = _TEXT.fullmatch("".join(text.split()))  # however it is spaced
    if match is None:
        raise InvalidCandidate(
            f"{shown(text)} is no cell of NAS-Bench-201; write it like {to_text(('skip_connect',) * 6)!r}"
        )
    for name in match.groups():
        if name not in OPERATIONS:
            raise InvalidCandidate(f"{text!r}: {name!r} is no operation of NAS-Bench-201; they are {list(OPERATIONS)}")
    return match.groups()


_WIDTHS = (16, 32, 64)
# A stem, two residual blocks that halve the image and double the channels, a last batch norm and the classifier.
_FRAME_PARAMETERS = 464 + 14_464 + 57_600 + 128 + 650
_FRAME_MACS = 442_368 + 3_670_016 + 3_670_016 + 640


def parameters(candidate: Candidate, channels: int) -> int:
    """Returns how many parameters a cell has: those of its convolutions, without bias, and of their batch norms."""
    return _parameters(*_convolutions(candidate), channels)


def macs(candidate: Candidate, channels: int, pixels: int) -> int:
    """Returns the multiply-accumulates of a cell's convolutions on one image with so many pixels."""
    return _macs(*_convolutions(candidate), channels, pixels)


def _convolutions(candidate: Candidate) -> tuple[int, int]:
    """Returns numbers of a cell's 1x1 and 3x3 convolutions."""
    text: str = candidate.value
    return text.count("nor_conv_1x1"), text.count("nor_conv_3x3")


def _parameters(ones: int, threes: int, channels: int) -> int:
    return (ones * (channels + 2) + threes * (9 * channels + 2)) * channels  # a norm has two a channel


def _macs(ones: int, threes: int, channels: int, pixels: int) -> int:
    return (ones + 9 * threes) * channels * channels * pixels


@functools.cache  # one mapping for all cells of as many convolutions: a trial of each is recorded
def _network_costs(ones: int, threes: int) -> Mapping[str, float]:
    return {
        "parameters": float(_FRAME_PARAMETERS + sum(5 * _parameters(ones, threes, width) for width in _WIDTHS)),
        "macs": float(_FRAME_MACS + 15 * _macs(ones, threes, 16, 32 * 32)),  # as many at each width
    }


# Step 0 is the cell's input; the sum of node n stands behind the operations of its edges.
_SUMS = (0, 2, 5, 9)
_EDGE_NODES = tuple({name: Node(name, (_SUMS[source],)) for name in OPERATIONS} for _, source in EDGES)
_INPUT = Node("input")
_ADDS = (Node("add", (1,)), Node("add", (3, 4)), Node("add", (6, 7, 8)))


def cell_graph(operations: tuple[str, ...], **settings: Any) -> Graph:
    """Returns the graph of a cell; `settings` are those of `Graph` (frame, module)."""
    a, b, c, d, e, f = (nodes[name] for nodes, name in zip(_EDGE_NODES, operations, strict=True))
    return Graph((_INPUT, a, _ADDS[0], b, c, _ADDS[1], d, e, f, _ADDS[2]), (9,), probe=PROBE, **settings)


class NASBench201(CellSpace):
    """Space of the 15,625 cells of NAS-Bench-201, with 5,044 different functions.

    Each edge is a declared field, `edge_SOURCE_NODE`.

    Example:
        >>> space = NASBench201()
        >>> text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
        >>> space.size(), space.decode(text).value == text
        (15625, True)
    """

    equal_shares = (0.49, 0.19)

    defaults = Defaults(evaluator="nasbench201", evaluator_settings={"dataset": "cifar100"})

    edge_0_1 = Choice(*OPERATIONS)
    edge_0_2 = Choice(*OPERATIONS)
    edge_1_2 = Choice(*OPERATIONS)
    edge_0_3 = Choice(*OPERATIONS)
    edge_1_3 = Choice(*OPERATIONS)
    edge_2_3 = Choice(*OPERATIONS)

    def to_fields(self, candidate: Candidate) -> dict[str, str]:
        return dict(zip(_FIELDS, from_text(candidate.value), strict=True))

    def from_fields(self, values: Mapping[str, str]) -> Candidate:
        return Candidate(to_text(tuple(values[name] for name in _FIELDS)))

    def decode(self, value: Any) -> Candidate:
        return Candidate(to_text(from_text(value)))

    def graph(self, candidate: Candidate) -> Graph:
        return cell_graph(from_text(candidate.value))

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates of the benchmark's network for CIFAR-10.

        Five cells at each of 16, 32, 64 channels, on images of 32x32, 16x16, 8x8. The other data sets have more classes
        or smaller images, which changes every cell alike. The benchmark calls multiply-accumulates FLOPs.
        """
        return _network_costs(*_convolutions(candidate))

    def picture(self, candidate: Candidate) -> networkx.DiGraph:
        return cell_picture(from_text(candidate.value))

    def describe(self, candidate: Candidate) -> str:
        return str(candidate.value)


def cell_picture(operations: tuple[str, ...]) -> networkx.DiGraph:
    """Returns a cell to draw: four nodes, operations on the edges, without the edges that carry nothing."""
    picture = networkx.DiGraph()
    for node, label in enumerate(("in", "1", "2", "out")):
        picture.add_node(node, label=label)
    for (node, source), name in zip(EDGES, operations, strict=True):
        if name != "none":
            picture.add_edge(source, node, label=name)
    return picture
