"""Uniform random search: the baseline that every other strategy is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from automl.strategies.base import Proposal, Strategy, Told


@dataclass
class Random(Strategy):
    """Random search: proposes uniform samples and learns nothing.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> strategy = Random()
        >>> strategy.bind(Line())
        >>> [proposal.candidate.x for proposal in strategy.ask(5, np.random.default_rng(0))]
        [17, 13, 10, 5, 6]
    """

    name: ClassVar[str] = "random"

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        return [Proposal(candidate) for candidate in self.space.sample_many(n, rng)]

    def tell(self, trials: Sequence[Told]) -> None:
        """Does nothing: samples are independent."""
