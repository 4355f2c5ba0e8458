"""What went wrong in a study: whether anything succeeded, the commonest error, and where it was raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from automl.cache.store import EquivalenceCache
from automl.errors import legible
from automl.storage.studies import StudyStore


@dataclass(frozen=True, slots=True)
class FailedTrials:
    """The failures of one study, or of several runs.

    Attributes:
        trials: number of trials told.
        failed: number of those that failed.
        error: the commonest error in full; empty without a failure.
        times: how often it was met.
        traceback: of the first failure that has one, of the machine's too; empty where none was kept.
    """

    trials: int
    failed: int
    error: str = ""
    times: int = 0
    traceback: str = ""

    @property
    def hopeless(self) -> bool:
        """True where there were trials and none succeeded."""
        return self.trials > 0 and self.failed == self.trials

    def sentence(self) -> str:
        """Returns what is to be said of a study without one success."""
        most = "all of them" if self.times == self.failed else f"{self.times} of them"
        return f"none of the {self.trials:,} trials succeeded; {most} with: {self.error}"


def failed_trials(store: StudyStore, studies: Iterable[int]) -> FailedTrials:
    """Returns what failed in these studies."""
    trials = 0
    errors: Counter[str] = Counter()
    first: tuple[int, bytes] | None = None
    failed = 0
    for study in studies:
        outcomes = store.outcomes(study)
        trials += sum(outcomes.values())
        failed += outcomes.get("failed", 0)
        if "failed" not in outcomes:
            continue
        for trial in store.trials(study):
            if trial.outcome == "failed":
                errors[trial.error] += 1
                first = first or (trial.context, trial.key)
                if errors.total() >= 10_000:
                    break
    if first is None:
        return FailedTrials(trials, failed)
    [(error, times)] = errors.most_common(1)
    traceback = legible(EquivalenceCache(store.database).traceback(*first))
    return FailedTrials(trials, failed, error, times, traceback)
