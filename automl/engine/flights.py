"""Trials between proposal and record: what each waits for, who evaluates it, and who is to blame when that fails."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from automl.cache.policy import Plan
from automl.cache.records import Claim, Request, Resolution, Result
from automl.cache.store import EquivalenceCache
from automl.evaluators.checkpoints import file_of
from automl.evidence.means import mean
from automl.pool import Completion, Job, Pool
from automl.rules import Fidelity, Rules
from automl.storage.studies import StudyStore, TrialRecord
from automl.strategies.base import Proposal

if TYPE_CHECKING:
    from sqlalchemy import Connection

POLL_SECONDS = 0.25
"""How often claims of other processes are looked at."""

CHEAP_SECONDS = 0.1
"""Evaluations that a kill may cost, at most: what took less may be committed together with the next turn's claims."""

OutcomeName = Literal["miss", "hit", "partial", "joined", "failed"]

Slot = tuple[int, bytes, int]
"""A context, a key and the number of a replicate: what one evaluation fills."""


@dataclass(slots=True)
class Outcome:
    """What came of one trial, as it is recorded; nobody changes it."""

    name: OutcomeName
    metrics: Mapping[str, float]
    replicates: int
    error: str
    paid_seconds: float
    saved_seconds: float


@dataclass(slots=True)
class Trial:
    """One proposal under way.

    Attributes:
        fidelity: how much of a full evaluation it gets.
        plan: which replicates of its class it sees, and whether its own spelling is evaluated too (an audit).
        told_before: number of trials that the strategy had been told when this one was proposed.
        results: the replicates that are final; an audit stands under a negative number.
        waited: True where another process evaluated something for it.
        landed: True once it has been handed on.
    """

    number: int
    proposal: Proposal
    key: bytes
    fidelity: Fidelity
    plan: Plan
    hash_seconds: float
    told_before: int
    results: dict[int, Result] = field(default_factory=dict)
    waited: bool = False
    landed: bool = False

    def slot(self, replicate: int) -> Slot:
        return self.fidelity.context, self.key, replicate

    @property
    def final(self) -> bool:
        return len(self.results) == self.plan.replicates - self.plan.first + self.plan.audit

    @property
    def seen(self) -> list[Result]:
        """The results that its fitness is the mean of; an audit is not among them."""
        return [result for replicate, result in self.results.items() if replicate >= 0]

    def outcome(self, study: int) -> Outcome:
        """Names the outcome from who paid for the results, so that it does not depend on who was faster.

        One failed replicate fails the class: a mean over the lucky ones would flatter it.
        """
        results, mine, waited, error = self.seen, 0, self.waited, None
        paid_seconds, seconds = 0.0, 0.0
        for result in self.results.values():
            own = result.study == study
            if own and result.trial == self.number:
                paid_seconds += result.seconds
                mine += result.replicate >= 0
            elif own and result.trial is not None and result.trial >= self.told_before:
                waited = waited or result.replicate >= 0
            if result.replicate >= 0:
                seconds += result.seconds
                if result.metrics is None:
                    error = error or result.error
        if error is not None:
            name: OutcomeName = "failed"
        elif mine:
            name = "miss" if mine == len(results) else "partial"
        else:
            name = "joined" if waited else "hit"
        metrics = {} if name == "failed" else _mean(results)
        return Outcome(name, metrics, len(results), error or "", paid_seconds, 0.0 if mine else seconds / len(results))


def _request(trial: Trial) -> Request:
    plan = trial.plan
    return Request(
        trial.number, trial.key, trial.proposal.candidate.json, plan.replicates, first=plan.first, audit=plan.audit
    )


def _mean(results: Sequence[Result]) -> Mapping[str, float]:
    first = results[0].metrics or {}
    if len(results) == 1:
        return first
    every = [result.metrics or {} for result in results]
    shared = [name for name in first if all(name in metrics for metrics in every)]
    return {name: mean(metrics[name] for metrics in every) for name in shared}


@dataclass(slots=True)
class Ended:
    """What workers brought of one context: (claim, metrics, seconds), (claim, learning curve), (claim, error, seconds),
    (claim, why lost).
    """

    done: list[tuple[Claim, Mapping[str, float], float]] = field(default_factory=list)
    curves: list[tuple[Claim, str]] = field(default_factory=list)
    failed: list[tuple[Claim, str, float]] = field(default_factory=list)
    lost: list[tuple[Claim, str]] = field(default_factory=list)


