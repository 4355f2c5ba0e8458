"""HyTra (Li et al., ICCV 2021, arXiv 2103.12424): hybrids of convolutions and attention, with searched down-sampling.

A candidate is a list of layers, such as `["conv2", "conv2", "att4"]`: operation and scale, by what the input's size is
divided by. From layer to layer the scale stays or halves; it never gets finer. There is no identity, so all candidates
are equally deep.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from automl.behaviour import Array, Behaviour, Module, Probe
from automl.errors import InvalidSpace
from automl.registry import unknown
from automl.spaces.paths import PathSpace
from automl.spaces.space import Candidate, Defaults

if TYPE_CHECKING:
    import torch
    from torch import nn

    from search_spaces.nas.shared import Piece

START = "start"
"""The state before the first layer, where that may be at any scale."""


@dataclass(frozen=True)
class Preset:
    """Settings of one size of HyTra; `scales` are what the input's size is divided by, `widths` their channels."""

    resolution: int
    channels: int
    classes: int
    stem: int
    kernel: int
    stride: int
    pool: bool
    scales: tuple[int, ...]
    widths: tuple[int, ...]
    operations: tuple[str, ...]
    blocks: tuple[int, ...]
    head: int
    anywhere: bool


IMAGES = {
    "mini": Preset(
        28, 1, 10, 16, 3, 2, False, (2, 4, 8), (16, 32, 64), ("conv", "att conv", "att conv"), (3, 3, 3), 8, False
    ),
    "imagenet": Preset(
        224, 3, 1000, 64, 7, 2, True,
        (4, 8, 16, 32), (256, 512, 1024, 2048), ("conv", "conv", "att conv", "att conv"), (4, 4, 4, 4), 64, True,
    ),
}  # fmt: skip
SEQUENCES = {
    "mini": Preset(
        40, 1, 10, 16, 3, 1, False, (1, 2, 4), (16, 24, 32), ("conv", "att conv", "att conv"), (3, 3, 3), 8, False
    )
}


