"""Ratings of the parts of blocks by their distance to the center of all parts (BossNAS)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from automl.jsontext import canonical, stored
from automl.spaces.blocks import Block
from workers.supernets.norms import batches_of, recalibrate
from workers.supernets.settings import SupernetSettings
from workers.supernets.twins import Side, Twins, distance
from workers.supernets.views import fixed_pair

if TYPE_CHECKING:
    from automl.spaces.paths import PathSpace

MOST_PARTS = 256
"""So many parts, drawn uniformly, stand for all parts of a block in its center where there are more."""

_VIEW_SEED = 20210323
_CHUNK = 500

Place = tuple[int, str]
"""A block's index and its entry state."""


@dataclass(frozen=True)
class Examples:
    """What parts are rated on: fixed batches of training examples, and a fixed pair of views of validation examples."""

    batches: Sequence[torch.Tensor]
    views: tuple[torch.Tensor, torch.Tensor]

    @classmethod
    def of(cls, train: torch.Tensor, held: torch.Tensor, settings: SupernetSettings) -> Examples:
        """Returns the examples of a task's inputs."""
        return cls(batches_of(train, settings.calibration), fixed_pair(held[: settings.images], _VIEW_SEED))


@dataclass
class Rater:
    """Rates parts of blocks by a trained supernet.

    A rating depends on the trained weights, the carriers of the blocks before, and the fixed examples: neither on which
    parts were rated before, nor on how many at a time.

    Attributes:
        space: the space.
        twins: both copies, trained.
        examples: what is rated on.
        carriers: for each state in which a block can begin, the blocks before it that give its input.
        centers: mean projections of all parts of a block, whatever state it begins in: (2, images, projection), by
            block; computed where they are missing.
        chunk: examples at a time.
    """

    space: PathSpace
    twins: Twins
    examples: Examples
    carriers: dict[Place, list[Block]]
    centers: dict[int, torch.Tensor] = field(default_factory=dict)
    chunk: int = _CHUNK
    _inputs: dict[tuple[Place, str], tuple[list[torch.Tensor], list[torch.Tensor]]] = field(default_factory=dict)

    def rate(self, index: int, entry: str, part: Sequence[str]) -> float:
        """Returns the rating of a part, the negative of its distance to the center on both views: 0 is the best."""
        place = index, entry
        if index not in self.centers:
            self.centers[index] = self._center(index)
        one, two = self._projections(self.twins.online, place, part, self._predictor(index))
        first, second = self.centers[index].to(one.device)
        return -float((distance(one, second) + distance(two, first)).mean())

    def parts(self, index: int, entry: str) -> list[list[str]]:
        """Returns the parts that make up a block's center: all, or a fixed sample of so many."""
        inside = self.space.block_space(index, entry)
        if inside.size() <= MOST_PARTS:
            return [list(inside.path(candidate)) for candidate in inside.candidates()]
        drawn = inside.sample_many(4 * MOST_PARTS, np.random.default_rng(0))
        return [list(inside.path(candidate)) for candidate in dict.fromkeys(drawn)][:MOST_PARTS]

    def _center(self, index: int) -> torch.Tensor:
        """Returns the mean projections of the target copy; each state counts by how many parts begin in it."""
        total, weights = torch.zeros(()), 0
        for entry in self.space.block_entries(index):
            parts, size = self.parts(index, entry), self.space.block_space(index, entry).size()
            for part in parts:
                both = torch.stack(self._projections(self.twins.target, (index, entry), part, None))
                total = total + both * (size / len(parts))
            weights += size
        return total / weights

    def _predictor(self, index: int) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda projected: self.twins.predict(index, projected)

    @torch.no_grad()
    def _projections(
        self, side: Side, place: Place, part: Sequence[str], last: Callable[[torch.Tensor], torch.Tensor] | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the projections of both views by one copy, with statistics of this very part."""
        index, entry = place
        leaves = self.space.state(part[-1])
        modules = side.modules_of(index, leaves)
        if last is not None:
            modules = [*modules, self.twins.predictors[index]]

        def run(x: torch.Tensor) -> torch.Tensor:
            projected = side.project(index, entry, part, leaves, x)
            return last(projected) if last is not None else projected

        batches, views = self._features(side, place)
        recalibrate(modules, run, batches)
        one, two = (torch.cat([run(some) for some in torch.split(view, self.chunk)]) for view in views)
        return one, two

    def _features(self, side: Side, place: Place) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Returns the input of a block, for the fixed batches and both views, computed once for all of its parts."""
        key = place, "target" if side is self.twins.target else "online"
        if key not in self._inputs:
            batches, views = list(self.examples.batches), list(self.examples.views)
            for block in self.carriers[place]:
                held: Any = side.network

                def run(x: torch.Tensor, block: Block = block, held: Any = held) -> torch.Tensor:
                    return held.block(block.index, block.entry, block.part, x)  # type: ignore[no-any-return]

                recalibrate([held.blocks[block.index]], run, batches)
                with torch.no_grad():
                    batches = [run(one) for one in batches]
                    views = [torch.cat([run(some) for some in torch.split(one, self.chunk)]) for one in views]
            self._inputs[key] = batches, views
        return self._inputs[key]


def best_carriers(
    space: PathSpace, index: int, carriers: Mapping[Place, list[Block]], ratings: Mapping[Place, Mapping[str, float]]
) -> dict[Place, list[Block]]:
    """Returns the carriers of the next block: for each state in which this one ends, the chain with the best sum.

    This is dynamic programming over (block, state): exact for ratings that are added up.

    Args:
        space: the space.
        index: number of the block that was rated last.
        carriers: those of the blocks up to this one.
        ratings: of the parts by place and canonical JSON, for all blocks up to this one.
    """
    best: dict[str, tuple[float, list[Block]]] = {}
    for entry in space.block_entries(index):
        before = carriers[index, entry]
        known = math.fsum(ratings[one.index, one.entry][canonical(one.part)] for one in before)
        for text, rating in ratings[index, entry].items():
            part = stored(text)
            leaves = space.state(part[-1])
            if leaves not in best or known + rating > best[leaves][0]:
                best[leaves] = known + rating, [*before, Block(index, entry, part, leaves)]
    return {(index + 1, state): chain for state, (_, chain) in best.items()}
