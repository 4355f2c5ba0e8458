"""Other ways to write a model, each with the same function: every part of a kind replaced in place."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class EinsumLinear(nn.Module):
    """A linear layer as a sum over indices, its bias registered first."""

    def __init__(self, old: nn.Linear) -> None:
        super().__init__()
        self.register_parameter("bias", old.bias)
        self.weight = old.weight
        self.in_features, self.out_features = old.in_features, old.out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.einsum("...i,oi->...o", x, self.weight)
        return y if self.bias is None else self.bias + y


class WrittenLayerNorm(nn.Module):
    """Layer norm by its formula."""

    def __init__(self, old: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias = old.weight, old.bias
        self.eps, self.normalized_shape, self.axes = old.eps, old.normalized_shape, len(old.normalized_shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        over = tuple(range(-self.axes, 0))
        centred = x - x.mean(over, keepdim=True)
        y = centred / torch.sqrt((centred * centred).mean(over, keepdim=True) + self.eps)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias


class WrittenGELU(nn.Module):
    """GELU by its formula."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))


class WrittenSiLU(nn.Module):
    """SiLU by its formula."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / (1.0 + torch.exp(-x))


class WrittenReLU(nn.Module):
    """ReLU as a choice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, x, torch.zeros_like(x))


def _replaced(module: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> nn.Module | None:
    """Returns the module with what `make` gives instead of its parts; None where it gives nothing."""
    new: dict[nn.Module, nn.Module] = {}
    found = False
    for parent in list(module.modules()):
        for name, part in list(parent._modules.items()):
            if part is None:
                continue
            if part not in new:
                made = make(part)
                new[part] = part if made is None else made
            if new[part] is not part:
                parent._modules[name] = new[part]
                found = True
    return module if found else None


def _each(kind: type, make: Callable[[Any], nn.Module]) -> Callable[[nn.Module], nn.Module | None]:
    return lambda module: _replaced(module, lambda part: make(part) if type(part) is kind else None)


def _wrapped(module: nn.Module) -> nn.Module | None:
    curves = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.ReLU6, nn.Hardswish, nn.LeakyReLU)
    return _replaced(
        module,
        lambda part: nn.Sequential(nn.Identity(), part, nn.Dropout(0.0)) if type(part) in curves else None,
    )


def _activation(module: nn.Module) -> nn.Module | None:
    def make(part: nn.Module) -> nn.Module | None:
        if type(part) is nn.GELU and part.approximate == "none":
            return WrittenGELU()
        return {nn.SiLU: WrittenSiLU, nn.ReLU: WrittenReLU}.get(type(part), lambda: None)()

    return _replaced(module, make)


def _shuffled(module: nn.Module) -> nn.Module:
    """Registers everything in another order, but what is run in that order."""
    chance = random.Random(0)
    for part in module.modules():
        ordered = isinstance(part, nn.Sequential | nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict)
        held_by = [part._parameters, part._buffers] + ([] if ordered else [part._modules])
        for held in [] if ordered else held_by:
            items = list(held.items())
            chance.shuffle(items)
            held.clear()
            held.update(items)
    return module


def _channels_last(module: nn.Module) -> nn.Module | None:
    has = any(isinstance(part, nn.Conv2d) for part in module.modules())
    return module.to(memory_format=torch.channels_last) if has else None


REWRITINGS: dict[str, Callable[[nn.Module], nn.Module | None]] = {
    "linear layers by einsum": _each(nn.Linear, EinsumLinear),
    "layer norm by its formula": _each(nn.LayerNorm, WrittenLayerNorm),
    "another order of registration": _shuffled,
    "identities around activations": _wrapped,
    "activations by their formulas": _activation,
    "channels last": _channels_last,
}
