"""Several evaluators behind one pool: one rates all candidates of a search, the other decides between the best of them;
a third stands for the artefacts that the strategy reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work


@dataclass(frozen=True)
class Stages(Evaluator):
    """What workers are sent where a search rates with one evaluator and decides with another.

    Attributes:
        rater: Evaluator that rates.
        decider: Evaluator that decides.
        proposer: What stands for the artefacts of the strategy; None if it reads none.

    Example:
        >>> from automl.testing.pools import Numbered
        >>> from automl.evaluators.function import FunctionEvaluator
        >>> both = Stages(Numbered(), FunctionEvaluator(len, code_version="1"))
        >>> both.stage(rates=True).name, both.stage(rates=False).name
        ('numbered', 'function')
    """

    name: ClassVar[str] = "stages"
    metrics: ClassVar[Mapping[str, str]] = {}

    rater: Evaluator
    decider: Evaluator
    proposer: Evaluator | None = None

    def proposing(self) -> Evaluator | None:
        return self.proposer

    def stage(self, rates: bool) -> Evaluator:
        return self.rater if rates else self.decider

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        return self.stage(how.rates).evaluate(work, how)

    def settings(self) -> dict[str, Any]:
        return {"rater": self.rater.settings(), "decider": self.decider.settings()}

    def prepare(self) -> None:
        self.rater.prepare()
        self.decider.prepare()

    def for_device(self, device: str) -> Evaluator:
        return dataclasses.replace(self, rater=self.rater.for_device(device), decider=self.decider.for_device(device))
