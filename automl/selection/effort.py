"""The cost of evaluations at several fidelities, in units of one full evaluation."""

from __future__ import annotations

from collections.abc import Iterable


class FullCost:
    """Cost of evaluations in units of one full evaluation.

    Args:
        resumable: an evaluation goes on where a cheaper one of the same candidate and replicate ended.
    """

    def __init__(self, resumable: bool) -> None:
        self._resumable = resumable
        self._reached: dict[tuple[str, int], float] = {}

    def cost(self, candidate: str, replicates: Iterable[int], share: float) -> float:
        """Returns what these replicates of one candidate cost, and keeps in mind how far they were taken."""
        cost = 0.0
        for replicate in replicates:
            reached = self._reached.get((candidate, replicate), 0.0)
            cost += share - (reached if self._resumable and reached < share else 0.0)
            self._reached[candidate, replicate] = max(reached, share)
        return cost
