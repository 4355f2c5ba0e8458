"""Spaces of cells: a base class for spaces whose candidates are graphs of named operations."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from automl.behaviour import Behaviour, Graph
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    import networkx


class CellSpace(Space):
    """Base of spaces whose candidates are graphs. A subclass says how to read a candidate (`graph`) and how to vary
    one.
    """

    @abstractmethod
    def graph(self, candidate: Candidate) -> Graph:
        """Returns the candidate's graph."""

    def behaviour(self, candidate: Candidate) -> Behaviour:
        return self.graph(candidate)

    def picture(self, candidate: Candidate) -> networkx.DiGraph | None:
        return graph_picture(self.graph(candidate))


def graph_picture(graph: Graph) -> Any:
    """Returns a graph to draw: a node for each operation, an edge for each value that it reads."""
    import networkx

    picture = networkx.DiGraph()
    for number, node in enumerate(graph.nodes):
        picture.add_node(number, label=node.operation)
        picture.add_edges_from((source, number, {"label": ""}) for source in node.inputs)
    return picture
