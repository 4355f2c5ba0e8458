"""The best classes are evaluated again on validation before one of them is reported as best.

Where an evaluation is noisy, the best of many is the luckiest of many. So the leaders of a study get further
replicates, and the mean over all of theirs decides. Whoever then looks better than a leader that has lost its luck gets
them too, up to a bound (the idea of racing: Maron and Moore, NIPS 1993). Random search is selected in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from automl.selection.objectives import Objectives
from automl.selection.ranking import BEGUN_WINNER, RANDOM_WINNER, SEARCH_WINNER, SECONDS_WINNER, best_classes
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.studies import StudyStore

EXPECTED = "expected"
"""Name under which a study keeps what a model expects of its classes."""

AT_MOST = 3
"""At most so many times as many classes of a study are evaluated again as finalists are wanted."""


@dataclass(frozen=True)
class Contest:
    """The best classes of a search, and of its random search, where both are judged by a mean over replicates.

    Attributes:
        store: of all three studies.
        studies: number of the study by role, see `automl.selection.ranking`.
        n: how many leaders are wanted of each.
        objectives: of the search.
        expected: by role, positions of the trials whose classes a model expects most of, the best first; empty where
            the studies' own figures say who leads.
    """

    store: StudyStore
    studies: dict[str, int]
    n: int
    objectives: Objectives
    expected: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @cached_property
    def leaders(self) -> dict[str, list[TrialRecord]]:
        """The best classes of each study by its own figures, or by what a model expects of them: as many as can ever
        matter, since `AT_MOST` fall out.
        """
        most = most_leaders(self.n)
        return {
            role: self.store.trials_at(study, list(self.expected[role])[:most])
            if role in self.expected
            else best_classes(self.store, study, most, self.objectives)
            for role, study in self.studies.items()
        }

    def contenders(self, confirmed: Sequence[TrialRecord]) -> list[tuple[TrialRecord, str]]:
        """Returns who stands among the best `n` of its study, and has not been evaluated again yet.

        Args:
            confirmed: trials with the means over all replicates, of those that have.
        """
        found = []
        for role in self.studies:
            before = [trial.key for trial in confirmed if trial.origin == role]
            own = set(before)
            new = [item for item in self.leaders[role] if item.key not in own]
            standing = self._eligible(confirmed, role)
            if role in self.expected:  # their own figures, whose luck the model leaves out, must not say who is next
                leaders = new[: max(0, self.n - len(standing))]
            else:
                leaders = _best([*standing, *new], self.n, self.objectives)
            fresh = [(item, role) for item in leaders if item.key not in own]
            # Bounded by the evaluations themselves: a key that is another one each time never gets into `own`.
            found += fresh[: max(0, AT_MOST * self.n - len(before))]
        return found

    def winners(self, role: str, confirmed: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the best `n` of those that were evaluated again, by the mean over all their replicates.

        A class that failed or broke a constraint in one of them is none. Where nobody is left, the order of the leaders
        stands.
        """
        found = _best(self._eligible(confirmed, role), self.n, self.objectives)
        return found or self.leaders[role][: self.n]

    def _eligible(self, confirmed: Iterable[TrialRecord], role: str) -> list[TrialRecord]:
        return [
            trial
            for trial in confirmed
            if trial.origin == role and trial.fitness is not None and self.objectives.allows(trial)
        ]


def _best(trials: Iterable[TrialRecord], n: int, objectives: Objectives) -> list[TrialRecord]:
    known = [(trial.fitness, trial) for trial in trials if trial.fitness is not None]
    return [trial for _, trial in sorted(known, key=lambda one: -objectives.fitness.worth(one[0]))[:n]]


def confirmed_trials(store: StudyStore, search: StudyRecord) -> list[TrialRecord]:
    """Returns the trials that evaluated the best of a finished search again, in order; none where there are not any.

    What was confirmed before the search went on under a larger budget does not count.
    """
    for child in reversed(store.phase_studies(search.id)):
        if child.kind == "confirmation" and child.settings["search_trials"] == search.trials:
            return store.by_number(child.id) if child.state == "finished" else []
    return []


def best_of(store: StudyStore, search: StudyRecord, objectives: Objectives) -> tuple[TrialRecord, int] | None:
    """Returns the best class of a search, as it was confirmed where it was, and the number of its latest trial."""
    confirmed = confirmed_trials(store, search)
    contest = contest_of(store, search.id, None, search.settings.get("finalists", 1), objectives)
    leaders = contest.leaders[SEARCH_WINNER]
    numbers = {one.key: one.number for one in leaders}
    # A confirmed trial whose key is none of the search's (a candidate that is hashed anew each time) stands for nobody.
    found = [one for one in contest.winners(SEARCH_WINNER, confirmed) if one.key in numbers] or leaders
    return (found[0], numbers[found[0].key]) if found else None


def most_leaders(n: int) -> int:
    """Returns how many leaders of a study can ever matter where `n` are wanted."""
    return (AT_MOST + 1) * n


def contest_of(
    store: StudyStore,
    search: int,
    random: int | None,
    n: int,
    objectives: Objectives,
    seconds: int | None = None,
    begun: int | None = None,
) -> Contest:
    """Returns the contest of a search and its random search, and of those with equal seconds and with the same
    beginning where there are any.
    """
    studies = {
        SEARCH_WINNER: search,
        **({} if random is None else {RANDOM_WINNER: random}),
        **({} if seconds is None else {SECONDS_WINNER: seconds}),
        **({} if begun is None else {BEGUN_WINNER: begun}),
    }
    expected = {role: found["positions"] for role, study in studies.items() if (found := expected_of(store, study))}
    return Contest(store, studies, n, objectives, expected)


def expected_of(store: StudyStore, study: int) -> dict[str, Any]:
    """Returns what a model made of a study as it stands, see `keep_expected`; empty where none was asked."""
    record = store.by_id(study)
    found = record.settings.get("environment", {}).get(EXPECTED, {})
    return found if found.get("of") == record.trials else {}


def keep_expected(
    store: StudyStore, study: int, positions: Sequence[int], account: Mapping[str, Any], seconds: float
) -> None:
    """Stores what a model expects of a study's classes, until the study goes on.

    Args:
        store: of the study.
        study: its number.
        positions: of the trials whose classes it expects most of, the best first.
        account: how far it can be trusted.
        seconds: that it took.
    """
    of = store.by_id(study).trials
    found = {"positions": list(positions), "model": dict(account), "seconds": round(seconds, 3), "of": of}
    store.note(study, EXPECTED, found)
