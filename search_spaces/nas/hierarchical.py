"""Cells made of cells: NAS-Bench-201's operations, composed by rules, in a small network for scikit-learn's digits.

The idea of cells that are made of smaller cells is that of Liu et al., ICLR 2018, *Hierarchical representations for
efficient architecture search* (1711.00436); the rules are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.behaviour import Graph
from automl.errors import InvalidInput
from automl.spaces.grammar import Grammar
from automl.spaces.grammar.compose import term_module, term_nodes
from automl.spaces.grammar.terms import operation_counts
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.digits_cells import frame_costs, framed
from search_spaces.nas.nasbench201 import OPERATIONS, PROBE

if TYPE_CHECKING:
    from torch import nn

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
PIXELS = 8 * 8


class HierarchicalCells(Grammar):
    """Space of cells made of cells: sequences, sums and residual connections of NAS-Bench-201's five operations.

    The network around the cell is that of `digits-cells`, for grey 8x8 images of ten classes. Many cells compute the
    same function: sums do not know their order, skips do nothing in a sequence, and whatever follows nothing is
    nothing.

    Args:
        depth: Largest number of rules inside rules; 4 gives cells of up to eight operations.
        channels: Number of channels after the stem.
        cells: Number of cells, all with the same operations.

    Example:
        >>> space = HierarchicalCells()
        >>> cell = space.decode("branch(residual(nor_conv_3x3), sequence(skip_connect, avg_pool_3x3))")
        >>> space.costs(cell)["parameters"]
        4922.0
    """

    equal_shares = (0.74, 0.28)

    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "digits", "epochs": 12, "learning_rate": 0.05},
        objective="accuracy",
        trials=160,
    )
    rules = {  # noqa: RUF012 - read only
        "cell": "sequence(cell, cell) | branch(cell, cell) | residual(cell) | operation",
        "operation": list(OPERATIONS),
    }
    operations = OPERATIONS

    def __init__(self, depth: int = 4, channels: int = 16, cells: int = 2) -> None:
        super().__init__(depth)
        for name, value in (("channels", channels), ("cells", cells)):
            if value < 1:
                raise InvalidInput(f"hierarchical-cells: {name} is {value!r}; it must be at least 1")
        self._channels, self._cells = channels, cells

    def settings(self) -> Mapping[str, Any]:
        return {"depth": self.depth, "channels": self._channels, "cells": self._cells}

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates of the whole network."""
        counts = operation_counts(self.term(candidate))
        size = {name: kernel * kernel * self._channels * self._channels for name, kernel in KERNELS.items()}
        norms = 2 * self._channels
        parameters = sum(counts[name] * (weights + norms) for name, weights in size.items())
        macs = sum(counts[name] * weights * PIXELS for name, weights in size.items())
        return frame_costs(self._channels, self._cells * parameters, self._cells * macs)

    def graph(self, candidate: Candidate) -> Graph:
        nodes, output = term_nodes(self.term(candidate))
        frame = {"network": "digits-cells", "channels": self._channels, "cells": self._cells}
        return Graph(nodes, (output,), frame=frame, module=lambda: self.build(candidate), probe=PROBE)

    def build(self, c: Candidate) -> nn.Module:
        """Returns the freshly initialised network: (batch, 1, 8, 8) images to (batch, 10) logits."""
        from search_spaces.nas.cells import edge_module

        term = self.term(c)
        cells = (term_module(term, lambda name: edge_module(name, self._channels)) for _ in range(self._cells))
        return framed(cells, self._channels)
