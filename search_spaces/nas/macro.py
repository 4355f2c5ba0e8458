"""A macro space: how many blocks each stage of a network has, and which. Identity blocks are allowed, so depth is
searched too.

Whoever deletes an identity block changes nothing: the key stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.behaviour import Behaviour, Module
from automl.errors import InvalidSpace
from automl.spaces.fields import Choice, Repeat
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    from torch import nn

BLOCKS = ("identity", "conv3x3", "conv5x5", "depthwise3x3", "residual3x3")


class MacroNet(Space):
    """Space of networks of stages with up to `blocks` blocks each. From stage to stage, size halves and width doubles.

    Args:
        channels: Number of channels of the input images.
        classes: Number of classes.
        width: Number of channels of the first stage.
        stages: Number of stages. Each but the first halves the size, so images must be at least 2 ** (stages - 1) wide.
        blocks: Largest number of blocks in a stage.

    Raises:
        InvalidSpace: a number is below 1.

    Example:
        >>> import numpy as np
        >>> space = MacroNet()
        >>> space.sample(np.random.default_rng(0)).value
        {'stage0': ['depthwise3x3', 'conv5x5', 'conv3x3', 'conv3x3'], 'stage1': [], 'stage2': []}
    """

    equal_shares = (0.02, 0.17)

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 16, stages: int = 3, blocks: int = 4) -> None:
        for name, value in (
            ("channels", channels),
            ("classes", classes),
            ("width", width),
            ("stages", stages),
            ("blocks", blocks),
        ):
            if value < 1:
                raise InvalidSpace(f"MacroNet({name}={value}): give a whole number of at least 1")
        self.channels, self.classes, self.width = channels, classes, width
        self.stages, self._blocks = stages, blocks
        for stage in range(stages):
            setattr(self, f"stage{stage}", Repeat(Choice(*BLOCKS), 0, blocks))

    def settings(self) -> Mapping[str, Any]:
        names = ("channels", "classes", "width", "stages")
        return {**{name: getattr(self, name) for name in names}, "blocks": self._blocks}

    def build(self, c: Candidate) -> nn.Module:
        return self._network(c, self.width)

    def behaviour(self, candidate: Candidate) -> Behaviour:
        # a quarter of the width hashes alike: the width is the space's, the same for all candidates
        reduced = max(4, self.width // 4)
        return Module(
            build=lambda: self.build(candidate),
            reduced=(lambda: self._network(candidate, reduced)) if reduced < self.width else None,
            frame={"width": self.width},
        )

    def describe(self, candidate: Candidate) -> str:
        return " | ".join(" ".join(candidate.value[f"stage{stage}"]) or "-" for stage in range(self.stages))

    def _network(self, c: Candidate, width: int) -> nn.Module:
        from torch import nn

        layers: list[nn.Module] = [nn.Conv2d(self.channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        for stage in range(self.stages):
            if stage:
                layers += [nn.Conv2d(width, 2 * width, 2, stride=2, bias=False), nn.BatchNorm2d(2 * width)]
                width *= 2
            layers += [_block(name, width) for name in getattr(c, f"stage{stage}")]
        return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, self.classes))


def _block(name: str, width: int) -> nn.Module:
    """Returns a block that keeps shape: ReLU, convolution, batch norm; a residual one adds its input."""
    from torch import nn

    if name == "identity":
        return nn.Identity()
    if name == "residual3x3":
        return _residual(_block("conv3x3", width))
    kernel = 5 if name == "conv5x5" else 3
    groups = width if name == "depthwise3x3" else 1
    convolution = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(width))


def _residual(block: nn.Module) -> nn.Module:
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = block

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.block(x)  # type: ignore[no-any-return]

    return Residual()
