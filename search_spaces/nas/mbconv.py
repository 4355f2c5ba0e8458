"""Networks of MobileNetV2's inverted residuals, with identity: the structure of NAS-Bench-Macro.

Source of the structure: Su et al., CVPR 2021 (arXiv 2103.11922); of the blocks: Sandler et al., CVPR 2018. A block that
is the identity can be left out, so candidates that differ in where their identities stand compute the same function:
of the 6,561 candidates of preset "macro", 3,969 differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array, Behaviour, Module, Probe
from automl.errors import InvalidCandidate, InvalidSpace, brief
from automl.registry import unknown
from automl.spaces.paths import PathSpace
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.trained import image_sizes

if TYPE_CHECKING:
    import torch
    from torch import nn

    from search_spaces.nas.shared import Piece

OPTIONS: tuple[tuple[int, int], ...] = ((0, 0), (3, 3), (6, 5))
"""Expansion and kernel of each choice; the first is the identity."""

_PRESETS = {"macro": ((64, 128, 256), (2, 3, 3))}


class MBConv(PathSpace):
    """Space of networks of inverted residual blocks, each of which may be the identity.

    A candidate is a text with one digit for each block: 0 is the identity (in the first block of a stage a 1x1
    convolution with stride 2 and batch norm), 1 an inverted residual with expansion 3 and kernel 3, 2 one with
    expansion 6 and kernel 5. Each stage is a block for supernets and ratings.

    Args:
        preset: "macro": a stem of 3x3 to 32 channels, then stages of 2, 3 and 3 blocks with 64, 128 and 256 channels,
            whose first block has stride 2; mean over the image; a linear layer.
        resolution: Height and width of the input images, for the multiply-accumulates. A search takes it from the task
            unless it is given.
        channels: Channels of the input images.
        classes: Number of classes.
        stem: Channels after the stem.
        widths: Channels of each stage; the preset's unless given.
        blocks: Number of blocks of each stage; the preset's unless given.

    Raises:
        InvalidSpace: an unknown preset, or a number below 1.

    Example:
        >>> space = MBConv()
        >>> space.size(), space.decode("12001022").value
        (6561, '12001022')
        >>> space.canonical(space.decode("12001022")).value  # the identity at the end of its stage
        '12010022'
    """

    equal_shares = (0.00, 0.03)

    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "fashion-mnist-6k-32", "epochs": 20},
        objective="accuracy",
        trials=100,
    )

    def __init__(
        self,
        preset: str = "macro",
        resolution: int = 32,
        channels: int = 1,
        classes: int = 10,
        stem: int = 32,
        widths: Sequence[int] | None = None,
        blocks: Sequence[int] | None = None,
    ) -> None:
        if preset not in _PRESETS:
            raise InvalidSpace(unknown("preset of mbconv", preset, _PRESETS))
        own_widths, own_blocks = _PRESETS[preset]
        self._preset, self._resolution, self._channels, self._classes = preset, resolution, channels, classes
        self._stem = stem
        self._widths = tuple(own_widths if widths is None else widths)
        self.lengths = tuple(own_blocks if blocks is None else blocks)
        for name, value in (("resolution", resolution), ("channels", channels), ("classes", classes), ("stem", stem)):
            if value < 1:
                raise InvalidSpace(f"mbconv: {name} is {value!r}; it must be at least 1")
        if len(self._widths) != len(self.lengths) or min((*self._widths, *self.lengths), default=0) < 1:
            raise InvalidSpace(
                f"mbconv: widths {list(self._widths)} and blocks {list(self.lengths)} do not fit; give one number of "
                "at least 1 of each for every stage"
            )

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return image_sizes(inputs, outputs)

    def settings(self) -> Mapping[str, Any]:
        return {
            "preset": self._preset,
            "resolution": self._resolution,
            "channels": self._channels,
            "classes": self._classes,
            "stem": self._stem,
            "widths": list(self._widths),
            "blocks": list(self.lengths),
        }

    def layers(self) -> Sequence[Sequence[str]]:
        return (tuple(map(str, range(len(OPTIONS)))),) * sum(self.lengths)

    def to_path(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, int) and not isinstance(value, bool):  # a table that took the digits for a number
            value = str(value).zfill(sum(self.lengths))
        if not isinstance(value, str):
            raise InvalidCandidate(
                f"{self.kind}: {brief(value)} is no text; give {sum(self.lengths)} digits from 0 to {len(OPTIONS) - 1}"
            )
        return tuple(value)

    def from_path(self, path: Sequence[str]) -> Candidate:
        return Candidate("".join(path))

    def describe(self, candidate: Candidate) -> str:
        return str(candidate.value)

    def canonical(self, candidate: Candidate) -> Candidate:
        """Returns the candidate of the same function whose identities stand at the ends of their stages."""
        found: list[str] = []
        for block in self.blocks(candidate):
            first, *rest = block.part
            kept = [choice for choice in rest if choice != "0"]
            found += [first, *kept, *"0" * (len(rest) - len(kept))]
        return self.from_path(found)

    # --- networks ----------------------------------------------------------------------------------------------------

    def build(self, c: Candidate) -> nn.Module:
        from search_spaces.nas.shared import alone

        return alone(_Plan(self, self._stem, self._widths), self.path(c))

    def supernet(self) -> nn.Module:
        from search_spaces.nas.shared import SharedNetwork

        return SharedNetwork(_Plan(self, self._stem, self._widths))

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network; hashed at widths of 4, 5, 6 … on the smallest image that every stage halves."""
        size = 2 ** (len(self._widths) + 1)
        widths = tuple(range(4, 4 + len(self._widths)))

        def reduced() -> nn.Module:
            from search_spaces.nas.shared import alone

            return alone(_Plan(self, 3, widths), self.path(candidate))

        probe = Probe((Array((self._channels, size, size)),))
        frame = {"stem": self._stem, "widths": list(self._widths), "resolution": self._resolution}
        return Module(build=lambda: self.build(candidate), probe=probe, reduced=reduced, frame=frame)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates of the stand-alone network, in closed form."""
        size = self._resolution
        parameters = 9 * self._channels * self._stem + 2 * self._stem
        macs = 9 * self._channels * self._stem * size**2
        before = self._stem
        for stage, block in enumerate(self.blocks(candidate)):
            after = self._widths[stage]
            for number, choice in enumerate(block.part):
                there = size**2
                if number == 0:
                    size = -(-size // 2)
                expansion, kernel = OPTIONS[int(choice)]
                here, inner = size**2, expansion * before
                if expansion:
                    parameters += before * inner + kernel**2 * inner + inner * after + 4 * inner + 2 * after
                    macs += before * inner * there + kernel**2 * inner * here + inner * after * here
                elif number == 0:
                    parameters += before * after + 2 * after
                    macs += before * after * here
                before = after
        return {
            "parameters": float(parameters + (before + 1) * self._classes),
            "macs": float(macs + before * self._classes),
        }


class _Plan:
    """The pieces of a network of some widths: see `search_spaces.nas.shared.Plan`."""

    def __init__(self, space: MBConv, stem: int, widths: tuple[int, ...]) -> None:
        self._space, self._stem, self._widths = space, stem, widths
        self.lengths, self.start, self.layers = space.lengths, space.start, space.layers
        self.state, self.follows = space.state, space.follows
        self._stages = [(stage, n == 0) for stage, length in enumerate(space.lengths) for n in range(length)]

    def stem(self) -> nn.Module:
        from torch import nn

        convolution = nn.Conv2d(self._space._channels, self._stem, 3, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(self._stem), nn.ReLU6())

    def head(self, state: str) -> nn.Module:
        from torch import nn

        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(self._widths[-1], self._space._classes))

    def channels_after(self, block: int, state: str) -> int:
        return self._widths[block]

    def pieces(self, layer: int, state: str, entry: str) -> Sequence[Piece]:
        from search_spaces.nas.mbconv_layers import block
        from search_spaces.nas.shared import Piece

        stage, first = self._stages[layer]
        after = self._widths[stage]
        before = after if not first else self._widths[stage - 1] if stage else self._stem
        expansion, kernel = OPTIONS[int(entry)]
        return [Piece(f"{layer}-{entry}", lambda: block(before, after, expansion, kernel, first))]

    def run(self, pieces: Sequence[nn.Module], x: torch.Tensor) -> torch.Tensor:
        return pieces[0](x)  # type: ignore[no-any-return]
