"""The cost of evaluations at several fidelities, in units of one full evaluation."""

from __future__ import annotations

from collections.abc import Iterable

import xxhash


class FullCost:
    """Cost of evaluations in units of one full evaluation.

    Args:
        resumable: an evaluation goes on where a cheaper one of the same candidate and replicate ended.
    """

    def __init__(self, resumable: bool) -> None:
        self._resumable = resumable
        self._reached: dict[int, float] = {}  # by digest of candidate and replicate: there is one for each evaluation

    def cost(self, candidate: str, replicates: Iterable[int], share: float) -> float:
        """Returns what these replicates of one candidate cost, and keeps in mind how far they were taken."""
        cost = 0.0
        for replicate in replicates:
            place = xxhash.xxh3_64_intdigest(f"{replicate} {candidate}".encode())
            reached = self._reached.get(place, 0.0)
            cost += share - (reached if self._resumable and reached < share else 0.0)
            if self._resumable:  # nothing else asks how far it went
                self._reached[place] = max(reached, share)
        return cost