class Flights:
    """The trials of one study that are under way."""

    def __init__(self, rules: Rules, cache: EquivalenceCache, store: StudyStore, pool: Pool) -> None:
        self._rules = rules
        self._cache = cache
        self._store = store
        self._pool = pool
        self._fresh: list[Trial] = []  # never resolved
        self._queue: dict[int, Trial] = {}  # something missing that nobody evaluates, by number
        self._awaiting: dict[Slot, list[Trial]] = defaultdict(list)
        self._flying: dict[Slot, Claim] = {}  # our own claims
        self._jobs: dict[int, tuple[Claim, int]] = {}  # with their contexts
        self._next_job = 0
        self._tries: dict[Slot, int] = defaultdict(int)
        self._given_up: dict[Slot, Result] = {}  # lost as often as may be: not tried again in this run
        self._final: list[Trial] = []
        self._ended: dict[int, Ended] = {}  # by context, not yet committed
        self._records: list[TrialRecord] = []  # not yet committed
        self._unsaved_seconds = 0.0  # of the evaluations among them
        self._polled = 0.0

    @property
    def in_flight(self) -> int:
        """Number of evaluations that our workers have."""
        return len(self._jobs)

    def add(self, trials: Sequence[Trial]) -> None:
        """Takes in newly proposed trials; one that needs what was given up has failed already."""
        for trial in trials:
            wanted = range(trial.plan.first, trial.plan.replicates) if self._given_up else ()
            lost = next((slot for replicate in wanted if (slot := trial.slot(replicate)) in self._given_up), None)
            if lost is None:
                self._fresh.append(trial)
            else:
                trial.results[lost[2]] = self._given_up[lost]
                trial.landed = True
                self._final.append(trial)

    # --- resolve and submit ------------------------------------------------------------------------------------------

    def resolve(self) -> None:
        """Looks up what is stored, claims what is missing and can be started now, and starts it.

        All that waits to be saved is committed in the same transaction: a commit waits for the disk, and one a turn is
        enough.
        """
        capacity = self._pool.capacity()
        due = self._waiting_for_queue(capacity) + self._waiting_for_others() + self._newcomers(capacity)
        trials = sorted({trial.number: trial for trial in due}.values(), key=lambda trial: trial.number)
        if not trials:
            self._save()
            return
        by_context: dict[int, list[Trial]] = defaultdict(list)
        for trial in trials:
            by_context[trial.fidelity.context].append(trial)
        taken: list[tuple[Trial, Resolution]] = []

        def work(connection: Connection) -> None:
            self._write(connection)
            taken.clear()  # a transaction may have to be repeated
            left = capacity
            for context, some in by_context.items():
                requests = [_request(trial) for trial in some]
                found = self._cache.resolve_many(context, self._rules.study, requests, left, connection=connection)
                taken.extend(zip(some, found, strict=True))
                left -= sum(len(resolution.claims) for resolution in found)

        self._commit(work)
        jobs = [job for trial, resolution in taken for job in self._take(trial, resolution)]
        if jobs:
            self._pool.submit(jobs)

    def _waiting_for_queue(self, capacity: int) -> list[Trial]:
        return [trial for trial, _ in zip(self._queue.values(), range(capacity), strict=False)]

    def _newcomers(self, capacity: int) -> list[Trial]:
        """Returns the trials never looked up, but for those whose class an earlier one is queued for: these queue too.

        Otherwise who pays for a class would depend on how many evaluations could be started at that moment.
        """
        fresh, self._fresh = self._fresh, []
        if len(self._queue) <= capacity:
            return fresh
        queued = {trial.slot(0) for trial in self._queue.values()}
        behind = [trial for trial in fresh if trial.slot(0) in queued]
        self._queue.update((trial.number, trial) for trial in behind)
        return [trial for trial in fresh if trial.number not in self._queue]

    def _waiting_for_others(self) -> list[Trial]:
        """Returns one trial for each slot that another process is filling, when it is time to look again."""
        others = [waiting[0] for slot, waiting in self._awaiting.items() if slot not in self._flying]
        if not others or time.monotonic() - self._polled < POLL_SECONDS:
            return []
        self._polled = time.monotonic()
        return others

    def _take(self, trial: Trial, resolution: Resolution) -> list[Job]:
        for result in (*resolution.results, *([resolution.audit] if resolution.audit else [])):
            slot = trial.slot(result.replicate)
            if slot in self._awaiting:
                self._deliver(slot, result, waited=True)
            trial.results.setdefault(result.replicate, result)  # it may be none of those that waited
        jobs = []
        for claim in resolution.claims:
            slot = trial.slot(claim.replicate)
            self._flying[slot] = claim
            self._wait(trial, slot)
            jobs.append(self._job(claim, trial))
        for replicate in resolution.waiting:
            self._wait(trial, trial.slot(replicate))
        if resolution.queued:
            self._queue[trial.number] = trial
        else:
            self._queue.pop(trial.number, None)
        self._land(trial)
        return jobs

    def _wait(self, trial: Trial, slot: Slot) -> None:
        if trial not in self._awaiting[slot]:
            self._awaiting[slot].append(trial)

    def _job(self, claim: Claim, trial: Trial) -> Job:
        self._next_job += 1
        self._jobs[self._next_job] = (claim, trial.fidelity.context)
        rules, text = self._rules, trial.proposal.candidate.json
        kept = file_of(rules.checkpoints, claim.key, claim.replicate, text) if rules.checkpoints else None
        return Job(self._next_job, text, claim.seed, claim.replicate, rules.part, trial.fidelity.settings, kept)

    # --- collect and save --------------------------------------------------------------------------------------------

    def collect(self) -> list[Trial]:
        """Returns the trials that have become final, waiting a moment for workers where none has."""
        if self._jobs:
            for completion in self._pool.completed(0.0 if self._final else POLL_SECONDS):
                self._settle(completion)
        elif not self._final and self._awaiting:
            time.sleep(POLL_SECONDS)
        final, self._final = self._final, []
        return final

    def _settle(self, completion: Completion) -> None:
        claim, context = self._jobs.pop(completion.job)
        self._unsaved_seconds += completion.seconds
        slot = (context, claim.key, claim.replicate)
        ended = self._ended.setdefault(context, Ended())
        del self._flying[slot]
        result = Result(
            claim.replicate,
            completion.metrics,
            completion.error,
            completion.seconds,
            self._rules.study,
            claim.number,
        )
        if completion.metrics is not None:
            ended.done.append((claim, completion.metrics, completion.seconds))
            if completion.curve:
                ended.curves.append((claim, completion.curve))
        elif completion.fault == "candidate":
            ended.failed.append((claim, completion.error, completion.seconds))
        else:
            ended.lost.append((claim, f"{completion.fault}: {completion.error}"))
            self._tries[slot] += 1
            if self._tries[slot] <= self._rules.retries:
                for trial in self._awaiting.pop(slot, []):
                    self._queue[trial.number] = trial
                return
            self._given_up[slot] = result
        self._deliver(slot, result)

    def _deliver(self, slot: Slot, result: Result, waited: bool = False) -> None:
        for trial in self._awaiting.pop(slot, []):
            trial.results[slot[2]] = result
            trial.waited |= waited
            self._land(trial)

    def _land(self, trial: Trial) -> None:
        if trial.final and not trial.landed:
            trial.landed = True
            self._final.append(trial)
            self._queue.pop(trial.number, None)

    def record(self, records: Sequence[TrialRecord]) -> None:
        """Takes in what has become of trials, in order; it is committed at once where a kill would cost much."""
        self._records += records
        if self._unsaved_seconds > CHEAP_SECONDS:
            self._save()

    def _save(self) -> None:
        if self._ended or self._records:
            self._commit(self._write)

    def _write(self, connection: Connection) -> None:
        for context, ended in sorted(self._ended.items()):
            self._cache.complete_many(context, ended.done, connection, curves=ended.curves)
            self._cache.fail_many(context, ended.failed, connection)
            self._cache.release_many(context, ended.lost, connection)
        self._store.append_trials(self._rules.study, self._records, connection)

    def _commit(self, work: Callable[[Connection], None]) -> None:
        self._cache.database.write(work)
        self._ended.clear()
        self._records.clear()
        self._unsaved_seconds = 0.0

    def abandon(self) -> None:
        """Gives back what is still claimed, so that nobody waits for it, and commits what is not yet committed."""
        for claim, context in self._jobs.values():
            self._ended.setdefault(context, Ended()).lost.append((claim, "the search stopped"))
        self._jobs.clear()
        self._save()
