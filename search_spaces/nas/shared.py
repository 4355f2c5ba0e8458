"""Networks of a space of paths: one with its own weights, and one whose weights all paths share.

A layer is made of pieces. A piece has a name, under which all paths that use it share its weights in a supernet, and a
function that makes it; a network that stands alone makes each of its pieces anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn


class Piece(NamedTuple):
    """Part of a layer: its name among the shared weights, without dots, and the function that makes its module."""

    name: str
    make: Callable[[], nn.Module]


class Plan(Protocol):
    """What a network of paths must know of its space."""

    @property
    def lengths(self) -> tuple[int, ...]: ...
    @property
    def start(self) -> str: ...
    def layers(self) -> Sequence[Sequence[str]]: ...
    def state(self, entry: str) -> str: ...
    def follows(self, layer: int, state: str, entry: str) -> bool: ...
    def stem(self) -> nn.Module: ...
    def head(self, state: str) -> nn.Module: ...
    def pieces(self, layer: int, state: str, entry: str) -> Sequence[Piece]: ...
    def run(self, pieces: Sequence[nn.Module], x: torch.Tensor) -> torch.Tensor: ...
    def channels_after(self, block: int, state: str) -> int: ...


class Layer(nn.Module):
    """One layer of a network that stands alone."""

    def __init__(self, plan: Plan, layer: int, state: str, entry: str) -> None:
        super().__init__()
        self.pieces = nn.ModuleList(piece.make() for piece in plan.pieces(layer, state, entry))
        self._run = plan.run

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._run(list(self.pieces), x)


def alone(plan: Plan, path: Sequence[str]) -> nn.Module:
    """Returns the freshly initialised network of one path: images to logits."""
    layers, state = [], plan.start
    for number, entry in enumerate(path):
        layers.append(Layer(plan, number, state, entry))
        state = plan.state(entry)
    return nn.Sequential(plan.stem(), *layers, plan.head(state))


class SharedNetwork(nn.Module):
    """The supernet of a space of paths: see `automl.spaces.blocks.Supernet`."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._state, self._run, self._channels = plan.state, plan.run, plan.channels_after
        self._names: dict[tuple[int, str, str], list[str]] = {}
        self._begins = [sum(plan.lengths[:index]) for index in range(len(plan.lengths))]
        self.blocks = nn.ModuleList()
        layers, states, number = plan.layers(), {plan.start}, 0
        for index, length in enumerate(plan.lengths):
            block = nn.ModuleDict({"stem": plan.stem()} if index == 0 else {})
            for _ in range(length):
                reached = set()
                for state in sorted(states):
                    for entry in layers[number]:
                        if plan.follows(number, state, entry):
                            self._names[number, state, entry] = self._added(block, plan.pieces(number, state, entry))
                            reached.add(plan.state(entry))
                states, number = reached, number + 1
            self.blocks.append(block)
        self.heads = nn.ModuleDict({state or "end": plan.head(state) for state in sorted(states)})

    def _added(self, block: nn.ModuleDict, pieces: Sequence[Piece]) -> list[str]:
        for piece in pieces:
            if piece.name not in block:
                block[piece.name] = piece.make()
        return [piece.name for piece in pieces]

    def _steps(self, index: int, entry: str, part: Any) -> list[list[str]]:
        state, found = entry, []
        for number, name in enumerate(part, self._begins[index]):
            found.append(self._names[number, state, name])
            state = self._state(name)
        return found

    def block(self, index: int, entry: str, part: Any, x: torch.Tensor) -> torch.Tensor:
        held: Any = self.blocks[index]
        if index == 0:
            x = held["stem"](x)
        for names in self._steps(index, entry, part):
            x = self._run([held[name] for name in names], x)
        return x

    def channels(self, index: int, state: str) -> int:
        return self._channels(index, state)

    def classify(self, state: str, x: torch.Tensor) -> torch.Tensor:
        return self.heads[state or "end"](x)  # type: ignore[no-any-return]

    def used(self, index: int, entry: str, part: Any) -> Sequence[str]:
        names = ["stem"] if index == 0 else []
        names += [name for step in self._steps(index, entry, part) for name in step]
        held: Any = self.blocks[index]
        return [f"blocks.{index}.{name}.{inner}" for name in names for inner, _ in held[name].named_parameters()]
