"""Asks the strategy for blocks of proposals and makes trials of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from automl.engine.blame import blaming
from automl.engine.keyer import Keyer
from automl.engine.meter import Meter
from automl.engine.order import TellOrder
from automl.engine.pruning import Pruning
from automl.engine.randomness import PROPOSE, generator
from automl.engine.trial import Trial
from automl.errors import InvalidSpace
from automl.rules import LoopSettings
from automl.strategies.base import FULL, Proposal, Strategy, Told


class Proposer:
    """Tells the strategy what is due, asks it, and makes trials of what it proposes.

    Args:
        settings: of the loop.
        strategy: bound to its space.
        keyer: finds the keys of proposals.
        order: says what is told when, and numbers trials.
        meter: counts what trials add.
        pruning: makes the rules by which evaluations are asked to stop early.

    Attributes:
        unmet: keys that count as new in the next block, see `Replay.run`.
        seconds: that the strategy has taken to learn and to propose.
    """

    def __init__(
        self,
        settings: LoopSettings,
        strategy: Strategy,
        keyer: Keyer,
        order: TellOrder,
        meter: Meter,
        pruning: Pruning | None = None,
    ) -> None:
        self._pruning = pruning
        self._settings, self._strategy, self._keyer = settings, strategy, keyer
        self._order, self._meter = order, meter
        self._fidelities = {
            fidelity.share: (fidelity, settings.context_of(fidelity.share)) for fidelity in settings.fidelities
        }
        self.unmet: Collection[bytes] = ()
        self.seconds = 0.0

    def tell(self, trials: Sequence[Told]) -> None:
        """Tells the strategy of recorded trials, where there are any."""
        if trials:
            self._meter.told(trials)
            if self._pruning is not None:
                self._pruning.told(trials)
            strategy, seconds = self._strategy, self._keyer.seconds * len(trials)
            began = time.perf_counter()
            with blaming(f"strategy {strategy.name} on space {strategy.space.kind} fails to learn", seconds):
                strategy.tell(trials)
            self.seconds += time.perf_counter() - began

    def propose(self) -> list[Trial]:
        """Returns the trials of as many blocks as the window and the budget have room for."""
        trials: list[Trial] = []
        while not self._meter.ended(self._order.asked) and (room := self._order.room()):
            self.tell(self._order.due())
            if self._meter.reached:
                break
            # A whole block is asked for: a budget cuts a study short and changes no trial.
            proposals = self._ask(self._settings.block)[:room]
            trials += self._trials(proposals)
            if len(proposals) < room:
                self._meter.exhausted = True
        return trials

    def _ask(self, n: int) -> list[Proposal]:
        number = self._order.next_number
        given = [Proposal(candidate, origin) for candidate, origin in self._settings.enqueued[number : number + n]]
        if len(given) == n:
            return given
        strategy = self._strategy
        strategy.pending = self._order.pending()
        seconds = self._keyer.seconds * n
        began = time.perf_counter()
        with blaming(f"strategy {strategy.name} on space {strategy.space.kind} fails to propose", seconds):
            proposals = strategy.ask(n - len(given), generator(self._settings.seed, PROPOSE, number))
        self.seconds += time.perf_counter() - began
        return given + proposals

    def _trials(self, proposals: Sequence[Proposal]) -> list[Trial]:
        began = time.perf_counter()
        keyed = self._keyer.keys(proposals, self._order.start, self.unmet)
        spent = time.perf_counter() - began + self._keyer.pool_seconds()
        seconds = spent / max(1, len(keyed))
        self.unmet = ()
        trials = []
        for proposal, key in self._order.not_recorded(keyed):
            if self._meter.spent():
                break
            if (found := self._fidelities.get(proposal.fidelity)) is None:
                raise InvalidSpace(
                    f"strategy {self._strategy.name} asks for fidelity {proposal.fidelity}, which is none of "
                    f"{', '.join(map(str, self._fidelities))}; let its rungs() return what it will ask for"
                )
            fidelity, context = found
            asked, number = self._order.asked, self._order.number(proposal)
            before = self._meter.evaluations
            plan = self._meter.plan(key, number, asked, proposal.candidate.json, fidelity.share)
            cost = self._meter.evaluations - before
            rule = self._pruning.rule(number) if self._pruning is not None and fidelity.share == FULL else None
            told = self._order.told
            if proposal.parents and min(proposal.parents) < 0:  # known before, and no trials of this study
                proposal = replace(proposal, parents=tuple(one for one in proposal.parents if one >= 0))
            trials.append(Trial(number, proposal, key, fidelity, context, plan, seconds, told, cost, rule))
        return trials
