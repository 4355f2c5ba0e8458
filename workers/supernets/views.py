"""Views of examples: what a label would not change. Each call draws anew from the generator that it is given."""

from __future__ import annotations

import torch


def view(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Returns one view of each example.

    Images are moved by up to an eighth of their size, mirrored, and changed in brightness and contrast. Sequences of
    shape (batch, positions) are moved and turned round their end by up to a fifth, scaled, sheared, and get noise.

    Args:
        x: real inputs, (batch, channels, height, width) or (batch, positions).
        generator: on the CPU.
    """
    return _sequences(x, generator) if x.ndim == 2 else _images(x, generator)


def _images(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    n, _, height, width = x.shape
    margin = max(1, min(height, width) // 8)
    padded = torch.nn.functional.pad(x, (margin,) * 4)
    moved = torch.randint(0, 2 * margin + 1, (2, n), generator=generator).to(x.device)
    rows = moved[0][:, None] + torch.arange(height, device=x.device)
    columns = moved[1][:, None] + torch.arange(width, device=x.device)
    mirrored = (torch.rand(n, generator=generator) < 0.5).to(x.device)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    each = torch.arange(n, device=x.device)[:, None, None]
    cut = padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    changed = torch.rand((2, n, 1, 1, 1), generator=generator).to(x.device)
    mean = cut.mean((1, 2, 3), keepdim=True)
    return (cut - mean) * (0.6 + 0.8 * changed[0]) + mean * (0.6 + 0.8 * changed[1])


def _sequences(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    n, length = x.shape
    most = max(1, length // 5)
    moved = torch.randint(-most, most + 1, (n, 1), generator=generator).to(x.device)
    places = (torch.arange(length, device=x.device) + moved) % length
    drawn = torch.rand((2, n, 1), generator=generator).to(x.device)
    noise = torch.randn((n, length), generator=generator).to(x.device)
    ramp = torch.linspace(-0.5, 0.5, length, device=x.device)
    return x.gather(1, places) * (0.8 + 0.4 * drawn[0]) + (drawn[1] - 0.5) * ramp + 0.1 * noise


def fixed_pair(x: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns two views of each example that depend on the seed alone: the same for all paths, workers and days."""
    generator = torch.Generator().manual_seed(seed)
    return view(x, generator), view(x, generator)
