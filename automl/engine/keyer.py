"""The functional hash of proposals, and the variation of those whose function is known already."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import xxhash

from automl.engine.blame import blaming
from automl.engine.notices import Notices
from automl.engine.randomness import VARY, generator
from automl.hashing import Features, Hashed
from automl.hashing.isolated import HashJobs
from automl.rules import ENQUEUED, LoopSettings
from automl.spaces.differences import difference
from automl.spaces.space import Candidate
from automl.strategies.base import Proposal

REMEMBERED = 1 << 16
"""Encodings whose keys are remembered, at most."""


class Keyer:
    """Finds the keys of proposals.

    Args:
        settings: of the loop.
        jobs: find keys; their space mutates duplicates.
        notices: says what the user should know.

    Attributes:
        hashed: number of encodings hashed so far.
        by_json: number of encodings among them whose function could not be probed: their keys stand for their JSON.
    """

    def __init__(self, settings: LoopSettings, jobs: HashJobs, notices: Notices | None = None) -> None:
        self._settings = settings
        self._space = jobs.space
        self._jobs = jobs
        self._notices = notices or Notices()
        self.hashed = self.by_json = 0
        self._why: Counter[str] = Counter()
        self._cheapest = settings.fidelities[0].share
        self._hashed: dict[str, Hashed] = {}  # by encoding
        self._read: set[str] = set()  # encodings that the space was seen to read as they are
        self._pool_seconds = 0.0
        self._pool: set[int] = set()  # digests of encodings that a strategy asked about
        self._pool_keys: set[bytes] = set()

    @property
    def seconds(self) -> float:
        """Seconds that the space is allowed for one candidate."""
        return self._jobs.seconds

    def keys(
        self, proposals: Sequence[Proposal], start: int, unmet: Collection[bytes] = ()
    ) -> list[tuple[Proposal, bytes]]:
        """Returns the proposals of one block with their keys.

        Where the policy says so, duplicates are mutated until their function is new.

        Args:
            proposals: of the block.
            start: number of trials before it.
            unmet: keys, as they are counted, that are recorded and count as new all the same.
        """
        found = self._read_back(proposals)
        hashed = self._hash(found)
        policy = self._settings.plans.policy
        if policy.on_duplicate == "vary" and found and found[0].origin != ENQUEUED:
            rng = generator(self._settings.seed, VARY, start)
            for _ in range(policy.vary_at_most):
                again = self._duplicates(found, hashed, unmet)
                if not again:
                    break
                with blaming(f"space {self._space.kind} fails to mutate", self._jobs.seconds * len(again)):
                    children = self._space.mutate_many([found[place].candidate for place in again], rng)
                varied = [replace(found[place], candidate=child) for place, child in zip(again, children, strict=True)]
                for place, proposal in zip(again, self._read_back(varied), strict=True):
                    found[place] = proposal
                for place, item in zip(again, self._hash([found[place] for place in again]), strict=True):
                    hashed[place] = item
        return [(proposal, item.key) for proposal, item in zip(found, hashed, strict=True)]

    def look(self) -> Pooled:
        """Returns what tells a strategy keys and features before it proposes; it hashes here."""
        return Pooled(self)

    def pooled(self, candidates: Sequence[Candidate]) -> list[bytes]:
        """Returns the key of each of a strategy's candidates, which need not be proposed."""
        began = time.perf_counter()
        keys = [one.key for one in self._hash_all(candidates)]
        self._pool.update(xxhash.xxh3_64_intdigest(one.json.encode()) for one in candidates)
        self._pool_keys.update(keys)
        self._pool_seconds += time.perf_counter() - began
        return keys

    def pooled_features(self, candidates: Sequence[Candidate]) -> list[Features]:
        """Returns the features of each of a strategy's candidates."""
        began = time.perf_counter()
        found = self._jobs.features(candidates)
        self._pool_seconds += time.perf_counter() - began
        return found

    def pool_counts(self) -> dict[str, int]:
        """Returns how many encodings a strategy asked about and how many functions they are; empty without any."""
        return {"encodings": len(self._pool), "functions": len(self._pool_keys)} if self._pool else {}

    def pool_seconds(self) -> float:
        """Returns the seconds that were spent on a strategy's candidates since it was asked last."""
        spent, self._pool_seconds = self._pool_seconds, 0.0
        return spent

    def why_json(self) -> list[dict[str, Any]]:
        """Returns why candidates were keyed by their JSON, the commonest reasons first, each with its count."""
        return [{"why": why, "candidates": count} for why, count in self._why.most_common(5)]

    def _duplicates(
        self, proposals: Sequence[Proposal], hashed: Sequence[Hashed], unmet: Collection[bytes]
    ) -> list[int]:
        """Returns the places of proposals whose function the study, or the block before them, has met."""
        met: set[bytes] = set()
        found = []
        for place, (proposal, item) in enumerate(zip(proposals, hashed, strict=True)):
            if proposal.fidelity != self._cheapest:
                continue  # it goes on with something known
            key = self._settings.counted_key(item.key, proposal.fidelity)
            if key in met or (key in self._settings.plans and key not in unmet):
                found.append(place)
            met.add(key)
        return found

    def _read_back(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """Returns the proposals as the space reads their candidates: what workers read must be what is hashed."""
        found = list(proposals)
        seconds = self._jobs.seconds * max(1, len(found))
        if len(self._read) > REMEMBERED:
            self._read.clear()
        if self._space.reads_back([proposal.candidate for proposal in found]):
            return found
        read_before, checked = self._read, self._space.checked
        with blaming(lambda: f"space {self._space.kind} cannot read what it proposes", seconds):
            for place, proposal in enumerate(proposals):
                given = proposal.candidate
                text = given.json if isinstance(given, Candidate) else ""
                if text in read_before:
                    continue
                if (read := checked(given)) is not given:
                    text = read.json
                    changed = difference(given.value, read.value)
                    self._notices.once(
                        "reading", f"{self._space.kind} reads what it proposes as other candidates ({changed})"
                    )
                    found[place] = replace(proposal, candidate=read)
                read_before.add(text)
        return found

    def _hash(self, proposals: Sequence[Proposal]) -> list[Hashed]:
        """Returns the keys of the proposals; an encoding that was hashed lately is not hashed again."""
        return self._hash_all([proposal.candidate for proposal in proposals])

    def _hash_all(self, candidates: Sequence[Candidate]) -> list[Hashed]:
        if len(self._hashed) > REMEMBERED:
            self._hashed.clear()
        texts, known = [one.json for one in candidates], self._hashed
        new = {text: one for text, one in zip(texts, candidates, strict=True) if text not in known}
        with blaming(lambda: f"space {self._space.kind} fails on one of the candidates {', '.join(list(new)[:3])}"):
            found = self._jobs.hash(list(new.values()))
        self._hashed.update(zip(new, found, strict=True))
        self.hashed += len(found)
        if fallbacks := [one.fallback for one in found if one.fallback]:
            self.by_json += len(fallbacks)
            self._why.update(fallbacks)
        return [known[text] for text in texts]


class Pooled:
    """Keys and features for strategies that want them (`automl.strategies.Hashes`), by the search's own hasher.

    Args:
        keyer: remembers keys, and counts.
    """

    def __init__(self, keyer: Keyer) -> None:
        self._keyer = keyer

    def keys(self, candidates: Sequence[Candidate]) -> list[bytes]:
        return self._keyer.pooled(candidates)

    def features(self, candidates: Sequence[Candidate]) -> list[Features]:
        return self._keyer.pooled_features(candidates)
