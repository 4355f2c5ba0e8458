"""What a search can begin from, gathered from the cache: results of its own context, and an order from others."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash

from automl.cache.keys import of_candidate
from automl.cache.known import Known, KnownContext, classes_in, known_contexts, standing
from automl.cache.versions import COMMAND, version_of
from automl.engine.blame import blaming
from automl.engine.stage import Stage
from automl.errors import InvalidInput
from automl.hashing import HASHER_VERSION
from automl.jsontext import parse
from automl.rules import BEGIN_FROM_CONTEXT
from automl.selection.beginnings import ELSEWHERE, KNOWN
from automl.selection.objectives import Objective
from automl.spaces.space import Candidate
from automl.storage.candidates import digest
from automl.storage.known import texts_of
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.studies import StudyStore

MOST_TOLD = 400
"""Results that a strategy is told, at most: as many of the best as of the others, these chosen by their keys."""

FIRST = 5
"""Functions known elsewhere that are evaluated first."""

LOOKED_AT = 50
"""The best of each other context, among which these are found."""

MOST_CONTEXTS = 20
"""Other contexts that are looked at, the latest."""


@dataclass
class Gathering:
    """Gathers what a search can begin from.

    Args:
        store: of studies.
        search: that begins.
        stage: whose evaluations its strategy learns from.
        objective: of these.
        context: number of their context.
        space: number of the search's space.
        replicates: of a class that count.
    """

    store: StudyStore
    search: StudyRecord
    stage: Stage
    objective: Objective
    context: int
    space: int
    replicates: int
    _known: int = field(default=0, init=False)

    def gather(self, sources: Sequence[str], namespace: str) -> tuple[list[TrialRecord], dict[str, int]]:
        """Returns what is known, as trials, and how much that is.

        Args:
            sources: "context", or names of studies.
            namespace: the part of the cache that "context" stands for.
        """
        searches = [one for one in self.store.all() if one.id != self.search.id and one.parent != self.search.id]
        whole = list(sources) == [BEGIN_FROM_CONTEXT]
        wanted = None if whole else self._of_studies(sources, searches)
        wanted_here = None if wanted is None else wanted.get(self.context, set())
        found = [
            one
            for one in known_contexts(self.store.database, namespace if whole else None, searches)
            if version_of(one.description) == HASHER_VERSION and (wanted is None or one.id in wanted)
        ]
        own = self._own(wanted_here)
        others = [one for one in found if one.id != self.context and one.objective is not None][-MOST_CONTEXTS:]
        mine = KnownContext(self.context, {"hasher": dict(self.stage.hasher.description())}, self.objective)
        elsewhere, joined = self._elsewhere(others, mine.mark, wanted, {one.key for one, _ in own})
        trials = self._trials(own) + [
            TrialRecord(number, one.json, key, self.context, "hit", origin=ELSEWHERE, position=number)
            for number, (one, key) in enumerate(elsewhere, len(own))
        ]
        counts = {"known": self._known, "told": len(own), "elsewhere": len(elsewhere), "contexts": joined}
        return trials, counts

    def _of_studies(self, sources: Sequence[str], searches: Sequence[StudyRecord]) -> dict[int, set[bytes]]:
        """Returns the classes that studies, their random searches and ratings have met, by context."""
        found: dict[int, set[bytes]] = {}
        for study in studies_named(self.store, sources):
            for record in (study, *(one for one in searches if one.parent == study.id)):
                if record.kind in ("search", "rating", "baseline", "confirmation"):
                    for trial in self.store.trials(record.id):
                        found.setdefault(trial.context, set()).add(trial.key)
        return found

    # --- the search's own context ------------------------------------------------------------------------------------

    def _own(self, wanted: Collection[bytes] | None) -> list[tuple[Known, Candidate]]:
        """Returns the classes that are told, with their candidates: the worst first, failed ones before them."""
        best: list[tuple[float, int, Known]] = []
        some: list[tuple[int, float, Known]] = []
        half = MOST_TOLD // 2
        for one in self._classes(self.context, wanted):
            worth = self._worth(one, self.objective)
            if worth is None:
                continue
            self._known += 1
            fallen = _pushed(best, (worth, _mark(one), one), half) if np.isfinite(worth) else (worth, 0, one)
            if fallen is not None:
                _pushed(some, (-_mark(fallen[2]), fallen[0], fallen[2]), half)
        chosen = [(worth, one) for worth, _, one in best] + [(worth, one) for _, worth, one in some]
        chosen.sort(key=lambda item: (item[0], item[1].key))
        readable = self._read([one for _, one in chosen])
        return [(one, readable[one.key]) for _, one in chosen if one.key in readable]

    def _trials(self, own: Sequence[tuple[Known, Candidate]]) -> list[TrialRecord]:
        candidates = [candidate for _, candidate in own]
        with blaming(f"costs() of space {self.stage.jobs.space.kind} does not come back"):
            costs = [found for found, _ in self.stage.jobs.costs(candidates)]
        return [
            TrialRecord(
                number, candidate.json, one.key, self.context,
                "hit" if one.metrics else "failed", one.metrics.get(self.objective.metric), one.metrics,
                origin=KNOWN, costs=cost, position=number,
            )
            for number, ((one, candidate), cost) in enumerate(zip(own, costs, strict=True))
        ]  # fmt: skip

    def _read(self, classes: Sequence[Known]) -> dict[bytes, Candidate]:
        """Returns the candidates of classes by key. What the space does not read, or reads as another function, is left
        out: another space may have put it there.
        """
        space, jobs = self.stage.jobs.space, self.stage.jobs
        with self.store.database.read() as connection:
            texts = texts_of(connection, [one.candidate for one in classes])
        found: dict[bytes, Candidate] = {}
        doubtful: dict[bytes, Candidate] = {}
        with blaming(f"space {space.kind} cannot read known results", jobs.seconds * (len(classes) + 1)):
            for one in classes:
                with suppress(Exception):  # whatever the space makes of what it did not write
                    candidate = space.decode(parse(texts[one.candidate]))
                    (found if one.space == self.space else doubtful)[one.key] = candidate
        keys = self._keys(list(doubtful.values()))
        return found | {key: one for (key, one), own in zip(doubtful.items(), keys, strict=True) if key == own}

    def _keys(self, candidates: Sequence[Candidate]) -> list[bytes]:
        with blaming(f"space {self.stage.jobs.space.kind} fails on known candidates"):
            hashed = [one.key for one in self.stage.jobs.hash(candidates)]
        if self.stage.evaluator.equality != "candidate":
            return hashed
        return [of_candidate(key, digest(one.json)) for key, one in zip(hashed, candidates, strict=True)]

    # --- other contexts ----------------------------------------------------------------------------------------------

    def _elsewhere(
        self,
        others: Sequence[KnownContext],
        mark: bytes,
        wanted: dict[int, set[bytes]] | None,
        known: Collection[bytes],
    ) -> tuple[list[tuple[Candidate, bytes]], int]:
        """Returns the candidates to begin with and their keys, the best first, and in how many contexts they were met.

        A function's place is the mean over the contexts of where it stands among what is known there.
        """
        places: dict[bytes, list[float]] = {}
        candidates: dict[bytes, Candidate] = {}
        joined = 0
        for other in others:
            assert other.objective is not None
            rated = [
                (worth, one)
                for one in self._classes(other.id, None if wanted is None else wanted[other.id])
                if (worth := self._worth(one, other.objective)) is not None and np.isfinite(worth)
            ]
            stands = standing([worth for worth, _ in rated])
            best = [rated[place][1] for place in np.argsort(stands, kind="stable")[:LOOKED_AT]]
            found = self._found_elsewhere(best)
            joined += bool(found)
            by_key = {one.key: float(stand) for (_, one), stand in zip(rated, stands, strict=True)}
            if other.mark == mark:  # a function has the same key there
                for key, stand in by_key.items():
                    places.setdefault(key, []).append(stand)
            else:
                for theirs, (_, key) in found.items():
                    places.setdefault(key, []).append(by_key[theirs])
            candidates.update({key: one for one, key in found.values()})
        chosen = [key for key in candidates if key not in known]
        chosen.sort(key=lambda key: (float(np.mean(places.get(key, [1.0]))), key))
        return [(candidates[key], key) for key in chosen[:FIRST]], joined

    def _found_elsewhere(self, classes: Sequence[Known]) -> dict[bytes, tuple[Candidate, bytes]]:
        """Returns this space's candidates of another context's classes, with the keys that they have here."""
        space = self.stage.jobs.space
        with self.store.database.read() as connection:
            texts = texts_of(connection, [one.candidate for one in classes])
        found: dict[bytes, Candidate] = {}
        with blaming(f"space {space.kind} cannot read known results", self.stage.jobs.seconds * (len(classes) + 1)):
            for one in classes:
                with suppress(Exception):  # whatever the space makes of what it did not write
                    found[one.key] = space.decode(parse(texts[one.candidate]))
        keys = self._keys(list(found.values()))
        return {theirs: (one, key) for (theirs, one), key in zip(found.items(), keys, strict=True)}

    # --- both --------------------------------------------------------------------------------------------------------

    def _classes(self, context: int, wanted: Collection[bytes] | None) -> Iterator[Known]:
        for one in classes_in(self.store.database, context, self.replicates):
            if wanted is None or one.key in wanted:
                yield one

    @staticmethod
    def _worth(one: Known, objective: Objective) -> float | None:
        """Returns what a class is worth: minus infinity where it failed, None where it has no such figure."""
        if not one.metrics:
            return -np.inf
        value = one.metrics.get(objective.metric)
        return None if value is None else objective.worth(value)


def studies_named(store: StudyStore, names: Sequence[str]) -> list[StudyRecord]:
    """Returns searches by name, a repeated one by its runs.

    Raises:
        InvalidInput: there is no such study, or its keys are those of another version of the functional hash, which no
            search of today meets.
    """
    found = []
    for name in names:
        record = store.find(name)
        runs = store.runs(name) if record is None else [record]
        if not runs:
            raise InvalidInput(f"begin_from: there is no study {name!r} in this database")
        for run in runs:
            if (version := version_of(run.settings)) not in (None, HASHER_VERSION):
                raise InvalidInput(
                    f"begin_from: study {run.name!r} has keys of version {version} of the functional hash, and this "
                    f"automl has version {HASHER_VERSION}; `{COMMAND} --study {name} --storage "
                    f"{store.database.url_shown}` gives it those of today"
                )
        found += runs
    return found


def _pushed(heap: list[Any], item: Any, most: int) -> Any | None:
    """Puts an item into a heap of the `most` largest ones, and returns what falls out."""
    if len(heap) < most:
        heapq.heappush(heap, item)
        return None
    return heapq.heappushpop(heap, item)


def _mark(one: Known) -> int:
    return xxhash.xxh3_64_intdigest(one.key)
