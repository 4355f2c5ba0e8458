"""What waits for a commit: ends of evaluations and records of trials, written together in one transaction a turn."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from automl.cache.records import Claim, Completion
from automl.cache.store import EquivalenceCache
from automl.storage.records import TrialRecord
from automl.storage.studies import StudyStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

CHEAP_SECONDS = 0.1
"""Seconds of evaluation that a kill may cost, at most: results that took less may wait for the next turn's commit."""


class Outbox:
    """Owns everything of one study that is not committed yet.

    Args:
        study: number of the study.
        cache: takes the ends of evaluations.
        store: takes the records of trials; in the same database.

    Attributes:
        commits: number of transactions so far.
        commit_seconds: seconds that they took.
    """

    def __init__(self, study: int, cache: EquivalenceCache, store: StudyStore) -> None:
        self._study = study
        self._cache = cache
        self._store = store
        self._ends: dict[int, list[tuple[Claim, Completion]]] = defaultdict(list)  # by context
        self._stopped: list[tuple[int, Claim, Completion, str]] = []
        self._records: list[TrialRecord] = []
        self._committed: list[TrialRecord] = []
        self._seconds = 0.0  # of the evaluations in `_ends`
        self.commits = 0
        self.commit_seconds = 0.0

    def end(self, context: int, claim: Claim, completion: Completion) -> None:
        """Takes the end of one evaluation."""
        self._ends[context].append((claim, completion))
        self._seconds += completion.seconds

    def stop(self, context: int, claim: Claim, completion: Completion, reached: int, candidate: str) -> None:
        """Takes the end of one evaluation that stopped early: its claim is given back, its result stands elsewhere."""
        given_back = Completion(
            completion.job, fault="lost", error=f"it stopped early, at epoch {completion.reached:g}"
        )
        self._ends[context].append((claim, given_back))
        self._stopped.append((reached, claim, completion, candidate))
        self._seconds += completion.seconds

    def record(self, records: Sequence[TrialRecord]) -> None:
        """Takes records of trials, in order. Commits at once where a kill would cost more than `CHEAP_SECONDS`."""
        self._records += records
        if self._seconds > CHEAP_SECONDS:
            self.commit()

    def commit(self, work: Callable[[Connection], None] | None = None) -> None:
        """Writes everything in one transaction.

        Args:
            work: what else is done in that transaction, after everything was written. It may be called again.
        """
        if work is None and not self._ends and not self._records:
            return

        def write(connection: Connection) -> None:
            for context, ends in sorted(self._ends.items()):
                self._cache.finish_many(context, ends, connection)
            if self._stopped:
                self._cache.keep_reached(self._study, self._stopped, connection)
            self._store.append_trials(self._study, self._records, connection)
            if work is not None:
                work(connection)

        began = time.perf_counter()
        self._cache.database.write(write)
        self.commits += 1
        self.commit_seconds += time.perf_counter() - began
        self._committed += self._records
        self._ends.clear()
        self._stopped.clear()
        self._records.clear()
        self._seconds = 0.0

    def committed(self) -> list[TrialRecord]:
        """Returns the records that were committed since the last call."""
        records, self._committed = self._committed, []
        return records
