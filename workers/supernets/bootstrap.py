"""Ensemble bootstrapping (Li et al., ICCV 2021, BossNAS): blocks in turn, without labels.

In each step every sampled path predicts the mean projection of all sampled paths of the target copy. The paths of a
block begin in any state in which it can begin; all are led to one center, so that their ratings can be compared. A
block's input comes from the best rated path of the blocks before it, which are frozen: no gradient runs into them, and
their weights do not move any more, so ratings that are made stay true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from automl.errors import CandidateFailure
from automl.jsontext import canonical
from automl.spaces.blocks import Block
from workers.supernets.norms import batch_statistics
from workers.supernets.paths import step_parts
from workers.supernets.rater import Examples, Place, Rater, best_carriers
from workers.supernets.settings import SupernetSettings
from workers.supernets.twins import Side, Twins, distance, momentum_at
from workers.supernets.views import view

if TYPE_CHECKING:
    from automl.spaces.paths import PathSpace

COLLAPSED = 0.02
"""Spread of projections, as a share of that of random directions, below which all images look alike."""


class Bootstrap:
    """The objective: see `workers.supernets.loop.Objective`.

    Args:
        space: a space with blocks.
        settings: of the training.
        examples: what parts are rated on.
    """

    clip: float | None = None

    def __init__(self, space: PathSpace, settings: SupernetSettings, examples: Examples) -> None:
        self.space, self.settings, self.examples = space, settings, examples
        network = space.supernet()
        exits = [
            {state: network.channels(index, state) for state in _exits(space, index)}
            for index in range(len(space.lengths))
        ]
        self.module = Twins(network, exits, settings)
        self.stages = len(space.lengths)
        self.carriers: dict[Place, list[Block]] = {(0, space.start): []}
        self.ratings: dict[Place, dict[str, float]] = {}
        self.centers: dict[int, torch.Tensor] = {}
        self._spread = 0.0

    def labels(self, targets: torch.Tensor) -> torch.Tensor:
        """Returns the targets, which nobody looks at."""
        return targets

    def begin(self, stage: int) -> list[nn.Parameter]:
        """Opens a block for training and closes all others; returns what is trained."""
        self.module.requires_grad_(False)
        for module in self.module.trained(stage):
            module.requires_grad_(True)
        self.module.train()
        return [one for module in self.module.trained(stage) for one in module.parameters()]

    def loss(
        self, stage: int, inputs: torch.Tensor, targets: torch.Tensor, rng: np.random.Generator, views: torch.Generator
    ) -> torch.Tensor:
        """Returns the loss of one step: the sum over its paths."""
        parts = step_parts(self.space, stage, self.settings.paths, rng)
        pairs = [(view(inputs, views), view(inputs, views)) for _ in parts]
        aims: list[list[torch.Tensor]] = [[], []]
        with torch.no_grad():
            for (entry, part), pair in zip(parts, pairs, strict=True):
                for side, x in enumerate(pair):
                    x = _before(self.module.target, self.carriers[stage, entry], x)
                    aims[side].append(self.module.target.project(stage, entry, part, self.space.state(part[-1]), x))
        self._spread = _spread(torch.stack(aims[0]).mean(0))
        if self.settings.ensemble:
            aims = [[torch.stack(one).mean(0)] * len(parts) for one in aims]
        total = inputs.new_zeros(())
        for number, ((entry, part), pair) in enumerate(zip(parts, pairs, strict=True)):
            for side, x in enumerate(pair):
                with torch.no_grad():
                    x = _before(self.module.online, self.carriers[stage, entry], x)
                projected = self.module.online.project(stage, entry, part, self.space.state(part[-1]), x)
                total = total + distance(self.module.predict(stage, projected), aims[1 - side][number]).mean()
        return total

    def after(self, stage: int, share: float) -> None:
        """Lets the target copy follow."""
        self.module.follow(stage, momentum_at(self.settings.target_momentum, share))

    def figures(self) -> dict[str, float]:
        """Returns the spread of the last step's target projections: near 0, training has collapsed."""
        return {"spread": self._spread}

    def over(self) -> bool:
        return False

    def finish(self, stage: int) -> None:
        """Rates the parts of a block, and chooses what gives the next block its input.

        Raises:
            CandidateFailure: the projections have collapsed: all images look alike, and ratings would be noise.
        """
        if self.settings.epochs and self._spread < COLLAPSED:
            raise CandidateFailure(
                f"the supernet has collapsed in block {stage}: its projections spread {self._spread:.3f} of what "
                "random directions do; lower the learning rate, raise target_momentum, or take larger batches"
            )
        self.module.requires_grad_(False)
        rater = Rater(self.space, self.module, self.examples, self.carriers, self.centers)
        for entry in self.space.block_entries(stage):
            self.ratings[stage, entry] = {
                canonical(part): rater.rate(stage, entry, part) for part in rater.parts(stage, entry)
            }
        if stage + 1 < self.stages:
            self.carriers |= best_carriers(self.space, stage, self.carriers, self.ratings)

    # --- what is saved beside the weights ----------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """Returns carriers and ratings as JSON data."""
        chains = [
            [index, entry, [[one.index, one.entry, one.part, one.exit] for one in chain]]
            for (index, entry), chain in self.carriers.items()
        ]
        return {"carriers": chains, "ratings": [[*place, dict(found)] for place, found in self.ratings.items()]}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns the centers by name."""
        return {f"centers.{index}": center for index, center in self.centers.items()}

    def restore(self, facts: Any, tensors: dict[str, torch.Tensor]) -> None:
        """Puts back what `facts` and `tensors` returned."""
        self.carriers = {(index, entry): [Block(*one) for one in chain] for index, entry, chain in facts["carriers"]}
        self.ratings = {(index, entry): dict(found) for index, entry, found in facts["ratings"]}
        prefix = "centers."
        self.centers = {int(name.removeprefix(prefix)): one for name, one in tensors.items() if name.startswith(prefix)}


def _before(side: Side, chain: list[Block], x: torch.Tensor) -> torch.Tensor:
    """Returns the input of a block: its carriers run on each batch's own statistics, and are left as they are."""
    network: Any = side.network
    with batch_statistics([network.blocks[one.index] for one in chain]):
        for one in chain:
            x = network.block(one.index, one.entry, one.part, x)
    return x


def _spread(projected: torch.Tensor) -> float:
    """Returns the standard deviation of projections over images, 1 where they are like random directions."""
    return float(projected.std(0).mean() * projected.shape[1] ** 0.5)


def _exits(space: PathSpace, index: int) -> list[str]:
    if index + 1 < len(space.lengths):
        return space.block_entries(index + 1)
    last = space.layers()[-1]
    return list(dict.fromkeys(space.state(entry) for entry in last))
