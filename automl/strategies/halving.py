"""Asynchronous successive halving: many cheap evaluations, of which the best go on to fuller ones.

Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (arXiv 1810.05934), Algorithm 2.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xxhash

from automl.errors import InvalidInput
from automl.spaces.space import Candidate, Space
from automl.strategies.base import FULL, Hashes, Proposal, Strategy, Told

PROMOTED = "promote"
"""The origin of candidates that go on to the next rung."""

if TYPE_CHECKING:
    from automl.artefacts.content import Content
    from automl.evaluators.artefacts import Artefact
    from automl.evaluators.base import Evaluator


@dataclass
class SuccessiveHalving(Strategy):
    """ASHA (Li et al. 2020, arXiv 1810.05934): the best 1/reduction of each rung are promoted to the next fidelity.

    If no candidate can be promoted, a new one starts at the lowest rung.

    The strategy never waits for a rung to fill. A rung is a fidelity of the evaluator; fitness is compared within a
    rung only. A promotion in flight counts as made, so no candidate is promoted twice.

    Attributes:
        reduction: Number of candidates of a rung of which one is promoted; eta in the paper.
        levels: Number of rungs, including full evaluations; each costs about 1/reduction of the next. There are fewer
            if the evaluator has no fidelity in between.
        proposer: Name of the strategy that new candidates come from; it is told the results of the lowest rung. The
            paper samples uniformly.

    Raises:
        InvalidInput: a setting is out of range, or the proposer is unknown.

    Example:
        >>> strategy = SuccessiveHalving(reduction=3, levels=3)
        >>> strategy.rungs([0.02, 0.1, 0.3, 0.5])  # budget fractions that the evaluator offers
        [0.1, 0.3, 0.5]
    """

    name: ClassVar[str] = "successive_halving"

    reduction: int = 3
    levels: int = 3
    proposer: str = "random"

    def __post_init__(self) -> None:
        from automl.strategies import create

        if self.reduction < 2:
            raise InvalidInput(f"reduction={self.reduction}: one of at least 2 candidates goes on")
        if self.levels < 2:
            raise InvalidInput(f"levels={self.levels}: successive halving needs at least 2 rungs")
        if self.proposer == self.name:
            raise InvalidInput(f"proposer={self.proposer!r}: new candidates must come from another strategy")
        self._proposer = create(self.proposer)
        self.wants = self._proposer.wants

    def rungs(self, offered: Sequence[float]) -> Sequence[float]:
        """Returns the offered budget fractions nearest, as ratios, to 1, 1/reduction, 1/reduction², ….

        Raises:
            InvalidInput: the evaluator has no cheaper fidelity.
        """
        if len(offered) < 2:
            raise InvalidInput(
                "successive_halving needs an evaluator with cheaper evaluations (such as fewer epochs) and this one "
                "has none; take another strategy, or override the evaluator's approximations()"
            )
        wanted = [float(self.reduction) ** -level for level in range(self.levels)]
        return sorted({min(offered, key=lambda share: abs(math.log(share / want))) for want in wanted})

    def artefacts(self, space: Any, evaluator: Evaluator, seed: int) -> Sequence[Artefact]:
        return self._proposer.artefacts(space, evaluator, seed)

    def bind(
        self,
        space: Space,
        fidelities: Sequence[float] = (FULL,),
        hashes: Hashes | None = None,
        artefacts: Mapping[str, Content] | None = None,
    ) -> None:
        super().bind(space, fidelities, hashes)
        given: dict[str, Any] = {"hashes": hashes, "artefacts": artefacts}
        self._proposer.priced = self.priced
        self._proposer.bind(space, **{name: one for name, one in given.items() if name in self._proposer.wants})

    def account(self) -> dict[str, Any]:
        """Returns what the proposer learned, of the lowest rung."""
        return self._proposer.account()

    def reset(self) -> None:
        # per rung: (-fitness, trial), rising, failures last; and of these what may still go on
        self._ranking: list[list[tuple[float, int]]] = [[] for _ in self.fidelities]
        self._open: list[list[tuple[float, int]]] = [[] for _ in self.fidelities]
        self._candidates: dict[int, Candidate] = {}  # of the open ones, by trial
        self._entry: list[dict[str, tuple[float, int]]] = [{} for _ in self.fidelities]  # open ones by encoding
        self._known: list[set[int]] = [set() for _ in self.fidelities]  # digests of the encodings told on each rung

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        proposals = self._promotions(n)
        if len(proposals) < n:
            fresh = [one for one in self.pending if self._rung(one.fidelity) == 0]
            self._proposer.pending = [replace(one, fidelity=FULL) for one in fresh]
            new = self._proposer.ask(n - len(proposals), rng)
            proposals += [replace(one, fidelity=self.fidelities[0]) for one in new]
        return proposals

    def _promotions(self, n: int) -> list[Proposal]:
        """Returns up to `n` candidates to promote, from the highest rung down."""
        found: list[Proposal] = []
        on_their_way = {(self._rung(one.fidelity), one.candidate.json) for one in self.pending}
        for rung in range(len(self.fidelities) - 2, -1, -1):
            best = len(self._ranking[rung]) // self.reduction
            last = self._ranking[rung][best - 1] if best else None
            for entry in self._open[rung]:  # what went on is not among them: a step costs what it finds
                if len(found) == n:
                    return found
                if last is None or entry > last:
                    break
                candidate = self._candidates[entry[1]]
                step = (rung + 1, candidate.json)
                if step in on_their_way:
                    continue
                on_their_way.add(step)
                found.append(Proposal(candidate, PROMOTED, (entry[1],), self.fidelities[rung + 1]))
        return found

    def tell(self, trials: Sequence[Told]) -> None:
        for trial in trials:
            rung, text = self._rung(trial.fidelity), trial.candidate.json
            digest = xxhash.xxh3_64_intdigest(text.encode())
            if digest not in self._known[rung]:  # the same encoding again says nothing new about its rung
                self._known[rung].add(digest)
                entry = (math.inf if trial.fitness is None else -trial.fitness, trial.number)
                bisect.insort(self._ranking[rung], entry)
                last = rung == len(self.fidelities) - 1
                if trial.fitness is not None and not last and digest not in self._known[rung + 1]:
                    bisect.insort(self._open[rung], entry)
                    self._candidates[trial.number], self._entry[rung][text] = trial.candidate, entry
            if rung and (before := self._entry[rung - 1].pop(text, None)) is not None:
                self._open[rung - 1].pop(bisect.bisect_left(self._open[rung - 1], before))
                del self._candidates[before[1]]
        self._proposer.tell([replace(one, fidelity=FULL) for one in trials if self._rung(one.fidelity) == 0])

    def _rung(self, fidelity: float) -> int:
        return self.fidelities.index(fidelity)
