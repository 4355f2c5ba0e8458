"""Parameters and multiply-accumulates of HyTra networks in closed form, layer by layer.

Convolutions, projections and the two products of attention count; norms, activations, sums and pooling count 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from search_spaces.nas.hytra import HyTra


def costs(space: HyTra, path: Sequence[str]) -> dict[str, float]:
    """Returns the parameters and multiply-accumulates of the network of a path."""
    of, dims, widths = space._of, space.dims, space._widths
    positions = [size**dims for size in space.sizes()]
    kernel, stem, channels = of.kernel**dims, of.stem, space._channels
    parameters = kernel * channels * stem + 2 * stem
    macs = kernel * channels * stem * (-(-space._resolution // of.stride)) ** dims
    state = space.start
    for entry in path:
        place = space._place(space.state(entry))
        after, here = widths[place], positions[place]
        inner = max(1, after // 4)
        before, there = stem, here
        if state == "start":
            parameters += (2**place) ** dims * stem + stem * inner + 2 * inner
            macs += ((2**place) ** dims * stem + stem * inner) * here
            before = inner
        elif state:
            before, there = widths[space._place(state)], positions[space._place(state)]
        attends = not entry.startswith("conv")
        if before != after or (state not in ("", "start") and state != space.state(entry)):
            parameters += before * after + 2 * after
            macs += before * after * here
        # to the bottleneck at the scale before, the depthwise convolution with its bias, and a norm
        middle = 3 * inner**2 if attends else 3**dims * inner**2
        parameters += (
            before * inner + (3**dims + 1) * inner + 2 * inner + middle + 2 * inner + inner * after + 2 * after
        )
        macs += before * inner * there + 3**dims * inner * here + middle * here + inner * after * here
        if attends:
            macs += 2 * here * here * inner
        state = space.state(entry)
    last = widths[space._place(state)]
    return {
        "parameters": float(parameters + (last + 1) * space._classes),
        "macs": float(macs + last * space._classes),
    }
