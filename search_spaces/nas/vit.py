"""Vision transformers whose layers differ in heads and MLP ratio: the choices of AutoFormer.

Source of the choices: Chen et al., ICCV 2021 (arXiv 2107.00651); of the network: Dosovitskiy et al., ICLR 2021. Heads
have a fixed size, as in AutoFormer, so that their number is free of the width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Behaviour, Module
from automl.errors import InvalidSpace
from automl.spaces.fields import Choice, Repeat
from automl.spaces.orders import Ordinal
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.trained import TrainedNetwork, image_sizes
from search_spaces.nas.transformer_costs import LayerChoices, layer_costs

if TYPE_CHECKING:
    from torch import nn

HEAD = 16


class ViT(TrainedNetwork):
    """Space of vision transformers: patch, width, depth, and for each layer its heads and MLP ratio.

    The network: patches to `width` channels, a learned vector for each place, layers that norm their input first, a
    norm, the mean over all places, a linear layer.

    Args:
        resolution: Height and width of the images. A search takes it from the task unless it is given.
        channels: Channels of the images; likewise.
        classes: Number of classes; likewise.
        patches: Sizes of a patch to choose from; None takes those that leave 4 to 14 patches a side.
        widths: Widths to choose from.
        layers: Largest number of layers.
        recipe: Whether learning rate, weight decay and augmentation are fields.

    Raises:
        InvalidSpace: a number is below 1, or a patch does not divide the image.

    Example:
        >>> space = ViT(resolution=28, recipe=False)
        >>> small = space.decode({"patch": 7, "width": 32, "layers": [{"heads": 2, "ratio": 2}]})
        >>> space.describe(small), space.costs(small)["parameters"]
        ('patch 7, width 32: heads 2 ratio 2', 11050.0)
    """

    equal_shares = (0.00, 0.00)
    augments = True
    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "digits", "epochs": 20, "optimizer": "adamw"},
        trials=60,
    )

    def __init__(
        self,
        resolution: int = 8,
        channels: int = 1,
        classes: int = 10,
        patches: Sequence[int] | None = None,
        widths: Sequence[int] = (32, 48, 64),
        layers: int = 6,
        recipe: bool = True,
    ) -> None:
        super().__init__(recipe, resolution=resolution, channels=channels, classes=classes, layers=layers)
        fit = [size for size in range(1, resolution + 1) if resolution % size == 0 and 4 <= resolution // size <= 14]
        found = fit if patches is None else list(patches)
        if not found or any(not isinstance(size, int) or size < 1 or resolution % size for size in found):
            raise InvalidSpace(
                f"ViT(patches={patches!r}): give sizes that divide images of {resolution} pixels, such as "
                f"{[size for size in range(1, resolution + 1) if resolution % size == 0]}"
            )
        self._resolution, self._channels, self._classes = resolution, channels, classes
        self._patches, self._widths = found, list(widths)
        self.patch = Ordinal(*found) if len(found) > 1 else Choice(*found)
        self.width = Ordinal(*self._widths) if len(self._widths) > 1 else Choice(*self._widths)
        self.layers = Repeat(LayerChoices(), 1, layers)

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "patches": self._patches, "widths": self._widths}

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return image_sizes(inputs, outputs)

    def build(self, c: Candidate) -> nn.Module:
        return self._network(c, c.width, HEAD)

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network; hashed at widths from 4 up, with heads of two channels."""
        return Module(
            build=lambda: self.build(candidate),
            reduced=lambda: self._network(candidate, 4 + self._widths.index(candidate.width), 2),
            frame={"widths": self._widths, "head": HEAD},
        )

    def _network(self, c: Candidate, width: int, head: int) -> nn.Module:
        from torch import nn

        from search_spaces.nas.transformer_layers import Attention, Layer, Positions
        from search_spaces.nas.vit_layers import Mean, Patches

        layers = [Layer(width, Attention(width, layer.heads, head), layer.ratio * width) for layer in c.layers]
        return nn.Sequential(
            Patches(self._channels, width, c.patch),
            Positions((self._resolution // c.patch) ** 2, width),
            *layers,
            nn.LayerNorm(width),
            Mean(),
            nn.Linear(width, self._classes),
        )

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates, in closed form."""
        width, pixels = candidate.width, self._channels * candidate.patch**2
        places = (self._resolution // candidate.patch) ** 2
        parameters = (pixels + 1) * width + places * width + 2 * width + (width + 1) * self._classes
        macs = places * pixels * width + width * self._classes
        for layer in candidate.layers:
            own, work = layer_costs(width, layer.heads, HEAD, layer.ratio * width, places)
            parameters, macs = parameters + own, macs + work
        return {"parameters": float(parameters), "macs": float(macs)}

    def describe(self, candidate: Candidate) -> str:
        layers = ", ".join(f"heads {layer.heads} ratio {layer.ratio}" for layer in candidate.layers)
        return f"patch {candidate.patch}, width {candidate.width}: {layers}"
