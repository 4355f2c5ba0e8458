"""Spaces of cells: a base class for spaces whose candidates are graphs of named operations."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from automl.behaviour import Behaviour, Graph
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    import networkx


class CellSpace(Space):
    """Base class of spaces whose candidates are graphs.

    A subclass defines how a candidate becomes a graph (`graph`) and, if it has no declared fields, how candidates are
    varied.

    Example:
        >>> import automl
        >>> from automl import Graph, Node, Probe
        >>> class Chain(CellSpace):
        ...     first = automl.Choice("relu", "abs")
        ...     second = automl.Choice("relu", "abs")
        ...     def graph(self, candidate):
        ...         nodes = Node("input"), Node(candidate.first, (0,)), Node(candidate.second, (1,))
        ...         return Graph(nodes, outputs=(2,), probe=Probe((automl.Array((4,)),)))
        >>> pairs = [{"first": one, "second": other} for one in ("relu", "abs") for other in ("relu", "abs")]
        >>> keys = {automl.functional_hash(Chain().behaviour(Chain().decode(pair))) for pair in pairs}
        >>> len(keys)  # four candidates, two functions
        2
    """

    @abstractmethod
    def graph(self, candidate: Candidate) -> Graph:
        """Returns the candidate's graph."""

    def behaviour(self, candidate: Candidate) -> Behaviour:
        return self.graph(candidate)

    def picture(self, candidate: Candidate) -> networkx.DiGraph | None:
        return graph_picture(self.graph(candidate))


def graph_picture(graph: Graph) -> Any:
    """Returns a graph as a `networkx.DiGraph` to draw: a node for each operation, an edge for each value that it reads.

    Example:
        >>> from automl.behaviour import Node
        >>> picture = graph_picture(Graph((Node("input"), Node("relu", (0,))), outputs=(1,)))
        >>> sorted(picture.nodes(data="label"))
        [(0, 'input'), (1, 'relu')]
    """
    import networkx

    picture = networkx.DiGraph()
    for number, node in enumerate(graph.nodes):
        picture.add_node(number, label=node.operation)
        picture.add_edges_from((source, number, {"label": ""}) for source in node.inputs)
    return picture
