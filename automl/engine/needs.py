"""The figures that a trial must have: what a search has as objectives and constraints."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from automl.errors import InvalidInput
from automl.storage.records import TrialRecord

MISSING = 20
"""After so many successful trials on end without it, a metric is taken for one that does not exist."""


class Needs:
    """Fails the trials that lack a figure which the search needs.

    Figures that are not finite have been left out before. The evaluation itself stands in the cache as it is: for a
    search with other objectives nothing is missing.

    Args:
        names: metrics of the evaluator and costs of the space.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._missing: Counter[str] = Counter()  # successful trials on end that lacked it

    def checked(self, record: TrialRecord) -> TrialRecord:
        """Returns the row of a trial, failed where a figure is missing.

        Raises:
            InvalidInput: so many trials on end lacked one that it does not seem to exist.
        """
        if not self._names or record.outcome == "failed":
            return record
        missing = [name for name in self._names if name not in record.metrics and name not in record.costs]
        if not missing:
            self._missing.clear()
            return record
        self._missing = Counter({name: self._missing[name] + 1 for name in missing})
        name = min(missing)
        if self._missing[name] >= MISSING:
            known = ", ".join(sorted({*record.metrics, *record.costs}))
            raise InvalidInput(
                f"there is no metric {name!r}, an objective or constraint, in {MISSING} trials; this search has {known}"
            )
        error = f"the metric {name!r}, an objective or constraint of the search, is missing or not finite"
        return replace(record, outcome="failed", fitness=None, metrics={}, error=error)
