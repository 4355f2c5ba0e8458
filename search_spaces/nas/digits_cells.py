"""NAS-Bench-201's cell in a small network for scikit-learn's digits: a real architecture search for two cores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.behaviour import Graph
from automl.errors import InvalidInput
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.nasbench201 import NASBench201, cell_graph, from_text, macs, parameters

if TYPE_CHECKING:
    import torch

INPUT_CHANNELS, PIXELS, CLASSES = 1, 8 * 8, 10


class DigitsCells(NASBench201):
    """Space of the 15,625 cells of NAS-Bench-201 between a stem and a head, for grey 8x8 images of ten classes.

    The network consists of a 1x1 convolution with batch norm to `channels` channels; `cells` equal cells; batch norm,
    ReLU, mean over the image, and a linear layer. Stem and head act on single pixels, so only the candidate's
    operations can combine neighbouring pixels. For this reason, and because training is short, fitness differs between
    architectures by much more than between seeds (measured by benchmarks/digits_signal.py).

    Args:
        channels: Number of channels after the stem.
        cells: Number of cells, all with the same operations.

    Example:
        >>> space = DigitsCells()
        >>> space.size(), space.defaults.evaluator
        (15625, 'classification')
    """

    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "digits", "epochs": 12, "learning_rate": 0.05},
        strategy="regularized_evolution",
        strategy_settings={"population": 24, "tournament": 12},
        objective="accuracy",
        trials=160,
    )

    def __init__(self, channels: int = 16, cells: int = 2) -> None:
        for name, value in (("channels", channels), ("cells", cells)):
            if value < 1:
                raise InvalidInput(f"digits-cells: {name} is {value!r}; it must be at least 1")
        self._channels, self._cells = channels, cells

    def settings(self) -> Mapping[str, Any]:
        return {"channels": self._channels, "cells": self._cells}

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates of the whole network."""
        stem = (INPUT_CHANNELS + 2) * self._channels
        head = 2 * self._channels + (self._channels + 1) * CLASSES
        outside = INPUT_CHANNELS * self._channels * PIXELS + self._channels * CLASSES
        return {
            "parameters": float(stem + self._cells * parameters(candidate, self._channels) + head),
            "macs": float(outside + self._cells * macs(candidate, self._channels, PIXELS)),
        }

    def graph(self, candidate: Candidate) -> Graph:
        operations = from_text(candidate.value)
        return cell_graph(
            operations,
            frame={"network": "digits-cells", **self.settings()},
            module=lambda: network(operations, self._channels, self._cells),
        )


def network(operations: tuple[str, ...], channels: int, cells: int) -> torch.nn.Module:
    """Returns the freshly initialised network around a cell: (batch, 1, 8, 8) images to (batch, 10) logits."""
    from torch import nn

    from search_spaces.nas.cells import cell_module

    return nn.Sequential(
        nn.Conv2d(INPUT_CHANNELS, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        *(cell_module(operations, channels) for _ in range(cells)),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, CLASSES),
    )
