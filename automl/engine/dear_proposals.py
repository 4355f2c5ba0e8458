"""Strategies that take longer to learn and to propose than what they save."""

from __future__ import annotations

from collections.abc import Sequence

from automl.setup.choosing import EVOLUTION
from automl.storage.records import TrialRecord

ENOUGH = 40
"""Evaluations after which both are known well enough."""


class DearProposals:
    """Compares what a strategy takes for a trial with what an evaluation takes.

    Evaluations of tables take what the trainings in them took.

    Args:
        strategy: its name.

    Example:
        >>> from automl.storage.records import TrialRecord
        >>> look = DearProposals("surrogate")
        >>> records = [TrialRecord(n, "1", b"k", 1, "miss", 0.5, {}, 1, paid_seconds=0.001) for n in range(40)]
        >>> look.ended(records, seconds=0.4)[:84]
        'surrogate takes 10 ms a trial, to learn and to propose, and an evaluation takes 1 ms'
    """

    def __init__(self, strategy: str) -> None:
        self._strategy = strategy
        self._evaluations = self._trials = 0
        self._paid = 0.0

    def ended(self, records: Sequence[TrialRecord], seconds: float) -> str:
        """Takes trials that have ended and returns a sentence where a proposal costs more than an evaluation.

        Args:
            records: of the trials.
            seconds: that the strategy has taken in all so far.
        """
        self._trials += len(records)
        for record in records:
            if record.outcome == "miss":
                self._evaluations += 1
                self._paid += max(record.paid_seconds, float(record.metrics.get("cost_seconds", 0.0)))
        if self._evaluations < ENOUGH:
            return ""
        proposal, evaluation = seconds / self._trials, self._paid / self._evaluations
        if proposal <= evaluation:
            return ""
        return (
            f"{self._strategy} takes {_text(proposal)} a trial, to learn and to propose, and an evaluation takes "
            f"{_text(evaluation)}: --strategy {EVOLUTION} would evaluate many more candidates in the same time"
        )


def _text(seconds: float) -> str:
    return f"{1000 * seconds:.2g} ms" if seconds < 0.1 else f"{seconds:.3g} s"
