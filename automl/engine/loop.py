"""THE loop: ask → hash → resolve → submit → record → tell, every verb in the plural. One trial walks the line once.

Each part holds one idea: keys (`Keyer`), the order of telling (`TellOrder`), what has been spent (`Meter`), stored
trials (`Replay`), new trials (`Proposer`), trials until they have their results (`InFlight`), what waits for a
commit (`Outbox`), and the figures that a trial must have (`Needs`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from automl.artefacts.content import Content
from automl.cache.features import StoredFeatures
from automl.cache.records import Claim, Result
from automl.cache.store import EquivalenceCache
from automl.engine.blame import blaming
from automl.engine.dear_proposals import DearProposals
from automl.engine.first_failures import FirstFailures
from automl.engine.garbage import seldom_collected
from automl.engine.idle import Idle
from automl.engine.in_flight import InFlight
from automl.engine.keyer import Keyer
from automl.engine.meter import Meter
from automl.engine.needs import Needs
from automl.engine.notices import Notices
from automl.engine.objective import ObjectiveCheck
from automl.engine.order import TellOrder
from automl.engine.outbox import Outbox
from automl.engine.pausing import Pausing
from automl.engine.proposer import Proposer
from automl.engine.pruning import Pruning
from automl.engine.replay import Replay
from automl.engine.trial import Slot, Trial, told_of
from automl.engine.troubles import KeyedByJson, SilentHolders, SlowEvaluations
from automl.hashing.isolated import HashJobs
from automl.observers import LoopFigures, Observer
from automl.pool import Pool
from automl.rules import LoopSettings
from automl.setup.proposing import ARTEFACTS
from automl.spaces.space import Candidate
from automl.storage.records import TrialRecord
from automl.storage.studies import StudyStore
from automl.strategies.base import Strategy

FIGURES_SECONDS = 1.0
"""How often observers are told how the loop stands."""


class Interrupted(Exception):
    """The study was asked to stop; what had finished is recorded, and it can be resumed."""


class Parked(Exception):
    """Nothing can go on before somebody tells what came of the evaluations that were handed out.

    Args:
        claims: of those that were handed out in this run, with their contexts, by job.
    """

    def __init__(self, claims: Mapping[int, tuple[int, Claim]]) -> None:
        self.claims = claims


class Search:
    """One study's loop.

    Attributes:
        meter: what the study has spent.
        broken_off: number of evaluations that were stopped because the budget of time was spent.
        interrupted: set to True (from a signal handler) to stop after this turn; `run` then raises Interrupted.
    """

    def __init__(
        self,
        settings: LoopSettings,
        strategy: Strategy,
        jobs: HashJobs,
        cache: EquivalenceCache,
        store: StudyStore,
        pool: Pool,
        observers: Sequence[Observer] = (),
        notices: Notices | None = None,
        context_at: Callable[[float], int] | None = None,
        pausing: Pausing | None = None,
        artefacts: Mapping[str, Content] | None = None,
    ) -> None:
        self._artefacts = dict(artefacts or {})
        self.settings, self.strategy, self.observers = settings, strategy, observers
        self.meter = Meter(settings, pool.now)
        self.interrupted = False
        self._jobs, self._pool, self._store = jobs, pool, store
        self._order = TellOrder(settings)
        self._notices = notices or Notices()
        self._features = StoredFeatures(cache.database, jobs.hasher)
        self._keyer = Keyer(settings, jobs, self._notices, self._features)
        self._outbox = Outbox(settings.study, cache, store)
        self._pruning = Pruning(settings, cache, self._outbox.commit)
        pruning = self._pruning if self._pruning.active else None
        self._proposer = Proposer(settings, strategy, self._keyer, self._order, self.meter, pruning)
        self._objective = ObjectiveCheck(settings)
        self._replay = Replay(settings, jobs, store, self._objective, self._replayed)
        self._in_flight = InFlight(settings, cache, pool, self._outbox, self._notices, context_at)
        self._needs = Needs(settings.needs)
        self._slow = SlowEvaluations(pool, settings.first_timeout)
        self._in_flight.ended = self._slow.ended
        self._idle = Idle(pool)
        self._holders = SilentHolders(cache)
        self._json = KeyedByJson(
            self._keyer,
            lambda found: store.note(settings.study, "keyed_by_json", found),
            self._notices,
            settings.json_hint,
            store.by_id(settings.study).settings.get("environment", {}).get("keyed_by_json"),
        )
        self._dear = DearProposals(strategy.name) if "hashes" in strategy.wants else None
        self._first = FirstFailures(settings.name, settings.equal_failures)
        self._figured = 0.0
        self._pausing = pausing

    @property
    def broken_off(self) -> int:
        return self._in_flight.broken_off

    def awaited(self) -> list[Slot]:
        """Returns what others evaluate for trials of this study, or whoever took what was handed out."""
        return self._in_flight.elsewhere()

    def pooled(self) -> dict[str, int]:
        """Returns numbers of encodings and of functions that the strategy asked about; empty without any."""
        return self._keyer.pool_counts()

    def run(self, phase: str = "search") -> None:
        """Runs the study from wherever it stands to the end of its budget.

        Raises:
            Interrupted: it was asked to stop.
            Parked: the pool hands evaluations out, and the study waits for what comes of them.
            InvalidInput: no trial of the first block has the objective.
            SearchFailed: the first candidates all failed alike.
            WorkersLost: all workers are gone.
            StorageError: the database failed; what was committed stands.
        """
        self._bind()
        self._proposer.unmet = self._replay.run(self._order, self.meter, self._proposer.tell)
        for observer in self.observers:
            observer.begin(self.settings, phase, self._order.done, self.meter.evaluations)
            observer.went_on(self.settings, self._replay.best)
        left = self.meter.seconds_left()
        if left is not None:
            self._pool.stop_at(self._pool.now() + left)
        with seldom_collected(), self._slow.watched(self._in_flight.name, self._say):
            try:
                while self._turn():
                    pass
            except (Interrupted, Parked):
                self._close()
                raise
            except BaseException:
                with contextlib.suppress(Exception):  # what ended the search is what has to be heard of
                    self._close()
                raise
            self._close()
        if phase == "search" and (said := self._idle.sentence(self.settings, self._slow.recent)):
            self._notices.say(said)
            self._store.note(self.settings.study, "idle_share", round(self._idle.share, 3))
        if left is not None:
            self._pool.stop_at(None)
        for observer in self.observers:
            observer.end(self.settings)

    def _close(self) -> None:
        """Commits and tells what has not been, and gives back what is still claimed."""
        self._in_flight.abandon()
        self._features.write()
        self._json.look(last=True)
        self._figured = 0.0
        self._announce()

    def _bind(self) -> None:
        space, shares = self._jobs.space, [fidelity.share for fidelity in self.settings.fidelities]
        self.strategy.priced = None if self._jobs.priced is space else self._jobs.priced
        given: dict[str, Any] = {"artefacts": self._artefacts} if ARTEFACTS in self.strategy.wants else {}
        if "hashes" in self.strategy.wants:
            with blaming(f"space {space.kind} fails on some of its candidates", self._jobs.seconds):
                foreign = self._jobs.foreign(space.sample(np.random.default_rng(self.settings.seed)))
            # A pool of hundreds is hashed for each evaluation: only where that is our own code's work, and quick,
            # unless the strategy asks for it.
            unwanted = foreign and "own code" not in self.strategy.wants
            self.strategy.bind(space, shares, None if unwanted else self._keyer.look(), **given)
        else:
            self.strategy.bind(space, shares, **given)
        if known := self.settings.known:
            began = time.perf_counter()
            with blaming(f"strategy {self.strategy.name} fails on known results", self._jobs.seconds * len(known)):
                self.strategy.begin(known)
            self._proposer.seconds += time.perf_counter() - began

    def _turn(self) -> bool:
        """Leads all trials one step on; returns False when the study has ended."""
        over = self.meter.out_of_time()
        paused = self._pausing is not None and self._pausing.asked()
        if not paused:
            self._in_flight.add(self._proposer.propose())
        self._in_flight.resolve(start=not over and not paused)
        self._announce()
        # Whoever hands evaluations out visits the study for a moment: it is the next visit that waits, outside of it.
        if paused and not self._in_flight.evaluations and not self._pool.hands_out:
            self._rest()
            return True
        if not paused and self._order.asked == self._order.done:
            return False
        if over and self._in_flight.idle:  # what is left would have to be evaluated
            self.meter.evaluations -= sum(trial.cost for trial in (*self._in_flight.open(), *self._order.out_of_turn()))
            return False
        self._idle.begin(self._in_flight.evaluations, not self.meter.ended(self._order.asked))
        final = self._in_flight.collect()
        self._idle.end()
        self._record(final)
        self._watch()
        if self._pool.hands_out and not final:
            raise Parked(self._in_flight.handed_out())
        if self.interrupted:
            raise Interrupted
        return True

    def _rest(self) -> None:
        """Waits while the study is paused. Everything that has finished is committed, and nothing is claimed."""
        assert self._pausing is not None
        self._features.write()
        self.meter.rested(self._pausing.rest(lambda: self.interrupted))
        if self.interrupted:
            raise Interrupted
        left = self.meter.seconds_left()
        self._pool.stop_at(None if left is None else self._pool.now() + left)

    def _watch(self) -> None:
        """Tells the user of what takes long, of who is missing, and of what is not hashed."""
        self._json.look()
        self._features.write_due()  # here, where no limit of time of a strategy's may break it off
        self._say(self._pool.news())
        self._say(self._slow.look(self._in_flight.name))
        if self._in_flight.waits:
            self._say(self._holders.look(self._in_flight.elsewhere()))

    def _say(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            self._notices.say(sentence)

    def _record(self, final: Sequence[Trial]) -> None:
        """Records what has finished, in order."""
        ready, objective, seconds = self._order.in_turn(final), self.settings.objective, self.meter.seconds()
        costs, study = self._costs([trial.proposal.candidate for trial in ready]), self.settings.study
        records = [
            trial.record(study, objective, cost, position, seconds)
            for position, (trial, cost) in enumerate(zip(ready, costs, strict=True), self._order.done)
        ]
        if self.settings.needs:
            records = [self._checked(trial, record) for trial, record in zip(ready, records, strict=True)]
        self._outbox.record(records)
        self._pruning.recorded(records)
        self._order.recorded(
            told_of(record, trial.proposal.candidate, trial.fidelity.share, objective)
            for trial, record in zip(ready, records, strict=True)
        )
        self._objective.recorded(ready, records, self._order.done)
        if self._dear is not None and (said := self._dear.ended(records, self._proposer.seconds)):
            self._notices.once("dear proposals", said)

    def _checked(self, trial: Trial, record: TrialRecord) -> TrialRecord:
        return record if trial.reached is not None else self._needs.checked(record)

    def _replayed(self, record: TrialRecord) -> None:
        """Takes a trial of a former run; what stopped early there is shared or carried on as it would have been."""
        self._pruning.recorded([record])
        context = self.settings.context
        paid = record.outcome not in ("hit", "joined")  # whoever shared it did not stop anything
        if paid and self._pruning.active and record.context not in (context, *self.settings.contexts.values()):
            result = Result(
                0, record.metrics, "", record.paid_seconds, self.settings.study, record.number, record.context
            )
            self._in_flight.stopped_before(record.number, (context, record.key, 0), result)

    def _costs(self, candidates: Sequence[Candidate]) -> list[Mapping[str, float]]:
        with blaming(f"costs() of space {self._jobs.space.kind} does not come back"):
            found = self._jobs.costs(candidates)
        for _, complaint in found:
            if complaint:
                self._notices.once("costs", f"{complaint}; such trials are recorded without it")
        return [costs for costs, _ in found]

    def _announce(self) -> None:
        """Tells the observers what has been committed: they may look it up.

        Raises:
            SearchFailed: the first candidates all failed alike.
        """
        records = self._outbox.committed()
        for observer in self.observers:
            observer.keyed(self.settings, self._keyer.hashed, self._keyer.by_json)
            observer.turn(self.settings, records, self._in_flight.evaluations, self.meter.evaluations)
        if time.monotonic() - self._figured >= FIGURES_SECONDS:
            self._figured = time.monotonic()
            figures = self._figures()
            for observer in self.observers:
                observer.figures(self.settings, figures)
        self._first.look(records)

    def _figures(self) -> LoopFigures:
        return LoopFigures(
            self._in_flight.queued,
            self._in_flight.waiting,
            self._in_flight.retries,
            self._features.computed,
            self._outbox.commits,
            self._outbox.commit_seconds,
            self.meter.left(self._order.done),
        )
