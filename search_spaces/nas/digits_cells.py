"""NAS-Bench-201's cell in a small network for scikit-learn's digits: a real architecture search for two cores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from automl.behaviour import Graph
from automl.errors import InvalidInput
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.nasbench201 import OPERATIONS, NASBench201, cell_graph, from_text, macs, parameters, to_text

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

    scalable: ClassVar[tuple[str, ...]] = ("channels", "cells")
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
        return frame_costs(
            self._channels,
            self._cells * parameters(candidate, self._channels),
            self._cells * macs(candidate, self._channels, PIXELS),
        )

    def graph(self, candidate: Candidate) -> Graph:
        operations = from_text(candidate.value)
        return cell_graph(
            operations,
            frame={"network": "digits-cells", **self.settings()},
            module=lambda: network(operations, self._channels, self._cells),
        )

    def relaxed(self) -> torch.nn.Module:
        from search_spaces.nas.cells import RelaxedCell, RelaxedCells

        return RelaxedCells(framed((RelaxedCell(self._channels) for _ in range(self._cells)), self._channels))

    def from_weights(self, weights: Mapping[str, np.ndarray], rng: np.random.Generator | None = None) -> Candidate:
        chosen = [
            int(np.argmax(row)) if rng is None else int(rng.choice(len(row), p=row / row.sum()))
            for row in np.asarray(weights["cell"], dtype=float)
        ]
        return self.decode(to_text(tuple(OPERATIONS[option] for option in chosen)))

    def skips(self, candidate: Candidate) -> int:
        return from_text(candidate.value).count("skip_connect")


def frame_costs(channels: int, parameters: int, macs: int) -> Mapping[str, float]:
    """Returns the costs of the whole network, given those of all its cells together."""
    stem = (INPUT_CHANNELS + 2) * channels
    head = 2 * channels + (channels + 1) * CLASSES
    outside = INPUT_CHANNELS * channels * PIXELS + channels * CLASSES
    return {"parameters": float(stem + parameters + head), "macs": float(outside + macs)}


def network(operations: tuple[str, ...], channels: int, cells: int) -> torch.nn.Module:
    """Returns the freshly initialised network around a cell: (batch, 1, 8, 8) images to (batch, 10) logits."""
    from search_spaces.nas.cells import cell_module

    return framed((cell_module(operations, channels) for _ in range(cells)), channels)


def framed(cells: Iterable[torch.nn.Module], channels: int) -> torch.nn.Sequential:
    """Returns the network of a stem, cells and a head. The stem is made first, which fixes the order of draws."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(INPUT_CHANNELS, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        *cells,
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, CLASSES),
    )
