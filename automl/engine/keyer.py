"""The functional hash of proposals, and the variation of those whose function is known already."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import xxhash

from automl.cache.features import StoredFeatures
from automl.cache.keys import of_candidate
from automl.engine.blame import blaming
from automl.engine.notices import Notices
from automl.engine.randomness import VARY, generator
from automl.hashing import Features, Hashed
from automl.hashing.isolated import HashJobs
from automl.rules import GIVEN, LoopSettings
from automl.spaces.differences import difference
from automl.spaces.space import Candidate
from automl.storage.candidates import digest
from automl.strategies.base import Proposal

REMEMBERED = 1 << 16
"""Encodings whose keys are remembered, at most."""


class Keyer:
    """Finds the keys of proposals.

    Args:
        settings: of the loop.
        jobs: find keys; their space mutates duplicates.
        notices: says what the user should know.
        features: stored ones.

    Attributes:
        hashed: number of encodings hashed so far.
        by_json: number of encodings among them whose function could not be probed: their keys stand for their JSON.
    """

    def __init__(
        self, settings: LoopSettings, jobs: HashJobs, notices: Notices | None, features: StoredFeatures
    ) -> None:
        self._settings = settings
        self._space = jobs.space
        self._jobs = jobs
        self._notices = notices or Notices()
        self._features = features
        self.hashed = self.by_json = 0
        self._why: Counter[str] = Counter()
        self._cheapest = settings.fidelities[0].share
        self._hashed: dict[str, Hashed] = {}  # by encoding
        self._read: set[str] = set()  # encodings that the space was seen to read as they are
        self._pool_seconds = 0.0
        self._not_finite = 0
        self._featureless: set[bytes] = set()  # keys of functions without features
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
        if policy.on_duplicate == "vary" and found and found[0].origin not in GIVEN:
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
        keys = [one.key for one in self._counted(candidates, self._hash_all(candidates, features=True))]
        self._pool.update(xxhash.xxh3_64_intdigest(one.json.encode()) for one in candidates)
        self._pool_keys.update(keys)
        self._pool_seconds += time.perf_counter() - began
        return keys

    def pooled_features(self, candidates: Sequence[Candidate]) -> list[Features]:
        """Returns the features of each of a strategy's candidates: those that are stored, or new ones."""
        began = time.perf_counter()
        keys = [one.key for one in self._hash_all(candidates, features=True)]
        found = self._features.find(keys)
        forgotten = {
            key: one
            for key, one in zip(keys, candidates, strict=True)
            if key not in found and key not in self._featureless
        }
        if forgotten:  # its key was found before anybody asked for more
            with self._blaming(candidates):
                hashed = self._jobs.hash(list(forgotten.values()), features=True)
            self._keep_features(hashed)
            found |= self._features.find(list(forgotten))
        self._pool_seconds += time.perf_counter() - began
        return [found.get(key, {}) for key in keys]

    def _keep_features(self, hashed: Sequence[Hashed]) -> None:
        """Moves features, which are large, from the keys to the store; what is stored already stays as it is."""
        if len(self._featureless) > REMEMBERED:
            self._featureless.clear()
        new = {one.key: one.features for one in hashed}
        self._featureless.update(key for key, features in new.items() if not features)
        there = self._features.find([key for key, features in new.items() if features])
        new = {key: features for key, features in new.items() if key not in there}
        self._not_finite += sum(int(np.isnan(values).sum()) for one in new.values() for values in one.values())
        self._features.add(new)
        for one in hashed:
            one.features = {}

    def pool_counts(self) -> dict[str, int]:
        """Returns how many encodings a strategy asked about, how many functions they are, and how many numbers among
        their features were left out, not being finite; empty without any.
        """
        if not self._pool:
            return {}
        left_out = {"not_finite": self._not_finite} if self._not_finite else {}
        return {"encodings": len(self._pool), "functions": len(self._pool_keys), **left_out}

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
        if len(self._read) > REMEMBERED:
            self._read.clear()
        if self._space.reads_back([proposal.candidate for proposal in found]):
            return found
        read_before, checked = self._read, self._space.checked
        new = [
            (place, proposal)
            for place, proposal in enumerate(proposals)
            if not isinstance(proposal.candidate, Candidate) or proposal.candidate.json not in read_before
        ]
        if not new:
            return found
        seconds = self._jobs.seconds * len(new)
        with blaming(lambda: f"space {self._space.kind} cannot read what it proposes", seconds):
            for place, proposal in new:
                given = proposal.candidate
                text = given.json if isinstance(given, Candidate) else ""
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
        candidates = [proposal.candidate for proposal in proposals]
        return self._counted(candidates, self._hash_all(candidates))

    def _counted(self, candidates: Sequence[Candidate], hashed: Sequence[Hashed]) -> list[Hashed]:
        """Returns the keys under which results are stored: the function's, or the encoding's own."""
        if not self._settings.by_candidate:
            return list(hashed)
        both = zip(candidates, hashed, strict=True)
        return [replace(item, key=of_candidate(item.key, digest(candidate.json))) for candidate, item in both]

    def _blaming(self, candidates: Sequence[Candidate]) -> AbstractContextManager[None]:
        some = [one.json for one in candidates[:3]]
        return blaming(lambda: f"space {self._space.kind} fails on one of the candidates {', '.join(some)}")

    def _hash_all(self, candidates: Sequence[Candidate], *, features: bool = False) -> list[Hashed]:
        if len(self._hashed) > REMEMBERED:
            self._hashed.clear()
        texts, known = [one.json for one in candidates], self._hashed
        new = {text: one for text, one in zip(texts, candidates, strict=True) if text not in known}
        if new:
            self._find(new, features=features)
        return [known[text] for text in texts]

    def _find(self, new: Mapping[str, Candidate], *, features: bool) -> None:
        """Finds the keys of encodings that were not hashed lately, and counts them."""
        candidates = list(new.values())
        with self._blaming(candidates):
            found = self._jobs.hash(candidates, features=features)
        if features:
            self._keep_features(found)
        self._hashed.update(zip(new, found, strict=True))
        self.hashed += len(found)
        if fallbacks := [one.fallback for one in found if one.fallback]:
            self.by_json += len(fallbacks)
            self._why.update(fallbacks)


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
