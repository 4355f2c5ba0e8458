"""Torch modules of transformers: attention, layers that norm their input first, rotary positions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

ROTARY_BASE = 10_000.0


def rotated(x: torch.Tensor) -> torch.Tensor:
    """Turns pairs of channels by angles that grow with the place (Su et al. 2021, arXiv 2104.09864).

    Args:
        x: queries or keys, (batch, heads, places, channels) with an even number of channels.
    """
    places, half = x.shape[-2], x.shape[-1] // 2
    speeds = ROTARY_BASE ** (-torch.arange(half, device=x.device, dtype=x.dtype) / half)
    angles = torch.arange(places, device=x.device, dtype=x.dtype)[:, None] * speeds
    one, other = x[..., :half], x[..., half:]
    return torch.cat((one * angles.cos() - other * angles.sin(), one * angles.sin() + other * angles.cos()), -1)


class Attention(nn.Module):
    """Self-attention of (batch, places, width) with heads of a size that does not depend on the width."""

    def __init__(self, width: int, heads: int, size: int, *, causal: bool = False, rotary: bool = False) -> None:
        super().__init__()
        self.heads, self.causal, self.rotary = heads, causal, rotary
        self.project = nn.Linear(width, 3 * heads * size)
        self.join = nn.Linear(heads * size, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, places = x.shape[:2]
        parts = self.project(x).reshape(batch, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts.unbind(0)
        if self.rotary:
            queries, keys = rotated(queries), rotated(keys)
        found = functional.scaled_dot_product_attention(queries, keys, values, is_causal=self.causal)
        return self.join(found.transpose(1, 2).reshape(batch, places, -1))  # type: ignore[no-any-return]


class Gated(nn.Module):
    """Linear layer whose one half is gated by an activation of the other (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, width: int, inner: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.linear, self.activation = nn.Linear(width, 2 * inner), activation()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = self.linear(x).chunk(2, -1)
        return value * self.activation(gate)  # type: ignore[no-any-return]


def feed_forward(width: int, inner: int, activation: str) -> list[nn.Module]:
    """Returns the modules between the second norm of a layer and its sum: "relu", "gelu", "reglu" or "swiglu"."""
    gates = {"reglu": nn.ReLU, "swiglu": nn.SiLU}
    if activation in gates:
        return [Gated(width, inner, gates[activation]), nn.Linear(inner, width)]
    return [nn.Linear(width, inner), nn.ReLU() if activation == "relu" else nn.GELU(), nn.Linear(inner, width)]


class Layer(nn.Module):
    """Layer of a transformer: attention, then a feed-forward part, each normed before and added to its input."""

    def __init__(
        self,
        width: int,
        attention: nn.Module,
        inner: int,
        activation: str = "gelu",
        dropout: float = 0.0,
        norm: Callable[[int], nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__()
        after = [nn.Dropout(dropout)] if dropout else []
        self.attend = nn.Sequential(norm(width), attention, *after)
        self.feed = nn.Sequential(norm(width), *feed_forward(width, inner, activation), *after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attend(x)
        return x + self.feed(x)  # type: ignore[no-any-return]


class Positions(nn.Module):
    """Adds a learned vector for each place."""

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.empty(places, width))
        nn.init.trunc_normal_(self.places, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.places[: x.shape[1]]
