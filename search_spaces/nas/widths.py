"""Widths of a fixed network: the size space of NATS-Bench (Dong et al. 2021), with slimmable shared weights.

The cell is fixed and the five widths are searched: 8^5 = 32,768 candidates. In the supernet a narrower layer uses the
first channels of the widest one's kernel, with a batch norm of its own (Yu et al., ICLR 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Behaviour, Module, Probe
from automl.errors import InvalidCandidate, InvalidSpace, brief
from automl.spaces.paths import PathSpace
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.trained import image_sizes

if TYPE_CHECKING:
    from torch import nn

LAYERS = 5


class Widths(PathSpace):
    """Space of the widths of five layers of a fixed network, written as "64:40:48:64:56".

    The network: a 3x3 convolution to the first width, a cell at full size, a residual block of stride 2 to the second
    width, a cell to the third, a residual block of stride 2 to the fourth, a cell to the fifth, a linear layer. Blocks
    for supernets and ratings are the widths 1 and 2, 3 and 4, and 5.

    Args:
        widths: The widths that each layer may have, in ascending order.
        resolution: Height and width of the input images, for the multiply-accumulates. A search takes it from the task
            unless it is given.
        channels: Channels of the input images.
        classes: Number of classes.

    Raises:
        InvalidSpace: widths that do not ascend, or a number below 1.

    Example:
        >>> space = Widths()
        >>> space.size(), space.decode("64:40:48:64:56").value
        (32768, '64:40:48:64:56')
        >>> [block.part for block in space.blocks(space.decode("64:40:48:64:56"))]
        [['64', '40'], ['48', '64'], ['56']]
    """

    equal_shares = (0.00, 0.00)

    lengths = (2, 2, 1)

    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "fashion-mnist-6k", "epochs": 20},
        objective="accuracy",
        trials=100,
    )

    def __init__(
        self,
        widths: Sequence[int] = (8, 16, 24, 32, 40, 48, 56, 64),
        resolution: int = 28,
        channels: int = 1,
        classes: int = 10,
    ) -> None:
        self._options = tuple(widths)
        if list(self._options) != sorted(set(self._options)) or not self._options or self._options[0] < 1:
            raise InvalidSpace(f"widths: {list(self._options)} must be whole numbers of at least 1 in ascending order")
        for name, value in (("resolution", resolution), ("channels", channels), ("classes", classes)):
            if value < 1:
                raise InvalidSpace(f"widths: {name} is {value!r}; it must be at least 1")
        self._resolution, self._channels, self._classes = resolution, channels, classes

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return image_sizes(inputs, outputs)

    def settings(self) -> Mapping[str, Any]:
        return {
            "widths": list(self._options),
            "resolution": self._resolution,
            "channels": self._channels,
            "classes": self._classes,
        }

    def layers(self) -> Sequence[Sequence[str]]:
        return (tuple(map(str, self._options)),) * LAYERS

    def state(self, entry: str) -> str:
        return entry

    def to_path(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, str):
            raise InvalidCandidate(f"{self.kind}: {brief(value)} is no text; write five widths as 64:40:48:64:56")
        return tuple(value.split(":"))

    def from_path(self, path: Sequence[str]) -> Candidate:
        return Candidate(":".join(path))

    def describe(self, candidate: Candidate) -> str:
        return str(candidate.value)

    def build(self, c: Candidate) -> nn.Module:
        from search_spaces.nas.widths_layers import Sized

        return Sized(self._channels, [int(width) for width in self.path(c)], self._classes)

    def supernet(self) -> nn.Module:
        from search_spaces.nas.widths_layers import Slimmable

        return Slimmable(self._channels, [self._options] * LAYERS, self._classes)

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network, hashed on images of 8x8; narrower ones by their places among the widths."""
        places = [2 + self._options.index(int(width)) for width in self.path(candidate)]

        def reduced() -> nn.Module:
            from search_spaces.nas.widths_layers import Sized

            return Sized(self._channels, places, self._classes)

        probe = Probe((Array((self._channels, 8, 8)),))
        frame = {"widths": list(self._options), "resolution": self._resolution}
        return Module(build=lambda: self.build(candidate), probe=probe, reduced=reduced, frame=frame)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates of the stand-alone network, in closed form."""
        c1, c2, c3, c4, c5 = (int(width) for width in self.path(candidate))
        sizes = [self._resolution, -(-self._resolution // 2), -(-self._resolution // 4)]
        whole, half, quarter = (size**2 for size in sizes)
        weights = 9 * self._channels * c1
        norms, macs = c1, weights * whole
        for before, after, positions in ((c1, c1, whole), (c2, c3, half), (c4, c5, quarter)):
            own = 18 * before * after + 27 * after**2 + (before * after if before != after else 0)
            weights, macs = weights + own, macs + own * positions
            norms += 5 * after + (after if before != after else 0)
        for before, after, positions in ((c1, c2, half), (c3, c4, quarter)):
            own = 9 * before * after + 9 * after**2 + before * after
            weights, macs, norms = weights + own, macs + own * positions, norms + 2 * after
        return {
            "parameters": float(weights + 2 * norms + 2 * c5 + (c5 + 1) * self._classes),
            "macs": float(macs + c5 * self._classes),
        }