class HyTra(PathSpace):
    """Space of hybrid networks for images: residual convolutions and attention at scales that only get coarser.

    Preset "mini" is for small grey images (28x28; the evaluator enlarges smaller ones): 3,587 networks of nine layers
    in three blocks, at sizes 14, 7 and 4. Preset "imagenet" is the paper's: 2,818,103 networks of 16 layers in four
    blocks, whose first layer may be at any scale.

    Args:
        preset: "mini" or "imagenet"; the other settings are the preset's unless given.
        resolution: Height and width of the input images.
        channels: Channels of the input images.
        classes: Number of classes.
        widths: Output channels at each scale, finest first.
        blocks: Number of layers of each block.
        halvings: Largest number of halvings from one layer to the next.
        available: For each block, how many scales it may use: so many of the coarsest; None lets all be used.

    Raises:
        InvalidSpace: an unknown preset, or numbers that do not fit it.

    Example:
        >>> space = HyTra()
        >>> space.size(), [space.block_space(1, entry).size() for entry in space.block_entries(1)]
        (3587, [35, 32, 8])
        >>> space.describe(space.decode(["conv2"] * 3 + ["conv4"] * 2 + ["att4", "att8"] + ["conv8"] * 2))
        'conv2 conv2 conv2 | conv4 conv4 att4 | att8 conv8 conv8'
        >>> HyTra(preset="imagenet").size()
        2818103
    """

    equal_shares = (0.00, 0.00)

    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={"task": "fashion-mnist-6k", "epochs": 20},
        objective="accuracy",
        trials=100,
    )
    presets: ClassVar[Mapping[str, Preset]] = IMAGES
    dims: ClassVar[int] = 2

    def __init__(
        self,
        preset: str = "mini",
        resolution: int | None = None,
        channels: int | None = None,
        classes: int | None = None,
        widths: Sequence[int] | None = None,
        blocks: Sequence[int] | None = None,
        halvings: int = 1,
        available: Sequence[int] | None = None,
    ) -> None:
        if preset not in self.presets:
            raise InvalidSpace(unknown(f"preset of {self.kind}", preset, self.presets))
        self._preset, self._halvings = preset, halvings
        of = self._of = self.presets[preset]
        self._resolution, self._channels, self._classes = (
            _whole(self.kind, name, given, least)
            for name, given, least in (
                ("resolution", of.resolution if resolution is None else resolution, of.scales[-1]),
                ("channels", of.channels if channels is None else channels, 1),
                ("classes", of.classes if classes is None else classes, 1),
            )
        )
        self._widths = tuple(of.widths if widths is None else widths)
        self.lengths = tuple(of.blocks if blocks is None else blocks)
        self._available = None if available is None else tuple(available)
        _whole(self.kind, "halvings", halvings, 1)
        if len(self._widths) != len(of.scales) or min(self._widths) < 4:
            raise InvalidSpace(
                f"{self.kind}(widths={list(self._widths)}): give {len(of.scales)} numbers of at least 4, "
                "one for each scale, finest first"
            )
        if not self.lengths or min(self.lengths) < 1:
            raise InvalidSpace(f"{self.kind}(blocks={list(self.lengths)}): give the number of layers of each block")
        if self._available is not None and (
            len(self._available) != len(self.lengths) or not set(self._available) <= set(range(1, len(of.scales) + 1))
        ):
            raise InvalidSpace(
                f"{self.kind}(available={list(self._available)}): give for each of the {len(self.lengths)} blocks how "
                f"many of the {len(of.scales)} scales it may use"
            )
        self.start = START if of.anywhere else ""
        self.image_size = self._resolution if self.dims == 2 else None

    def settings(self) -> Mapping[str, Any]:
        return {
            "preset": self._preset,
            "resolution": self._resolution,
            "channels": self._channels,
            "classes": self._classes,
            "widths": list(self._widths),
            "blocks": list(self.lengths),
            "halvings": self._halvings,
            "available": None if self._available is None else list(self._available),
        }

    # --- the rule of paths -------------------------------------------------------------------------------------------

    def layers(self) -> Sequence[Sequence[str]]:
        found, scales = [], list(zip(self._of.scales, self._of.operations, strict=True))
        for block, length in enumerate(self.lengths):
            use = len(scales) if self._available is None else self._available[block]
            entries = [f"{name}{scale}" for scale, names in scales[-use:] for name in names.split()]
            found += [entries] * length
        return found

    def state(self, entry: str) -> str:
        return "".join(filter(str.isdigit, entry))

    def follows(self, layer: int, state: str, entry: str) -> bool:
        place = self._place(self.state(entry))
        if state == START:
            return True
        step = place - self._place(state)
        return 0 <= step <= (self._halvings if layer or state else 0)

    def _place(self, state: str) -> int:
        """Returns the place of a scale, finest 0; that of the stem's output is 0."""
        return self._of.scales.index(int(state)) if state else 0

    def sizes(self) -> list[int]:
        """Returns the number of positions along one axis at each scale, finest first."""
        size = -(-self._resolution // self._of.stride)
        if self._of.pool:
            size = -(-size // 2)
        found = [size]
        for _ in self._of.scales[1:]:
            found.append(-(-found[-1] // 2))
        return found

    # --- networks ----------------------------------------------------------------------------------------------------

    def build(self, c: Candidate) -> nn.Module:
        from search_spaces.nas.shared import alone

        return alone(_Plan(self, self._widths, self._of.stem), self.path(c))

    def supernet(self) -> nn.Module:
        from search_spaces.nas.shared import SharedNetwork

        return SharedNetwork(_Plan(self, self._widths, self._of.stem))

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the network; hashed at widths of 8, 12, 16 …, on the smallest image that has every scale."""
        size = 2 * self._of.scales[-1]
        shape = (self._channels, size, size) if self.dims == 2 else (size,)
        widths = tuple(8 + 4 * place for place in range(len(self._widths)))

        def reduced() -> nn.Module:
            from search_spaces.nas.shared import alone

            return alone(_Plan(self, widths, 8), self.path(candidate))

        frame = {"preset": self._preset, "widths": list(self._widths), "resolution": self._resolution}
        probe = Probe((Array(shape),))
        return Module(build=lambda: self.build(candidate), probe=probe, reduced=reduced, frame=frame)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates of the stand-alone network, in closed form."""
        from search_spaces.nas.hytra_costs import costs

        return costs(self, self.path(candidate))


class HyTra1D(HyTra):
    """Space of hybrid networks for sequences, with the operations of `hytra` along one axis.

    Preset "mini" is for sequences of 40 numbers (the task `mnist-1d`): sizes 40, 20 and 10 with 16, 24 and 32 channels.

    Args:
        preset: "mini"; the other settings are the preset's unless given.
        resolution: Length of the input sequences.
        channels: Channels of the input sequences.
        classes: Number of classes.
        widths: Output channels at each scale, finest first.
        blocks: Number of layers of each block.
        halvings: Largest number of halvings from one layer to the next.
        available: For each block, how many scales it may use; None lets all be used.

    Example:
        >>> space = HyTra1D()
        >>> space.size(), space.sizes(), space.defaults.evaluator_settings["task"]
        (3587, [40, 20, 10], 'mnist-1d')
    """

    defaults = dataclasses.replace(HyTra.defaults, evaluator_settings={"task": "mnist-1d", "epochs": 20})
    presets: ClassVar[Mapping[str, Preset]] = SEQUENCES
    dims: ClassVar[int] = 1


class _Plan:
    """The pieces of a HyTra network of some widths: see `search_spaces.nas.shared.Plan`."""

    def __init__(self, space: HyTra, widths: tuple[int, ...], stem: int) -> None:
        self._space, self._widths, self._stem = space, widths, stem
        self.lengths, self.start, self.layers = space.lengths, space.start, space.layers
        self.state, self.follows = space.state, space.follows

    def stem(self) -> nn.Module:
        from search_spaces.nas import hytra_layers as parts

        of = self._space._of
        return parts.Stem(self._space.dims, self._space._channels, self._stem, of.kernel, of.stride, of.pool)

    def head(self, state: str) -> nn.Module:
        from search_spaces.nas import hytra_layers as parts

        return parts.head(self._space.dims, self._channels(state), self._space._classes)

    def channels_after(self, block: int, state: str) -> int:
        return self._channels(state)

    def _channels(self, state: str) -> int:
        return self._widths[self._space._place(state)] if state not in ("", START) else self._stem

    def pieces(self, layer: int, state: str, entry: str) -> Sequence[Piece]:
        from search_spaces.nas import hytra_layers as parts
        from search_spaces.nas.shared import Piece

        space, dims = self._space, self._space.dims
        place = space._place(space.state(entry))
        after = self._widths[place]
        inner = max(1, after // 4)
        heads = max(1, inner // space._of.head) if inner % max(1, inner // space._of.head) == 0 else 1
        operation = entry.removesuffix(space.state(entry))
        own = f"{layer}-{entry}"
        first: list[Piece] = []
        if state == START:
            stride, before = 1, inner
            first = [Piece(f"{own}-start", lambda: parts.Start(dims, self._stem, inner, 2**place))]
        else:
            stride, before = 2 ** max(0, place - space._place(state)), self._channels(state)
        reads = f"{own}-after{state or 'stem'}"
        return [
            *first,
            Piece(f"{reads}-shortcut", lambda: parts.shortcut(dims, before, after, stride)),
            Piece(f"{reads}-reduce", lambda: parts.reduce(dims, before, inner, stride)),
            Piece(f"{own}-mix", lambda: parts.mix(dims, operation, inner, heads)),
            Piece(f"{own}-expand", lambda: parts.expand(dims, inner, after)),
        ]

    def run(self, pieces: Sequence[nn.Module], x: torch.Tensor) -> torch.Tensor:
        *first, shortcut, reduce, mix, expand = pieces
        for one in first:
            x = one(x)
        return (shortcut(x) + expand(mix(reduce(x)))).relu()  # type: ignore[no-any-return]


def _whole(kind: str, name: str, given: Any, least: int) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise InvalidSpace(f"{kind}({name}={given!r}): give a whole number of at least {least}")
    return given
