"""THE loop: ask → hash → resolve → submit → record → tell, every verb in the plural. One trial walks the line once.

The order in which things count does not depend on who finishes first. Trials are proposed in blocks; a block that
starts at trial n is proposed when the strategy has been told exactly the trials before n + block − window, in order.
So the same seed and window give the same trials. Asynchronous studies tell each result as it comes and record that
order.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from automl.behaviour import Behaviour
from automl.cache.policy import Plan
from automl.cache.store import EquivalenceCache
from automl.engine.blame import blaming
from automl.engine.flights import Flights, Outcome, Trial
from automl.engine.garbage import seldom_collected
from automl.errors import InvalidInput, InvalidSpace
from automl.hashing import Hashed, Hasher
from automl.jsontext import parse
from automl.observers import Observer
from automl.pool import Pool
from automl.rules import ENQUEUED, Fidelity, Rules
from automl.selection.effort import FullCost
from automl.spaces.space import Candidate, Space
from automl.storage.studies import StudyStore, TrialRecord
from automl.strategies.base import FULL, Proposal, Strategy, Told

ASK, VARY = 0, 1
"""Streams of a study's random numbers: proposals, and the variation of duplicates."""

MISSING = 20
"""After so many successful evaluations on end that lack an objective, it is taken for one that does not exist."""

HASHED = 1 << 16
"""Spellings whose keys are remembered, at most."""


