"""Parameters and multiply-accumulates of a transformer's layer, in closed form."""

from __future__ import annotations

from automl.spaces.fields import Integer
from automl.spaces.orders import Ordinal
from automl.spaces.space import Space


class LayerChoices(Space):
    """One layer of a transformer: heads, whose size is fixed, and how much wider its feed-forward part is."""

    heads = Integer(1, 4)
    ratio = Ordinal(1, 2, 3, 4)


def layer_costs(width: int, heads: int, size: int, inner: int, places: int, *, gated: bool = False) -> tuple[int, int]:
    """Returns parameters and multiply-accumulates of one layer on one example; norms have two numbers a channel.

    Args:
        width: channels of the layer's input and output.
        heads: of the attention.
        size: channels of a head.
        inner: channels inside the feed-forward part.
        places: positions of the example.
        gated: whether the feed-forward part has a gate, hence twice as many channels at first.
    """
    first = (2 if gated else 1) * inner
    matrices = 4 * width * heads * size + width * first + inner * width
    biases = 3 * heads * size + width + first + width
    return matrices + biases + 4 * width, places * matrices + 2 * places**2 * heads * size
