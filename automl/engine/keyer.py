"""The functional hash of proposals, and the variation of those whose function is known already."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from automl.behaviour import Behaviour
from automl.engine.blame import blaming
from automl.engine.randomness import VARY, generator
from automl.hashing import Hashed, Hasher
from automl.rules import ENQUEUED, LoopSettings
from automl.spaces.space import Space
from automl.strategies.base import Proposal

REMEMBERED = 1 << 16
"""Encodings whose keys are remembered, at most."""


class Keyer:
    """Finds the keys of proposals.

    Args:
        settings: of the loop.
        space: gives behaviours, and mutates duplicates.
        hasher: turns behaviours into keys.
    """

    def __init__(self, settings: LoopSettings, space: Space, hasher: Hasher) -> None:
        self._settings = settings
        self._space = space
        self._hasher = hasher
        self._cheapest = settings.fidelities[0].share
        self._hashed: dict[str, Hashed] = {}  # by encoding

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
        found, hashed = list(proposals), self._hash(proposals)
        policy = self._settings.plans.policy
        if policy.on_duplicate == "vary" and found and found[0].origin != ENQUEUED:
            rng = generator(self._settings.seed, VARY, start)
            for _ in range(policy.vary_at_most):
                again = self._duplicates(found, hashed, unmet)
                if not again:
                    break
                children = self._space.mutate_many([found[place].candidate for place in again], rng)
                for place, child in zip(again, children, strict=True):
                    found[place] = replace(found[place], candidate=child)
                for place, item in zip(again, self._hash([found[place] for place in again]), strict=True):
                    hashed[place] = item
        return [(proposal, item.key) for proposal, item in zip(found, hashed, strict=True)]

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

    def _hash(self, proposals: Sequence[Proposal]) -> list[Hashed]:
        """Returns the keys of the proposals; an encoding that was hashed lately is not hashed again."""
        if len(self._hashed) > REMEMBERED:
            self._hashed.clear()
        texts = [proposal.candidate.json for proposal in proposals]
        new = {text: one.candidate for text, one in zip(texts, proposals, strict=True) if text not in self._hashed}
        pairs: list[tuple[Behaviour, Mapping[str, Any]]] = []
        with blaming(lambda: f"space {self._space.kind} fails on candidate {list(new)[len(pairs)]}"):
            for candidate in new.values():
                behaviour, training = self._space.behaviour(candidate), self._space.training(candidate)
                pairs.append((behaviour, training))
        self._hashed.update(zip(new, self._hasher.hash_many(pairs, list(new)), strict=True))
        return [self._hashed[text] for text in texts]
