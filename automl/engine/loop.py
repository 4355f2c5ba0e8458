"""THE loop: ask → hash → resolve → submit → record → tell, every verb in the plural. One trial walks the line once.

Each part holds one idea: keys (`Keyer`), the order of telling (`TellOrder`), what has been spent (`Meter`), stored
trials (`Replay`), new trials (`Proposer`), trials until they have their results (`InFlight`), and what waits for a
commit (`Outbox`).
"""

from __future__ import annotations

from collections.abc import Sequence

from automl.cache.store import EquivalenceCache
from automl.engine.garbage import seldom_collected
from automl.engine.in_flight import InFlight
from automl.engine.keyer import Keyer
from automl.engine.meter import Meter
from automl.engine.order import TellOrder
from automl.engine.outbox import Outbox
from automl.engine.proposer import Proposer
from automl.engine.replay import Replay
from automl.engine.trial import Trial, told_of
from automl.hashing import Hasher
from automl.observers import Observer
from automl.pool import Pool
from automl.rules import LoopSettings
from automl.spaces.space import Space
from automl.storage.studies import StudyStore
from automl.strategies.base import Strategy


class Interrupted(Exception):
    """The study was asked to stop; what had finished is recorded, and it can be resumed."""


class Search:
    """One study's loop.

    Attributes:
        meter: what the study has spent.
        interrupted: set to True (from a signal handler) to stop after this turn; `run` then raises Interrupted.
    """

    def __init__(
        self,
        settings: LoopSettings,
        space: Space,
        strategy: Strategy,
        hasher: Hasher,
        cache: EquivalenceCache,
        store: StudyStore,
        pool: Pool,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.settings, self.space, self.strategy, self.observers = settings, space, strategy, observers
        self.meter = Meter(settings, pool.now)
        self.interrupted = False
        self._order = TellOrder(settings)
        self._proposer = Proposer(settings, strategy, Keyer(settings, space, hasher), self._order, self.meter)
        self._replay = Replay(settings, space, store)
        self._outbox = Outbox(settings.study, cache, store)
        self._in_flight = InFlight(settings, cache, pool, self._outbox)

    def run(self, phase: str = "search") -> None:
        """Runs the study from wherever it stands to the end of its budget.

        Raises:
            Interrupted: it was asked to stop.
            StorageError: the database failed; what was committed stands.
        """
        self.strategy.bind(self.space, [fidelity.share for fidelity in self.settings.fidelities])
        self._proposer.unmet = self._replay.run(self._order, self.meter, self._proposer.tell)
        for observer in self.observers:
            observer.begin(self.settings, phase, self._order.done, self.meter.evaluations)
        with seldom_collected():
            try:
                while True:
                    self._in_flight.add(self._proposer.propose())
                    self._in_flight.resolve()
                    self._announce()
                    if self._order.asked == self._order.done:
                        break
                    self._record(self._in_flight.collect())
                    if self.interrupted:
                        raise Interrupted
            finally:
                self._in_flight.abandon()
                self._announce()
        for observer in self.observers:
            observer.end(self.settings)

    def _record(self, final: Sequence[Trial]) -> None:
        """Records what has finished, in order."""
        ready, objective, seconds = self._order.in_turn(final), self.settings.objective, self.meter.seconds()
        records = [
            trial.record(self.settings.study, objective, self.space.costs(trial.proposal.candidate), position, seconds)
            for position, trial in enumerate(ready, self._order.done)
        ]
        self._outbox.record(records)
        self._order.recorded(
            told_of(record, trial.proposal.candidate, trial.fidelity.share, objective)
            for trial, record in zip(ready, records, strict=True)
        )

    def _announce(self) -> None:
        """Tells the observers what has been committed: they may look it up."""
        records = self._outbox.committed()
        for observer in self.observers:
            observer.turn(self.settings, records, self._in_flight.evaluations, self.meter.evaluations)
