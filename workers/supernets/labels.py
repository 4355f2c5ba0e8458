"""Single-path training of the whole network: with labels (Guo et al. 2020, SPOS) or with random ones (Zhang et al.
2021, RLNAS).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workers.supernets.norms import batches_of, recalibrate
from workers.supernets.paths import step_paths
from workers.supernets.settings import SupernetSettings

if TYPE_CHECKING:
    from automl.spaces.blocks import Block
    from automl.spaces.paths import PathSpace
    from workers.networks.batches import ArrayPart

_LABEL_SEED = 20210111


class Labelled:
    """The objective: cross-entropy of a few paths a step, see `workers.supernets.loop.Objective`.

    Args:
        space: a space with blocks.
        settings: of the training; "random_labels" draws the labels at random, once, and rates by how far the weights
            have turned.
        train: training part: inputs and targets.
    """

    stages = 1
    clip: float | None = None

    def __init__(self, space: PathSpace, settings: SupernetSettings, train: ArrayPart) -> None:
        self.space, self.settings = space, settings
        self.module: nn.Module = space.supernet()
        self._net: Any = self.module
        self.random = settings.trainer == "random_labels"
        self.start = {name: one.detach().clone() for name, one in self.module.named_parameters()} if self.random else {}
        self._batches = batches_of(train[0], settings.calibration)
        classes = int(train[1].max()) + 1
        drawn = torch.Generator().manual_seed(_LABEL_SEED)
        self._labels = torch.randint(classes, (len(train[1]),), generator=drawn) if self.random else train[1]

    def begin(self, stage: int) -> list[nn.Parameter]:
        self.module.requires_grad_(True).train()
        return list(self.module.parameters())

    def loss(
        self, stage: int, inputs: torch.Tensor, targets: torch.Tensor, rng: np.random.Generator, views: torch.Generator
    ) -> torch.Tensor:
        """Returns the sum over the paths of a step of their mean cross-entropy."""
        total = inputs.new_zeros(())
        for path in step_paths(self.space, self.settings.paths, rng):
            logits = self.logits(self.space.blocks(self.space.from_path(path)), inputs)
            total = total + functional.cross_entropy(logits, targets)
        return total

    def labels(self, targets: torch.Tensor) -> torch.Tensor:
        """Returns what is learned for the whole training part: its targets, or labels drawn once."""
        return self._labels.to(targets.device)

    def after(self, stage: int, share: float) -> None:
        """Nothing follows."""

    def figures(self) -> dict[str, float]:
        return {}

    def over(self) -> bool:
        return False

    def finish(self, stage: int) -> None:
        self.module.requires_grad_(False)

    def facts(self) -> dict[str, Any]:
        return {}

    def tensors(self) -> dict[str, torch.Tensor]:
        return {f"start.{name}": one for name, one in self.start.items()}

    def restore(self, facts: Any, tensors: dict[str, torch.Tensor]) -> None:
        self.start = {name.removeprefix("start."): one for name, one in tensors.items() if name.startswith("start.")}

    def logits(self, blocks: tuple[Block, ...], x: torch.Tensor) -> torch.Tensor:
        """Returns what the shared weights of a candidate's blocks say of inputs."""
        for block in blocks:
            x = self._net.block(block.index, block.entry, block.part, x)
        return self._net.classify(blocks[-1].exit, x)  # type: ignore[no-any-return]

    @torch.no_grad()
    def measured(self, blocks: tuple[Block, ...], held: ArrayPart) -> tuple[float, float]:
        """Returns accuracy and mean cross-entropy of inherited weights, with statistics of this very candidate."""
        recalibrate([self.module], lambda x: self.logits(blocks, x), self._batches)
        inputs, targets = held.inputs, held.targets
        logits = torch.cat([self.logits(blocks, some) for some in torch.split(inputs, 500)]).float()
        return float((logits.argmax(1) == targets).float().mean()), float(functional.cross_entropy(logits, targets))

    @torch.no_grad()
    def angle(self, blocks: tuple[Block, ...]) -> float:
        """Returns by how much a candidate's weights have turned since they were drawn, in radians."""
        held = dict(self.module.named_parameters())
        names = [name for one in blocks for name in self._net.used(one.index, one.entry, one.part)]
        names = [name for name in names if held[name].ndim > 1]
        if not names:
            return 0.0
        start = {name: self.start[name].to(held[name].device) for name in names}
        before, after = (torch.cat([one[name].flatten() for name in names]) for one in (start, held))
        return float(torch.acos(functional.cosine_similarity(before.double(), after.double(), dim=0).clamp(-1, 1)))
