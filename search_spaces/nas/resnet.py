"""Residual networks of stages (He et al., CVPR 2016) whose depths, widths, kernels and kinds of block are searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Behaviour, Module
from automl.errors import InvalidSpace
from automl.spaces.fields import Choice, Integer
from automl.spaces.orders import Ordinal
from automl.spaces.space import Candidate, Defaults, Space
from search_spaces.nas.trained import TrainedNetwork, image_sizes

if TYPE_CHECKING:
    from torch import nn

SQUEEZE = 4
"""How much narrower the middle of a bottleneck is: as many input channels, its output has four times as many."""


class Stage(Space):
    """Blocks at one size of the image. A stage without blocks is left out, and halves nothing.

    Args:
        widths: Widths to choose from.
        blocks: Largest number of blocks.

    Example:
        >>> Stage((8, 16), 2).size()
        24
    """

    block = Choice("basic", "bottleneck")
    kernel = Choice(3, 5)

    def __init__(self, widths: Sequence[int], blocks: int) -> None:
        self.depth = Integer(0, blocks)
        self.width = Ordinal(*widths) if len(widths) > 1 else Choice(*widths)


class ResNet(TrainedNetwork):
    """Space of residual networks: a stem, and for each stage its number of blocks, width, kernel and kind of block.

    The stem is a 3x3 convolution with batch norm and ReLU. The first block of each stage but the first halves the
    image. Mean over the image and a linear layer end the network. What a stage without blocks says else changes
    nothing, so such candidates are one function.

    Args:
        channels: Channels of the images. A search takes it from the task unless it is given.
        classes: Number of classes; likewise.
        resolution: Height and width of the images, for the multiply-accumulates; likewise.
        widths: Widths to choose from, multiples of four.
        stages: Number of stages.
        blocks: Largest number of blocks in a stage.
        recipe: Whether learning rate, weight decay and augmentation are fields.

    Raises:
        InvalidSpace: a number is below 1, or a width is no multiple of four.

    Example:
        >>> space = ResNet(stages=1, blocks=1, widths=(8, 16), recipe=False)
        >>> space.size()
        32
        >>> stage = {"depth": 1, "width": 8, "block": "basic", "kernel": 3}
        >>> space.costs(space.decode({"stem": 8, "stage1": stage}))["parameters"]
        1362.0
    """

    equal_shares = (0.00, 0.21)
    augments = True
    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "digits", "epochs": 15, "optimizer": "adamw"},
        trials=60,
    )

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        resolution: int = 8,
        widths: Sequence[int] = (8, 16, 32, 64),
        stages: int = 3,
        blocks: int = 3,
        recipe: bool = True,
    ) -> None:
        super().__init__(
            recipe, channels=channels, classes=classes, resolution=resolution, stages=stages, blocks=blocks
        )
        if not widths or any(not isinstance(width, int) or width < SQUEEZE or width % SQUEEZE for width in widths):
            raise InvalidSpace(f"ResNet(widths={list(widths)}): give multiples of {SQUEEZE}, such as [8, 16, 32]")
        self._widths = list(widths)
        self.stem = Ordinal(*widths) if len(widths) > 1 else Choice(*widths)
        for number in range(1, stages + 1):
            setattr(self, f"stage{number}", Stage(widths, blocks))

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "widths": self._widths}

    def _stages(self, candidate: Candidate) -> list[tuple[int, int, int, int, bool]]:
        """Returns for each block its channels before and after, kernel, stride and whether it is a bottleneck."""
        found, before = [], candidate.stem
        for number in range(1, self._sizes["stages"] + 1):
            stage = getattr(candidate, f"stage{number}")
            for block in range(stage.depth):
                stride = 2 if number > 1 and block == 0 else 1
                found.append((before, stage.width, stage.kernel, stride, stage.block == "bottleneck"))
                before = stage.width
        return found

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return image_sizes(inputs, outputs)

    def build(self, c: Candidate) -> nn.Module:
        return self._network(c, {width: width for width in self._widths})

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network; hashed at widths of 4, 8, 12 and so on."""
        narrow = {width: SQUEEZE * (1 + place) for place, width in enumerate(sorted(self._widths))}
        return Module(
            build=lambda: self.build(candidate),
            reduced=lambda: self._network(candidate, narrow),
            frame={"widths": self._widths},
        )

    def _network(self, c: Candidate, widths: Mapping[int, int]) -> nn.Module:
        from torch import nn

        from search_spaces.nas.resnet_layers import Residual, convolution

        stem = widths[c.stem]
        found = [
            Residual(widths[before], widths[after], kernel, stride, widths[after] // SQUEEZE if bottleneck else 0)
            for before, after, kernel, stride, bottleneck in self._stages(c)
        ]
        last = widths[self._stages(c)[-1][1]] if found else stem
        return nn.Sequential(
            *convolution(self._sizes["channels"], stem, 3),
            nn.ReLU(),
            *found,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(last, self._sizes["classes"]),
        )

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates, in closed form."""
        size, last = self._sizes["resolution"], candidate.stem
        weights = 9 * self._sizes["channels"] * last
        norms, macs = last, weights * size**2
        for before, after, kernel, stride, bottleneck in self._stages(candidate):
            there, size = size, -(-size // stride)
            inner = after // SQUEEZE
            parts = (  # weights, channels of the norm, size
                [(before * inner, inner, there), (kernel**2 * inner**2, inner, size), (inner * after, after, size)]
                if bottleneck
                else [(kernel**2 * before * after, after, size), (kernel**2 * after**2, after, size)]
            )
            if stride > 1 or before != after:
                parts.append((before * after, after, size))
            weights += sum(own for own, _, _ in parts)
            norms += sum(channels for _, channels, _ in parts)
            macs += sum(own * at**2 for own, _, at in parts)
            last = after
        head = last * self._sizes["classes"]
        return {
            "parameters": float(weights + 2 * norms + head + self._sizes["classes"]),
            "macs": float(macs + head),
        }

    def describe(self, candidate: Candidate) -> str:
        stages = [getattr(candidate, f"stage{number}") for number in range(1, self._sizes["stages"] + 1)]
        text = [f"{one.depth} {one.block} x {one.width} of {one.kernel}" if one.depth else "-" for one in stages]
        return f"stem {candidate.stem} | {' | '.join(text)}"
