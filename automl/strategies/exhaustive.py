"""Every candidate once, in the space's own order: for small spaces, such as those of single blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from automl.errors import InvalidInput
from automl.spaces.space import Candidate, Space
from automl.strategies.base import FULL, Hashes, Proposal, Strategy, Told


@dataclass
class Exhaustive(Strategy):
    """Proposes every candidate once, in the order in which the space lists them (`candidates`), and then ends.

    Spaces of paths list their candidates, and spaces whose fields are all finite are listed here.

    Attributes:
        most: Largest number of candidates that a space may have.

    Raises:
        InvalidInput: the space has more, or cannot list its candidates.

    Example:
        >>> from search_spaces.nas.hytra import HyTra
        >>> strategy, rng = Exhaustive(), np.random.default_rng(0)
        >>> strategy.bind(HyTra().block_space(0, ""))
        >>> first, *_ = found = strategy.ask(20, rng)
        >>> strategy.tell([Told(0, first.candidate, fitness=-0.6)])
        >>> len(found), len(strategy.ask(20, rng))
        (11, 10)
    """

    name: ClassVar[str] = "exhaustive"

    most: int = 100_000

    def bind(self, space: Space, fidelities: Sequence[float] = (FULL,), hashes: Hashes | None = None) -> None:
        size = space.size()
        if size is None or size > self.most:
            count = "infinitely many" if size is None else f"{size:,}"
            raise InvalidInput(
                f"exhaustive: the space has {count} candidates, and {self.most:,} may be listed (strategy.most); take "
                "another strategy"
            )
        if not hasattr(space, "candidates"):
            raise InvalidInput(f"exhaustive: space {space.kind} cannot list its candidates; define candidates(self)")
        super().bind(space, fidelities, hashes)

    def reset(self) -> None:
        space: Any = self.space
        self._every: list[Candidate] = list(space.candidates())
        self._told: set[str] = set()
        self._next = 0

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        taken = self._told | {one.candidate.json for one in self.pending}
        rest = (one for one in islice(self._every, self._next, None) if one.json not in taken)
        return [Proposal(candidate, "listed") for candidate in islice(rest, n)]

    def tell(self, trials: Sequence[Told]) -> None:
        self._told.update(trial.candidate.json for trial in trials)
        while self._next < len(self._every) and self._every[self._next].json in self._told:
            self._next += 1
