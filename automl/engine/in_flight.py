"""The trials of one study between proposal and record: what each waits for, and which evaluations workers run."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from automl.artefacts.shelf import Shelf, weights_facts
from automl.cache.records import Claim, Completion, Resolution, Result
from automl.cache.store import EquivalenceCache
from automl.engine.notices import Notices
from automl.engine.outbox import Outbox
from automl.engine.trial import Slot, State, Trial
from automl.evaluators.base import Evaluation
from automl.evaluators.checkpoints import Checkpoint, file_of
from automl.evaluators.places import place
from automl.pool import Job, Pool
from automl.rules import LoopSettings
from automl.strategies.base import FULL

if TYPE_CHECKING:
    from sqlalchemy import Connection

POLL_SECONDS = 0.25
"""How often claims of other processes are looked at."""

FRESH, QUEUED, WAITING, FINAL, DELIVERED = State


class InFlight:
    """Resolves trials, runs what is missing, and returns trials that have all their results.

    Args:
        settings: of the loop.
        cache: answers and claims.
        pool: evaluates.
        outbox: takes the ends of evaluations; each of its commits resolves trials in the same transaction.
        notices: says what the user should know.
        context_at: returns the number of the context of results that stopped at an epoch.

    Attributes:
        broken_off: number of evaluations that were stopped because the time was over.
        retries: number of evaluations that were lost and tried again.
        ended: called with the seconds of each evaluation that gave metrics, or those of a full one that it stands for.
    """

    def __init__(
        self,
        settings: LoopSettings,
        cache: EquivalenceCache,
        pool: Pool,
        outbox: Outbox,
        notices: Notices | None = None,
        context_at: Callable[[float], int] | None = None,
    ) -> None:
        self._context_at = context_at
        self._stopped: dict[Slot, tuple[int, Result]] = {}  # stopped early: the trial that was asked to, what it gave
        self._settings = settings
        self._cache = cache
        self._pool = pool
        self._outbox = outbox
        self._notices = notices or Notices()
        self._trials: dict[State, dict[int, Trial]] = {state: {} for state in State}  # by number, in order of arrival
        self._queued = Counter[Slot]()  # the classes of queued trials, with how many there are of each
        self._awaiting: dict[Slot, list[Trial]] = defaultdict(list)  # who needs the result of a running evaluation
        self._jobs: dict[int, tuple[int, Claim]] = {}  # our own evaluations: context and claim
        self._next_job = 0
        self._tries: dict[Slot, int] = defaultdict(int)
        self._lost: set[int] = set()  # trials whose evaluation was lost: they go first, and pay as they would have
        self._given_up: dict[Slot, Result] = {}  # lost as often as may be: not tried again in this run
        self._polled = 0.0
        self._shares = {number: share for share, number in settings.contexts.items()}  # of a full evaluation
        self.broken_off = self.retries = 0
        self.ended: Callable[[float], None] = lambda _: None

    @property
    def idle(self) -> bool:
        """True where no evaluation of ours is under way and no trial is new or final."""
        return not (self._jobs or self._trials[FRESH] or self._trials[FINAL])

    def open(self) -> list[Trial]:
        """Returns the trials that have no outcome yet."""
        return [trial for state in (FRESH, QUEUED, WAITING, FINAL) for trial in self._trials[state].values()]

    @property
    def waits(self) -> bool:
        """True where trials wait and nothing of ours is under way for them: others are evaluating, or nobody is."""
        return len(self._awaiting) > len(self._jobs)

    def elsewhere(self) -> list[Slot]:
        """Returns what other processes are evaluating for trials of this study."""
        ours = {(context, claim.key, claim.replicate) for context, claim in self._jobs.values()}
        return [slot for slot in self._awaiting if slot not in ours]

    def name(self, job: int) -> str:
        """Names the trial that an evaluation is for."""
        if job not in self._jobs:
            return "an evaluation"
        context, claim = self._jobs[job]
        waiting = self._awaiting.get((context, claim.key, claim.replicate), [])
        candidate = f" ({waiting[0].proposal.candidate.json[:200]})" if waiting else ""
        return f"trial {claim.number}{candidate}"

    @property
    def evaluations(self) -> int:
        """Number of evaluations that our workers have."""
        return len(self._jobs)

    @property
    def queued(self) -> int:
        """Number of trials that wait for a free worker."""
        return len(self._trials[QUEUED])

    @property
    def waiting(self) -> int:
        """Number of trials that wait for evaluations under way."""
        return len(self._trials[WAITING])

    def _move(self, trial: Trial, state: State) -> None:
        if trial.state is not state:
            self._trials[trial.state].pop(trial.number, None)
            if QUEUED in (state, trial.state):
                slot = trial.slot(0)
                self._queued[slot] += 1 if state is QUEUED else -1
                if not self._queued[slot]:
                    del self._queued[slot]
            trial.state = state
            self._trials[state][trial.number] = trial

    def add(self, trials: Sequence[Trial]) -> None:
        """Takes newly proposed trials. One that needs an evaluation that was given up has failed already."""
        fresh = self._trials[FRESH]
        for trial in trials:
            fresh[trial.number] = trial
            if not self._given_up:
                continue
            wanted = range(trial.plan.first, trial.plan.replicates)
            lost = next((slot for replicate in wanted if (slot := trial.slot(replicate)) in self._given_up), None)
            if lost is not None:
                trial.take(lost[2], self._given_up[lost])
                self._move(trial, FINAL)

    def stopped_before(self, trial: int, slot: Slot, result: Result) -> None:
        """Takes a result that stopped early in a former run of the study."""
        self._stopped[slot] = (trial, result)

    def _share_stopped(self) -> None:
        """Gives trials that were proposed before the strategy knew of a result that stopped early this very result.

        Those proposed later carry it on. Otherwise what a trial does would depend on the moment at which another one's
        evaluation stopped.
        """
        for state in (FRESH, QUEUED):
            for trial in list(self._trials[state].values()):
                for replicate in range(trial.plan.first, trial.plan.replicates):
                    number, result = self._stopped.get(trial.slot(replicate), (-1, None))
                    if result is not None and number >= trial.told_before and number != trial.number:
                        trial.take(replicate, result)
                        self._move(trial, FINAL)

    # --- resolve and submit ------------------------------------------------------------------------------------------

    def resolve(self, start: bool = True) -> None:
        """Looks up what is stored, claims what is missing and can be started now, and starts it.

        Everything in the outbox is committed in the same transaction: a commit waits for the disk, and one a turn is
        enough.

        Args:
            start: False to look up only.
        """
        if self._stopped:
            self._share_stopped()
        capacity = self._pool.capacity() if start else 0
        due = self._first_queued(capacity) + self._due_elsewhere() + self._newcomers(capacity)
        trials = sorted({trial.number: trial for trial in due}.values(), key=lambda trial: trial.number)
        if not trials:
            self._outbox.commit()
            return
        by_context: dict[int, list[Trial]] = defaultdict(list)
        for trial in trials:
            by_context[trial.context].append(trial)
        taken: list[tuple[Trial, Resolution]] = []

        def look_up(connection: Connection) -> None:
            taken.clear()  # a transaction may have to be repeated
            left = capacity
            for context, some in by_context.items():
                asked = [(trial.number, trial.key, trial.proposal.candidate.json, trial.plan) for trial in some]
                found = self._cache.resolve_many(context, self._settings.study, asked, left, connection=connection)
                taken.extend(zip(some, found, strict=True))
                left -= sum(len(resolution.claims) for resolution in found)

        self._outbox.commit(look_up)
        jobs = [job for trial, resolution in taken for job in self._take(trial, resolution)]
        if jobs:
            self._pool.submit(jobs)

    def _first_queued(self, capacity: int) -> list[Trial]:
        queue: Iterable[Trial] = self._trials[QUEUED].values()
        if self._lost:
            queue = sorted(queue, key=lambda trial: (trial.number not in self._lost, trial.number))
        return [trial for trial, _ in zip(queue, range(capacity), strict=False)]

    def _newcomers(self, capacity: int) -> list[Trial]:
        """Returns the trials not resolved yet. If an earlier trial of the same class is queued, the later one queues.

        Otherwise who pays for a class would depend on how many evaluations could be started at that moment.
        """
        fresh, queue = list(self._trials[FRESH].values()), self._trials[QUEUED]
        if len(queue) <= capacity:
            return fresh
        for trial in fresh:
            if trial.slot(0) in self._queued:
                self._move(trial, QUEUED)
        return [trial for trial in fresh if trial.state is FRESH]

    def _due_elsewhere(self) -> list[Trial]:
        """Returns one trial for each slot that another process is filling, when it is time to look again."""
        if not self._awaiting or time.monotonic() - self._polled < POLL_SECONDS:
            return []
        self._polled = time.monotonic()
        return [self._awaiting[slot][0] for slot in self.elsewhere()]

    def _take(self, trial: Trial, resolution: Resolution) -> list[Job]:
        results = resolution.results if resolution.audit is None else (*resolution.results, resolution.audit)
        for result in results:
            if self._awaiting and (slot := trial.slot(result.replicate)) in self._awaiting:
                self._deliver(slot, result, waited=True)
            if result.replicate not in trial.results:  # it may be none of those that waited
                trial.take(result.replicate, result)
        jobs = []
        for claim in resolution.claims:
            self._wait(trial, claim.replicate)
            jobs.append(self._job(claim, trial))
        for replicate in resolution.waiting:
            self._wait(trial, replicate)
        self._move(trial, FINAL if trial.complete else QUEUED if resolution.queued else WAITING)
        if self._lost and not resolution.queued:
            self._lost.discard(trial.number)
        return jobs

    def _wait(self, trial: Trial, replicate: int) -> None:
        waiting = self._awaiting[trial.slot(replicate)]
        if trial not in waiting:
            waiting.append(trial)

    def _job(self, claim: Claim, trial: Trial) -> Job:
        self._next_job += 1
        self._jobs[self._next_job] = (trial.context, claim)
        folder, text = self._settings.checkpoints, trial.proposal.candidate.json
        kept = Checkpoint(place(file_of(folder, claim.key, claim.seed, text))) if folder else None
        how = Evaluation(
            claim.seed,
            self._settings.part,
            claim.replicate,
            trial.fidelity.settings,
            checkpoint=kept,
            shelf=self._shelf(claim, trial),
            rates=self._settings.rates,
            rule=trial.rule if claim.replicate >= 0 else None,
        )
        return Job(self._next_job, text, how, trial=claim.number)

    def _shelf(self, claim: Claim, trial: Trial) -> Shelf | None:
        settings = self._settings
        reads = settings.reads.get(claim.replicate) or settings.reads.get(0) or {}
        keeps = trial.proposal.origin in settings.kept and claim.replicate >= 0
        if settings.store is None or not (keeps or reads):
            return None
        if not keeps:
            return Shelf(settings.store, reads)
        facts = weights_facts(settings.facts, trial.proposal.candidate.value, claim.seed)
        return Shelf(settings.store, reads, keeps=True, facts=facts)

    # --- collect -----------------------------------------------------------------------------------------------------

    def collect(self) -> list[Trial]:
        """Returns the trials that have become final, waiting a moment for workers where none has."""
        final = self._trials[FINAL]
        if self._jobs:
            for completion in self._pool.completed(0.0 if final else POLL_SECONDS):
                self._settle(completion)
        elif not final and self._awaiting and not self._pool.hands_out:
            time.sleep(POLL_SECONDS)
        found = list(final.values())
        final.clear()
        for trial in found:
            trial.state = DELIVERED
        return found

    def _settle(self, completion: Completion) -> None:
        context, claim = self._jobs.pop(completion.job)
        if completion.reached is not None:
            self._settle_stopped(context, claim, completion)
            return
        self._outbox.end(context, claim, completion)
        if completion.left_out:
            names = ", ".join(map(repr, completion.left_out))
            self._notices.once("figures", f"evaluations return more than numbers ({names}); the rest is not kept")
        if completion.not_kept:
            self._notices.once(
                "weights", f"trained weights are not kept, and `automl export` will train again: {completion.not_kept}"
            )
        slot = (context, claim.key, claim.replicate)
        result = completion.result(claim, self._settings.study)
        if completion.metrics is not None:
            self.ended(completion.seconds / self._shares.get(context, FULL))
        elif completion.fault == "stopped":
            self.broken_off += 1
            self._again(slot)
            return
        elif completion.lost:
            self._tries[slot] += 1
            if completion.fault not in ("timeout", "unclear") and self._tries[slot] <= self._settings.retries:
                self.retries += 1
                self._again(slot)
                return
            self._given_up[slot] = result
        self._deliver(slot, result)

    def _settle_stopped(self, context: int, claim: Claim, completion: Completion) -> None:
        assert self._context_at is not None
        assert completion.reached is not None
        slot = (context, claim.key, claim.replicate)
        reached = self._context_at(completion.reached)
        candidate = self._awaiting[slot][0].proposal.candidate.json
        self._outbox.stop(context, claim, completion, reached, candidate)
        result = replace(completion.result(claim, self._settings.study), reached=reached)
        self._stopped[slot] = (claim.number, result)
        self._deliver(slot, result)

    def _again(self, slot: Slot) -> None:
        """Lets the trials that await an evaluation ask for it once more, before all others."""
        for trial in self._awaiting.pop(slot, []):
            self._move(trial, QUEUED)
            self._lost.add(trial.number)

    def _deliver(self, slot: Slot, result: Result, waited: bool = False) -> None:
        for trial in self._awaiting.pop(slot, ()):
            trial.take(slot[2], result)
            trial.waited |= waited
            if trial.complete and trial.state is not DELIVERED:
                self._move(trial, FINAL)

    def handed_out(self) -> dict[int, tuple[int, Claim]]:
        """Returns the claims of the evaluations under way, with their contexts, by job: whoever has them ends them."""
        claims, self._jobs = self._jobs, {}
        return claims

    def abandon(self) -> None:
        """Gives back what is still claimed, so that nobody waits for it, and commits what is not yet committed."""
        for job, (context, claim) in self._jobs.items():
            self._outbox.end(context, claim, Completion(job, fault="lost", error="the search stopped"))
        self._jobs.clear()
        self._outbox.commit()
