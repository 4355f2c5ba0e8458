"""From a term to what it computes: the nodes of a graph, or a torch module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automl.behaviour import Node
from automl.spaces.grammar.terms import BRANCH, REPEAT, RESIDUAL, SEQUENCE, Term

if TYPE_CHECKING:
    from torch import nn


def term_nodes(term: Term) -> tuple[tuple[Node, ...], int]:
    """Returns the nodes of a term's graph, which begin with its input, and the number of the node of its value.

    Example:
        >>> nodes, output = term_nodes(Term("residual", (Term("relu"),)))
        >>> [(node.operation, node.inputs) for node in nodes], output
        ([('input', ()), ('relu', (0,)), ('add', (1, 0))], 2)
    """
    nodes = [Node("input")]

    def append(operation: str, *inputs: int) -> int:
        nodes.append(Node(operation, inputs))
        return len(nodes) - 1

    def apply(part: Term, source: int) -> int:
        if part.name == SEQUENCE:
            for inner in part.parts:
                source = apply(inner, source)
            return source
        if part.name == BRANCH:
            return append("add", *(apply(inner, source) for inner in part.parts))
        if part.name == RESIDUAL:
            return append("add", apply(part.parts[0], source), source)
        if part.name == REPEAT:
            for _ in range(part.times):
                source = apply(part.parts[0], source)
            return source
        return append(part.name, source)

    output = apply(term, 0)
    return tuple(nodes), output


def term_module(term: Term, operation: Callable[[str], nn.Module]) -> nn.Module:
    """Returns a freshly initialised module of a term. What is repeated has weights of its own each time.

    Args:
        term: What to build.
        operation: Function that returns a new module for the name of an operation.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> doubled = term_module(Term("residual", (Term("skip"),)), lambda name: nn.Identity())
        >>> doubled(torch.ones(2))
        tensor([2., 2.])
    """
    from torch import nn

    from automl.spaces.grammar.modules import Sum

    def build(part: Term) -> nn.Module:
        if part.name == SEQUENCE:
            return nn.Sequential(*map(build, part.parts))
        if part.name == BRANCH:
            return Sum(map(build, part.parts))
        if part.name == RESIDUAL:
            return Sum([build(part.parts[0]), nn.Identity()])
        if part.name == REPEAT:
            return nn.Sequential(*(build(part.parts[0]) for _ in range(part.times)))
        return operation(part.name)

    return build(term)
