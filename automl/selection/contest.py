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
from automl.selection.ranking import (
    BEGUN_WINNER,
    EARLY_WINNER,
    RANDOM_WINNER,
    SEARCH_WINNER,
    SECONDS_WINNER,
    best_classes,
)
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.studies import StudyStore

EXPECTED = "expected"
"""Name under which a study keeps what a model expects of its classes."""

EXPECTED_FIRST = "expected_first"
"""The same of its first trials alone, where these stand against a shorter random search."""

COMPARED = "compared"
"""Name under which a study keeps which of its trials are compared with a shorter random search."""

LOOKS = "looks"
"""Name under which a study keeps how often it was finished."""

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
        first: by role, how many of the study's trials count; all where it is not named.
    """

    store: StudyStore
    studies: dict[str, int]
    n: int
    objectives: Objectives
    expected: Mapping[str, Sequence[int]] = field(default_factory=dict)
    first: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def leaders(self) -> dict[str, list[TrialRecord]]:
        """The best classes of each study by its own figures, or by what a model expects of them: as many as can ever
        matter, since `AT_MOST` fall out.
        """
        most = most_leaders(self.n)
        return {
            role: self.store.trials_at(study, list(self.expected[role])[:most])
            if role in self.expected
            else best_classes(self.store, study, most, self.objectives, self.first.get(role))
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


@dataclass(frozen=True)
class Found:
    """The best class that was paid for, and where it was found.

    Attributes:
        trial: with the means over all replicates, where it was confirmed.
        record: its latest trial in the study that found it.
        study: that study.
        role: whose winner it is, see `automl.selection.ranking`.
    """

    trial: TrialRecord
    record: TrialRecord
    study: StudyRecord
    role: str


def best_of(store: StudyStore, search: StudyRecord, objectives: Objectives) -> Found | None:
    """Returns the best class of a search and of its random searches, as it was confirmed where it was.

    Each side's own winner stands for it. Of equals the search's is taken.
    """
    confirmed = confirmed_trials(store, search)
    phases = {child.kind: child for child in store.phase_studies(search.id)} if search.kind == "search" else {}
    random, longer = phases.get("baseline"), phases.get("seconds")
    finalists = search.settings.get("finalists", 1)
    contest = contest_of(
        store, search.id, random.id if random else None, finalists, objectives, longer.id if longer else None
    )
    studies = {SEARCH_WINNER: search, RANDOM_WINNER: random, SECONDS_WINNER: longer}
    best: Found | None = None
    for role in (one for one in studies if one in contest.studies):
        leaders = {one.key: one for one in contest.leaders[role]}
        # A confirmed trial whose key is none of the study's (a candidate that is hashed anew each time) stands for
        # nobody.
        found = [one for one in contest.winners(role, confirmed) if one.key in leaders] or contest.leaders[role]
        study = studies[role]
        if found and study is not None and (best is None or _better(found[0], best.trial, objectives)):
            best = Found(found[0], leaders[found[0].key], study, role)
    return best


def _better(one: TrialRecord, other: TrialRecord, objectives: Objectives) -> bool:
    worth = objectives.fitness.worth
    assert other.fitness is not None
    return one.fitness is not None and worth(one.fitness) > worth(other.fitness)


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
    at = compared_at(store, search) if random is not None else None
    studies = {
        SEARCH_WINNER: search,
        **({} if at is None else {EARLY_WINNER: search}),
        **({} if random is None else {RANDOM_WINNER: random}),
        **({} if seconds is None else {SECONDS_WINNER: seconds}),
        **({} if begun is None else {BEGUN_WINNER: begun}),
    }
    expected = {role: found["positions"] for role, study in studies.items() if (found := expected_of(store, study))}
    first = {} if at is None else {EARLY_WINNER: at[0]}
    expected.pop(EARLY_WINNER, None)  # what all trials have taught says nothing of the first ones
    if at is not None and (early := expected_of(store, search, EXPECTED_FIRST)):
        expected[EARLY_WINNER] = early["positions"]
    return Contest(store, studies, n, objectives, expected, first)


def compared_at(store: StudyStore, search: int) -> tuple[int, float] | None:
    """Returns where a search is compared with a random search of fewer evaluations: its first trials, and evaluations.

    None where both have as many.
    """
    record = store.by_id(search)
    found = record.settings.get("environment", {}).get(COMPARED, {})
    return (found["trials"], found["evaluations"]) if found.get("of") == record.trials else None


def keep_compared(store: StudyStore, search: int, trials: int, evaluations: float) -> None:
    """Stores where a search is compared with random search, until it goes on."""
    of = store.by_id(search).trials
    store.note(search, COMPARED, {"trials": trials, "evaluations": evaluations, "of": of})


def keep_look(store: StudyStore, search: int, random: int) -> None:
    """Notes that a search was finished, and so can be looked at; once for each extent of it."""
    record = store.by_id(search)
    looks = list(record.settings.get("environment", {}).get(LOOKS, []))
    if not looks or looks[-1]["trials"] != record.trials:
        store.note(search, LOOKS, [*looks, {"trials": record.trials, "random": store.by_id(random).trials}])


def earlier_looks(record: StudyRecord) -> list[tuple[int, int]]:
    """Returns the numbers of trials of a search and of its random search at each earlier look."""
    looks = record.settings.get("environment", {}).get(LOOKS, [])
    return [(one["trials"], one["random"]) for one in looks if one["trials"] < record.trials]


def expected_of(store: StudyStore, study: int, name: str = EXPECTED) -> dict[str, Any]:
    """Returns what a model made of a study as it stands, see `keep_expected`; empty where none was asked."""
    record = store.by_id(study)
    found = record.settings.get("environment", {}).get(name, {})
    return found if found.get("of") == record.trials else {}


def keep_expected(
    store: StudyStore,
    study: int,
    positions: Sequence[int],
    account: Mapping[str, Any],
    seconds: float,
    name: str = EXPECTED,
) -> None:
    """Stores what a model expects of a study's classes, until the study goes on.

    Args:
        store: of the study.
        study: its number.
        positions: of the trials whose classes it expects most of, the best first.
        account: how far it can be trusted.
        seconds: that it took.
        name: `EXPECTED`, or `EXPECTED_FIRST`.
    """
    of = store.by_id(study).trials
    found = {"positions": list(positions), "model": dict(account), "seconds": round(seconds, 3), "of": of}
    store.note(study, name, found)
