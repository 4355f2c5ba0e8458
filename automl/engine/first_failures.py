"""A search whose first trials all fail in one way is stopped: it is a mistake, and the budget should survive it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from automl.errors import SearchFailed
from automl.storage.records import TrialRecord


def alike(error: str) -> str:
    """Returns what two errors have in common that differ in numbers only.

    Example:
        >>> alike("RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x63 and 64x8)")
        'RuntimeError: mat# and mat# shapes cannot be multiplied (#x# and #x#)'
    """
    return re.sub(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", "#", error)[:200]


class FirstFailures:
    """Watches the trials of a search until one succeeds.

    Args:
        study: name of the study.
        most: number of classes that may fail with one error; None sets no limit.
    """

    def __init__(self, study: str, most: int | None) -> None:
        self._study = study
        self._most = most
        self._over = most is None
        self._kind = ""
        self._classes: set[bytes] = set()

    def look(self, trials: Iterable[TrialRecord]) -> None:
        """Takes trials in the order of telling.

        Raises:
            SearchFailed: enough classes have failed alike, and nothing else was seen.
        """
        for trial in trials:
            if self._over:
                return
            kind = alike(trial.error)
            if trial.outcome != "failed" or (self._kind and kind != self._kind):
                self._over = True
                return
            self._kind = kind
            self._classes.add(trial.key)
            assert self._most is not None
            if len(self._classes) >= self._most:
                raise SearchFailed(
                    self._study,
                    f"the first {len(self._classes)} candidates that were evaluated all failed alike, so the search "
                    f"was stopped: {trial.error}",
                )
