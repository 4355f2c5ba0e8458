"""What stands for a strategy where artefacts are made: a strategy is no evaluator, and makers know evaluators."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from automl.errors import InvalidInput
from automl.evaluators.artefacts import Artefact, declared_artefacts
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.setup.targets import SpaceReference
from automl.strategies.base import Strategy

ARTEFACTS = "artefacts"
"""What a strategy that reads some has in `wants`."""


@dataclass(frozen=True)
class Proposing(Evaluator):
    """The artefacts of a strategy, as an evaluator would declare them; the seed of the search stands for the replicate.

    Attributes:
        strategy: Strategy that reads them.
        space: Reference to the space that is searched.
        evaluator: Evaluator that the strategy learns from.

    Example:
        >>> from automl.setup.targets import resolve
        >>> from automl.strategies.random import Random
        >>> from automl.testing.pools import Numbered
        >>> Proposing(Random(), resolve("nasbench201")[1], Numbered()).artefacts(3)
        ()
    """

    metrics: ClassVar[Mapping[str, str]] = {}

    strategy: Strategy
    space: SpaceReference
    evaluator: Evaluator

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the strategy."""
        return self.strategy.name

    def artefacts(self, replicate: int = 0) -> Sequence[Artefact]:
        return self.strategy.artefacts(self.space, self.evaluator, replicate)

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        raise InvalidInput(f"strategy {self.name} evaluates nothing")

    def settings(self) -> dict[str, Any]:
        return self.strategy.settings()


def proposing(strategy: Strategy, space: SpaceReference, evaluator: Evaluator) -> Proposing | None:
    """Returns what stands for a strategy's artefacts; None for a strategy that reads none.

    Raises:
        InvalidInput: they cannot be made for this space or evaluator, or have the name of one of the evaluator's.
    """
    if ARTEFACTS not in strategy.wants:
        return None
    found = Proposing(copy.copy(strategy), space, evaluator)  # what is bound later stays out of what workers are sent
    names = {one.name for one in declared_artefacts(evaluator)}
    if double := names & {one.name for one in declared_artefacts(found)}:
        raise InvalidInput(
            f"strategy {strategy.name} and evaluator {evaluator.name} both declare an artefact {min(double)!r}; rename "
            "one"
        )
    return found
