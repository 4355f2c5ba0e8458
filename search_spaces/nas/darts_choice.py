"""From the weights of DARTS' relaxed edges to a genotype: the two strongest inputs of each node, one operation each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from search_spaces.nas.genotypes import CELLS, NODES, NONE, OPERATIONS

OPTIONS = (NONE, *OPERATIONS)
"""What an edge of the relaxed network sums up. That it carries nothing is an option there, and none of a genotype."""

SOURCES = tuple((node, source) for node in range(NODES) for source in range(node + 2))
"""Node and input of each edge of the relaxed network."""


def genotype_of(weights: Mapping[str, np.ndarray], rng: np.random.Generator | None = None) -> dict[str, Any]:
    """Returns a genotype by the weights of a relaxed network.

    The largest weights give each node its two strongest edges, an edge being as strong as its strongest operation but
    "none" (the rule of the paper). Drawn, a node takes two edges in proportion to their weights without "none", and an
    operation in proportion to its weight.

    Args:
        weights: for each kind of cell, (edges, options).
        rng: draws; None takes the largest.

    Example:
        >>> weights = np.full((14, 8), 0.1)
        >>> weights[1:3, 4] = 0.3  # the first node's second edge, and the second node's first one
        >>> genotype_of({"normal": weights, "reduce": weights})["normal"][:2]
        [[['sep_conv_3x3', 1], ['max_pool_3x3', 0]], [['sep_conv_3x3', 0], ['max_pool_3x3', 1]]]
    """
    return {name: [_node(np.asarray(weights[name], dtype=float), node, rng) for node in range(NODES)] for name in CELLS}


def _node(weights: np.ndarray, node: int, rng: np.random.Generator | None) -> list[list[Any]]:
    first = SOURCES.index((node, 0))
    shares = weights[first : first + node + 2, 1:]
    if rng is None:
        edges = np.argsort(-shares.max(1), kind="stable")[:2]
        return [[OPERATIONS[int(np.argmax(shares[edge]))], int(edge)] for edge in edges]
    strength = shares.sum(1)
    edges = rng.choice(len(strength), size=2, replace=False, p=strength / strength.sum())
    return [
        [OPERATIONS[int(rng.choice(len(OPERATIONS), p=shares[edge] / shares[edge].sum()))], int(edge)] for edge in edges
    ]
