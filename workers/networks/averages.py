"""A moving average of a network's weights, and the best weights so far: two networks beside the one that is trained."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from automl.errors import CandidateFailure


class Average:
    """Exponential moving average of all floating-point weights and buffers; the others are copied.

    Args:
        module: that is trained.
        decay: share of the old average that stays at each step; at most (1 + step) / (10 + step), so that the random
            initial weights are forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        try:
            self.module = copy.deepcopy(module)
        except Exception as error:  # a module raises what it likes
            raise CandidateFailure(f"ema: the network cannot be copied: {type(error).__name__}: {error}") from error
        self._decay, self._steps = decay, 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Takes the weights after a step into the average."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        mine, theirs = self.module.state_dict(), module.state_dict()
        seen: set[int] = set()
        for name, value in mine.items():
            if value.data_ptr() in seen and value.numel():
                continue  # tied weights are one tensor under two names
            seen.add(value.data_ptr())
            if value.is_floating_point():
                value.lerp_(theirs[name], 1 - decay)
            else:
                value.copy_(theirs[name])

    def state_dict(self) -> dict[str, Any]:
        return {"module": self.module.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["module"])
        self._steps = int(state["steps"])


@dataclass
class Patience:
    """The best epoch so far by a figure on held-out data, and whether it is time to stop.

    Attributes:
        epochs: epochs without a better figure after which to stop.
        larger: True if a larger figure is better.
        stopped: whether that has happened.
    """

    epochs: int
    larger: bool
    best: float | None = None
    since: int = 0
    stopped: bool = False
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def look(self, figure: float, module: nn.Module) -> None:
        """Takes the figure of another epoch, and keeps the weights where it is the best."""
        if self.best is None or self.best != self.best or (figure > self.best if self.larger else figure < self.best):
            self.best, self.since = figure, 0
            self.weights = {name: value.detach().clone() for name, value in module.state_dict().items()}
        else:
            self.since += 1
        self.stopped = self.since >= self.epochs

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "since": self.since, "stopped": self.stopped, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.since, self.stopped = state["best"], int(state["since"]), bool(state["stopped"])
        self.weights = dict(state["weights"])
