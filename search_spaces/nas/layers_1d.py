"""Chains of primitive layers for sequences: convolutions, norms, activations and pools, each a layer of its own.

What a chain computes depends on the order of its layers and on little else, so most candidates are poor and few are
good: a space to search in for a minute. The form is the chain-structured one of Elsken et al., JMLR 2019, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Graph, Node, Probe
from automl.errors import InvalidSpace
from automl.spaces.cells import CellSpace
from automl.spaces.fields import Choice, Repeat
from automl.spaces.space import Candidate, Defaults

if TYPE_CHECKING:
    from torch import nn

LAYERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "identity": ("identity", {}),
    "conv": ("convolution", {"kernel": 3}),
    "dilated_conv": ("convolution", {"kernel": 3, "dilation": 2}),
    "norm": ("batch_norm", {}),
    "relu": ("relu", {}),
    "tanh": ("tanh", {}),
    "max_pool": ("max_pool", {"kernel": 3, "stride": 2}),
    "average_pool": ("average_pool", {"kernel": 3, "stride": 2}),
}
"""Each layer as an operation of graphs with its settings. A sequence is an image of height 1 there."""

POSITIONS, CLASSES = 40, 10

PROBE = Probe((Array((3, 1, POSITIONS)),))
"""What a chain is hashed on: three channels at all positions. On fewer, pools would leave one position sooner than in
the network, and further pools would look like identities."""


class Layers1D(CellSpace):
    """Space of chains of ten primitive layers, for sequences of 40 numbers and ten classes (the task `mnist-1d`).

    The network: a 1x1 convolution to `channels` channels, the layers in their order, the mean over all positions, a
    linear layer. A convolution has a window of three positions, keeps the number of channels and has no bias; a pool
    halves the positions. Stem and head act on single positions, so only the candidate's layers can combine neighbours.

    Many chains compute one function: an identity may stand anywhere, a ReLU of a ReLU is one, and activations may
    change places with a max pool, since they rise.

    Args:
        channels: Number of channels after the stem.
        depth: Number of layers.

    Raises:
        InvalidSpace: a number is below 1.

    Example:
        >>> space = Layers1D(depth=4)
        >>> one, other = (space.decode({"layers": text.split()}) for text in (
        ...     "conv relu max_pool norm", "conv max_pool relu norm"))
        >>> import automl
        >>> automl.functional_hash(space.behaviour(one)) == automl.functional_hash(space.behaviour(other))
        True
        >>> space.size(), space.costs(one)["parameters"]
        (4096, 1002.0)
    """

    equal_shares = (0.00, 0.05)

    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={
            "task": "mnist-1d",
            "epochs": 2,
            "optimizer": "adamw",
            "learning_rate": 0.02,
            "optimizer_settings": {"fused": True},
        },
        strategy="surrogate",
        strategy_settings={"hashed": 40},
        trials=40,
        window=1,
    )

    def __init__(self, channels: int = 16, depth: int = 10) -> None:
        for name, value in (("channels", channels), ("depth", depth)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidSpace(f"layers-1d: {name} is {value!r}; it must be a whole number of at least 1")
        self._channels, self._depth = channels, depth
        self.layers = Repeat(Choice(*LAYERS), depth, depth)

    def settings(self) -> Mapping[str, Any]:
        return {"channels": self._channels, "depth": self._depth}

    def graph(self, candidate: Candidate) -> Graph:
        nodes = [Node("input")]
        for name in candidate.layers:
            operation, settings = LAYERS[name]
            nodes.append(Node(operation, (len(nodes) - 1,), tuple(sorted(settings.items()))))
        return Graph(
            tuple(nodes),
            (len(nodes) - 1,),
            frame={"network": "layers-1d", "channels": self._channels},
            module=lambda: self.build(candidate),
            probe=PROBE,
        )

    def build(self, c: Candidate) -> nn.Module:
        """Returns the freshly initialised network: (batch, 40) sequences to (batch, 10) logits."""
        from search_spaces.nas.layers_1d_modules import network

        return network(c.layers, self._channels, CLASSES)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates of the network, in closed form."""
        channels, positions = self._channels, POSITIONS
        parameters = 2 * channels + (channels + 1) * CLASSES
        macs = channels * POSITIONS + channels * CLASSES
        for name in candidate.layers:
            if name.endswith("conv"):
                parameters += 3 * channels * channels
                macs += 3 * channels * channels * positions
            elif name.endswith("pool"):
                positions = -(-positions // 2)
            elif name == "norm":
                parameters += 2 * channels
        return {"parameters": float(parameters), "macs": float(macs)}

    def describe(self, candidate: Candidate) -> str:
        return " ".join(name for name in candidate.layers if name != "identity") or "nothing"
