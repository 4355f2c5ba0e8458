"""The samples of a random search whose first trials are given: those that it would have drawn without them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import overload

from automl.engine.blame import blaming
from automl.engine.randomness import PROPOSE, generator
from automl.spaces.space import Candidate, Space
from automl.strategies.base import Proposal
from automl.strategies.random import Random

First = tuple[Candidate, str]


class Samples(Sequence[First]):
    """First trials with their origins, and then uniform samples without an end.

    The sample of each place depends on the seed and on the place alone. So a search that is extended has the samples
    that it would have had at once.

    Args:
        first: trials before the samples.
        space: that is sampled.
        seed: of the random search.
        block: number of samples that it draws together.
        seconds: allowed for each.
    """

    def __init__(self, first: Sequence[First], space: Space, seed: int, block: int, seconds: float) -> None:
        self._first, self._space, self._seed, self._block, self._seconds = first, space, seed, block, seconds
        self._drawn: tuple[int, Sequence[First]] = (-1, ())

    def __len__(self) -> int:
        return sys.maxsize

    @overload
    def __getitem__(self, place: int) -> First: ...

    @overload
    def __getitem__(self, place: slice) -> list[First]: ...

    def __getitem__(self, place: int | slice) -> First | list[First]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if place < len(self._first):
            return self._first[place]
        number = place - len(self._first)
        start = number - number % self._block
        if self._drawn[0] != start:
            self._drawn = start, self._draw(start)
        return self._drawn[1][number - start]

    def _draw(self, start: int) -> Sequence[First]:
        seconds = self._seconds * self._block
        with blaming(f"strategy {Random.name} on space {self._space.kind} fails to propose", seconds):
            drawn = self._space.sample_many(self._block, generator(self._seed, PROPOSE, start))
        return [(proposal.candidate, proposal.origin) for proposal in map(Proposal, drawn)]