def finite_only(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a candidate's costs without those that are not finite, which no database keeps."""
    if all(isinstance(value, int) or math.isfinite(value) for value in figures.values()):
        return figures
    return {name: value for name, value in figures.items() if isinstance(value, int) or math.isfinite(value)}


def _met_as(key: bytes, fidelity: Fidelity) -> bytes:
    """Returns what a class counts as where each fidelity has its own replicates."""
    return key if fidelity.share == FULL else key + str(fidelity.context).encode()


class Interrupted(Exception):
    """The study was asked to stop; what had finished is recorded, and it can be resumed."""


class Search:
    """One study's loop over parts that know nothing of each other.

    Attributes:
        interrupted: set to True (from a signal handler) to stop after this turn; `run` then raises Interrupted.
        exhausted: True when the loop ended because no new function was found for a long time.
    """

    def __init__(
        self,
        rules: Rules,
        space: Space,
        strategy: Strategy,
        hasher: Hasher,
        cache: EquivalenceCache,
        store: StudyStore,
        pool: Pool,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.rules = rules
        self.space = space
        self.strategy = strategy
        self.hasher = hasher
        self.cache = cache
        self.store = store
        self.pool = pool
        self.observers = observers
        self.interrupted = False
        self.exhausted = False
        self.fallbacks: dict[str, int] = {}  # why candidates were keyed by their JSON, and how many
        self._hashed: dict[str, Hashed] = {}  # by spelling
        self._asked = 0  # trials proposed
        self._done = 0  # trials recorded
        self._told = 0  # trials that the strategy knows
        self._untold: deque[Told] = deque()
        self._open: dict[int, Proposal] = {}  # proposed and not told, by number
        self._gaps: deque[int] = deque()  # numbers that an asynchronous study lost when it was killed
        self._begun = 0  # recorded trials of a block that a kill cut in two
        self._begun_new: set[bytes] = set()  # keys among them that the study had not met before that block
        self._drawn: float = 0  # evaluations drawn upon
        self._full_cost = FullCost(rules.carries)
        self._fidelities = {fidelity.share: fidelity for fidelity in rules.fidelities}
        self._cheapest = rules.fidelities[0]
        self._missing: dict[str, int] = {}  # successful trials on end that lacked a figure which the search needs
        self._reached = False  # the strategy was told of a trial whose fitness is enough
        self._last_new = 0  # the trial that last drew upon one
        self._finished: dict[int, Trial] = {}  # final, waiting for their turn
        self._recorded: list[TrialRecord] = []  # handed on, and the observers do not know
        self._elapsed_before = 0.0
        self._opened = pool.now()

    @property
    def drawn(self) -> float:
        """Number of evaluations that the study has drawn upon, whether it paid for them or found them in the cache.

        In full ones: a cheaper evaluation counts by its share of the cost.
        """
        return self._drawn

    def run(self, phase: str = "search") -> None:
        """Runs the study from wherever it stands to the end of its budget.

        Raises:
            Interrupted: it was asked to stop.
            StorageError: the database failed; what was committed stands.
        """
        self.strategy.bind(self.space, [fidelity.share for fidelity in self.rules.fidelities])
        self._replay()
        for observer in self.observers:
            observer.begin(self.rules, phase, self._done, self._drawn)
        flights = Flights(self.rules, self.cache, self.store, self.pool)
        with seldom_collected():
            try:
                while True:
                    flights.add(self._propose())
                    flights.resolve()
                    self._announce(flights)
                    if self._asked == self._done:
                        break
                    self._record(flights, flights.collect())
                    if self.interrupted:
                        raise Interrupted
            finally:
                flights.abandon()
                self._announce(flights)
        for observer in self.observers:
            observer.end(self.rules)

    # --- propose -----------------------------------------------------------------------------------------------------

    def _propose(self) -> list[Trial]:
        proposed: list[Trial] = []
        while not self._ended() and (n := self._room()):
            if not self.rules.asynchronous:
                self._tell_up_to(self._start + self.rules.block - self.rules.window)
            if self._reached:
                break
            proposals = self._ask(self.rules.block)[:n]  # a whole one: a budget cuts a study short and changes no trial
            proposed += self._hash(proposals)
            if len(proposals) < n:
                self.exhausted = True
        return proposed

    def _room(self) -> int:
        """Returns the size of the next block, 0 while the window has no room for it."""
        rules = self.rules
        room = rules.block if self._start + rules.block - rules.window <= self._done else 0
        if rules.budget.trials is not None:
            room = min(room, rules.budget.trials - self._start)
        return room if room > self._begun else 0

    @property
    def _start(self) -> int:
        """Where the next block starts.

        One that a kill cut in two is proposed as a whole again, and the recorded part of it left out: so a resumed
        study goes on with the very trials that it would have had.
        """
        return self._asked - self._begun

    def _ended(self) -> bool:
        budget = self.rules.budget
        if budget.evaluations is not None and self._asked - self._last_new > max(2000, 20 * self._drawn):
            self.exhausted = True
        return (
            self.exhausted
            or (budget.evaluations is not None and self._drawn >= budget.evaluations)
            or (budget.seconds is not None and self._elapsed() >= budget.seconds)
        )

    def _ask(self, n: int) -> list[Proposal]:
        number = self._gaps[0] if self._gaps else self._start
        given = [Proposal(candidate, origin) for candidate, origin in self.rules.enqueued[number : number + n]]
        if len(given) == n:
            return given
        self.strategy.pending = self._pending()
        with blaming(f"strategy {self.strategy.name} on space {self.space.kind} fails to propose"):
            return given + self.strategy.ask(n - len(given), self._rng(ASK, number))

    def _pending(self) -> list[Proposal]:
        """Returns what was proposed before the next block and is not told yet, in order."""
        return [proposal for number, proposal in self._open.items() if number < self._start]

    def _hash(self, proposals: Sequence[Proposal]) -> list[Trial]:
        began = time.perf_counter()
        proposals, hashed = self._vary_duplicates(list(proposals))
        seconds = (time.perf_counter() - began) / max(1, len(proposals))
        trials = []
        limit = self.rules.budget.evaluations
        new = list(zip(proposals, hashed, strict=True))[self._begun :]
        self._begun, self._begun_new = 0, set()
        for proposal, item in new:
            if limit is not None and self._drawn >= limit:
                break
            if item.fallback:
                self.fallbacks[item.fallback] = self.fallbacks.get(item.fallback, 0) + 1
            number = self._gaps.popleft() if self._gaps else self._asked
            fidelity = self._fidelity(proposal)
            plan = self._plan(item.key, number, proposal.candidate.json, fidelity)
            trials.append(Trial(number, proposal, item.key, fidelity, plan, seconds, self._told))
            self._open[number] = proposal
            self._asked += 1
        return trials

    def _keys(self, proposals: Sequence[Proposal]) -> list[Hashed]:
        """Returns the keys of the proposals; a spelling that was hashed lately is not hashed again."""
        if len(self._hashed) > HASHED:
            self._hashed.clear()
        texts = [proposal.candidate.json for proposal in proposals]
        new = {text: one.candidate for text, one in zip(texts, proposals, strict=True) if text not in self._hashed}
        pairs: list[tuple[Behaviour, Mapping[str, Any]]] = []
        with blaming(lambda: f"space {self.space.kind} fails on candidate {list(new)[len(pairs)]}"):
            for candidate in new.values():
                behaviour, training = self.space.behaviour(candidate), self.space.training(candidate)
                pairs.append((behaviour, training))
        self._hashed.update(zip(new, self.hasher.hash_many(pairs, list(new)), strict=True))
        return [self._hashed[text] for text in texts]

    def _vary_duplicates(self, proposals: list[Proposal]) -> tuple[list[Proposal], list[Hashed]]:
        """Hashes the proposals; where the policy says so, duplicates are mutated until their function is new."""
        hashed = self._keys(proposals)
        policy = self.rules.plans.policy
        if policy.on_duplicate == "serve" or not proposals or proposals[0].origin == ENQUEUED:
            return proposals, hashed
        rng = self._rng(VARY, self._start)
        for _ in range(policy.vary_at_most):
            met: set[bytes] = set()
            again = []
            for place, item in enumerate(hashed):
                fidelity = self._fidelity(proposals[place])
                if fidelity != self._cheapest:
                    continue  # it goes on with something known
                key = _met_as(item.key, fidelity)
                if key in met or (key in self.rules.plans and key not in self._begun_new):
                    again.append(place)
                met.add(key)
            if not again:
                break
            children = self.space.mutate_many([proposals[place].candidate for place in again], rng)
            for place, child in zip(again, children, strict=True):
                proposals[place] = replace(proposals[place], candidate=child)
            for place, item in zip(again, self._keys([proposals[place] for place in again]), strict=True):
                hashed[place] = item
        return proposals, hashed

    def _fidelity(self, proposal: Proposal) -> Fidelity:
        fidelity = self._fidelities.get(proposal.fidelity)
        if fidelity is None:
            raise InvalidSpace(
                f"strategy {self.strategy.name} asks for fidelity {proposal.fidelity}, which is none of "
                f"{', '.join(map(str, self._fidelities))}; let its rungs() return what it will ask for"
            )
        return fidelity

    def _plan(self, key: bytes, number: int, candidate: str, fidelity: Fidelity) -> Plan:
        plan = self.rules.plans.plan(_met_as(key, fidelity), number)
        if plan.adds:
            new = range(plan.replicates - plan.adds, plan.replicates)
            self._drawn += self._full_cost.cost(candidate, new, fidelity.share) if self.rules.rungs else plan.adds
            self._last_new = self._asked
        return plan

    def _rng(self, stream: int, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self.rules.seed, stream], counter=[0, 0, 0, number]))

    # --- record and tell ---------------------------------------------------------------------------------------------

    def _record(self, flights: Flights, final: Sequence[Trial]) -> None:
        """Hands on what has finished, in order, to be committed with the next claims, or at once where it was dear."""
        for trial in final:
            self._finished[trial.number] = trial
        ready = self._ready()
        now = self._elapsed()
        records = [self._record_of(trial, position, now) for position, trial in enumerate(ready, self._done)]
        flights.record(records)
        for trial, record in zip(ready, records, strict=True):
            self._untold.append(self._told_of(record, trial.proposal.candidate, trial.fidelity))
        self._done += len(ready)
        if self.rules.asynchronous:
            self._tell_up_to(self._done)
        self._recorded += records

    def _announce(self, flights: Flights) -> None:
        """Tells the observers what has been committed: they may look it up."""
        records, self._recorded = self._recorded, []
        for observer in self.observers:
            observer.turn(self.rules, records, flights.in_flight, self._drawn)

    def _ready(self) -> list[Trial]:
        if self.rules.asynchronous:
            ready = list(self._finished.values())
            self._finished.clear()
            return ready
        ready = []
        while (number := self._done + len(ready)) in self._finished:
            ready.append(self._finished.pop(number))
        return ready

    def _record_of(self, trial: Trial, position: int, now: float) -> TrialRecord:
        costs = finite_only(self.space.costs(trial.proposal.candidate))
        outcome = self._complete(trial.outcome(self.rules.study), costs)
        fitness = outcome.metrics.get(self.rules.objective)
        return TrialRecord(
            number=trial.number,
            candidate=trial.proposal.candidate.json,
            key=trial.key,
            context=trial.fidelity.context,
            outcome=outcome.name,
            fitness=fitness if trial.fidelity.share == FULL else None,
            metrics=outcome.metrics,
            replicates=outcome.replicates,
            origin=trial.proposal.origin,
            parents=trial.proposal.parents,
            error=outcome.error,
            paid_seconds=outcome.paid_seconds,
            saved_seconds=outcome.saved_seconds,
            hash_seconds=trial.hash_seconds,
            costs=costs,
            told_at=now,
            position=position,
        )

    def _complete(self, outcome: Outcome, costs: Mapping[str, Any]) -> Outcome:
        """Returns the outcome, failed where a figure is missing that the search needs.

        Evaluators' figures that are not finite have been left out before. The evaluation itself stands in the cache as
        it is: for a search with other objectives nothing is missing.
        """
        if outcome.name == "failed":
            return outcome
        missing = self.rules.needs - outcome.metrics.keys() - costs.keys()
        self._missing = {name: self._missing.get(name, 0) + 1 for name in missing}
        for name, times in self._missing.items():
            if times >= MISSING:  # never once since the first trial
                known = ", ".join(sorted({*outcome.metrics, *costs}))
                raise InvalidInput(f"there is no metric {name!r}, an objective or constraint; this search has {known}")
        if not missing:
            return outcome
        error = f"the metric {min(missing)!r}, an objective or constraint of the search, is missing or not finite"
        return replace(outcome, name="failed", metrics={}, error=error)

    def _told_of(self, record: TrialRecord, candidate: Candidate, fidelity: Fidelity) -> Told:
        fitness = record.metrics.get(self.rules.objective)
        if fitness is not None and not self.rules.maximize:
            fitness = -fitness
        duplicate = record.outcome in ("hit", "joined")
        return Told(record.number, candidate, fitness, record.metrics, duplicate, fidelity.share, tuple(record.parents))

    def _tell_up_to(self, count: int) -> None:
        if count > self._told:
            told = [self._untold.popleft() for _ in range(count - self._told)]
            for trial in told:
                del self._open[trial.number]
                self._reached = self._reached or self._suffices(trial)
            self.strategy.tell(told)
            self._told = count

    def _suffices(self, trial: Told) -> bool:
        until = self.rules.budget.until
        if until is None or trial.fitness is None or trial.fidelity != FULL:
            return False
        return trial.fitness >= (until if self.rules.maximize else -until)

    # --- resume ------------------------------------------------------------------------------------------------------

    def _replay(self) -> None:
        """Rebuilds the strategy and the counts from the recorded trials; nothing of it was kept anywhere else."""
        hold_back = 0 if self.rules.asynchronous else self.rules.window
        numbers: set[int] = set()
        last: deque[tuple[bytes, bool]] = deque(maxlen=self.rules.block)  # keys, and whether they were new
        fidelities = {fidelity.context: fidelity for fidelity in self.rules.fidelities}
        for record in self.store.trials(self.rules.study):
            candidate, fidelity = self.space.decode(parse(record.candidate)), fidelities[record.context]
            self._untold.append(self._told_of(record, candidate, fidelity))
            self._open[record.number] = Proposal(candidate, record.origin, record.parents, fidelity.share)
            self._done += 1
            numbers.add(record.number)
            key = _met_as(record.key, fidelity)
            last.append((key, key not in self.rules.plans))
            self._plan(record.key, record.number, record.candidate, fidelity)
            self._asked = max(self._asked, record.number + 1)
            self._elapsed_before = max(self._elapsed_before, record.told_at)
            if len(self._untold) > hold_back + 1000:
                self._tell_up_to(self._done - hold_back)
        if self.rules.asynchronous:
            self._tell_up_to(self._done)
            self._gaps.extend(number for number in range(self._asked) if number not in numbers)
        self._asked = self._done
        self._begun = self._done % self.rules.block
        self._begun_new = {key for key, new in list(last)[len(last) - self._begun :] if new}

    def _elapsed(self) -> float:
        return self._elapsed_before + self.pool.now() - self._opened
