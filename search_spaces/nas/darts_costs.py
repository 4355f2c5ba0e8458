"""Parameters and multiply-accumulates of DARTS' networks, in closed form; without the auxiliary head, as in papers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.nas.genotypes import ALL_NODES


def costs(
    genotype: Mapping[str, Any], layers: int, channels: int, images: int, classes: int, resolution: int
) -> dict[str, float]:
    """Returns the costs of a network of these settings, see `darts_layers.Network`."""
    size = resolution
    parameters = 9 * images * 3 * channels + 2 * 3 * channels
    macs = 9 * images * 3 * channels * size**2
    before = (3 * channels, 3 * channels)
    width = channels
    for layer in range(layers):
        reduces = layer in (layers // 3, 2 * layers // 3)
        name = "reduce" if reduces else "normal"
        width *= 2 if reduces else 1
        parameters += sum(before) * width + 4 * width
        macs += sum(before) * width * size**2  # what the older cell gives is brought to this size
        size = -(-size // 2) if reduces else size
        for pair in genotype[name]:
            for operation, source in pair:
                stride = 2 if reduces and source < 2 else 1
                weights, work = _operation(operation, width, stride, size)
                parameters, macs = parameters + weights, macs + work
        before = before[1], len(genotype.get(f"{name}_concat", ALL_NODES)) * width
    return {"parameters": float(parameters + (before[1] + 1) * classes), "macs": float(macs + before[1] * classes)}


def _operation(name: str, width: int, stride: int, size: int) -> tuple[int, int]:
    """Returns the parameters of an edge, and its multiply-accumulates for an output of `size` squared pixels."""
    if name == "skip_connect":
        return (width**2 + 2 * width, width**2 * size**2) if stride == 2 else (0, 0)
    if "conv" not in name:
        return 0, 0
    kernel, times = int(name[-1]), 2 if name.startswith("sep") else 1
    weights = kernel**2 * width + width**2
    return times * (weights + 2 * width), times * weights * size**2
