"""One trial on its way: from the proposal to the row that records it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from automl.cache.policy import ReplicatePlan
from automl.cache.records import Result
from automl.evaluators.base import Fidelity
from automl.evaluators.pruning import PruneRule
from automl.evidence.means import mean
from automl.selection.objectives import Objective
from automl.spaces.space import Candidate
from automl.storage.records import Outcome, TrialRecord
from automl.strategies.base import FULL, Proposal, Told

Slot = tuple[int, bytes, int]
"""A context, a key and the number of a replicate: what one evaluation fills."""


class State(IntEnum):  # a plain Enum is hashed by a function in Python, twice a trial
    """Where a trial stands.

    FRESH: proposed, and never looked up in the cache.
    QUEUED: it needs a result that is neither stored nor being evaluated by anybody.
    WAITING: every result that it still needs is being evaluated, by this study or by another process.
    FINAL: it has all its results.
    DELIVERED: `InFlight.collect` has returned it.
    """

    FRESH = 0
    QUEUED = 1
    WAITING = 2
    FINAL = 3
    DELIVERED = 4


NO_METRIC = "the evaluator returned no metric"


@dataclass(slots=True, eq=False)
class Trial:
    """One proposal on its way.

    Attributes:
        number: in the order of proposals, from 0.
        proposal: what the strategy proposed.
        key: 16 bytes, the functional hash.
        fidelity: how much of a full evaluation it gets.
        context: number of the context that its results stand in.
        plan: which replicates of its class it sees, and whether its own encoding is evaluated too (an audit).
        hash_seconds: what finding the key took.
        told_before: number of trials that the strategy had been told when this one was proposed.
        cost: evaluations that it adds to the study, in units of one full evaluation.
        rule: by which its evaluations are asked to stop early.
        results: the replicates that have a result; an audit stands under a negative number.
        reached: number of the context that the result stands in where an evaluation stopped early; None else.
        waited: True where another process evaluated something for it.
        state: where it stands.
    """

    number: int
    proposal: Proposal
    key: bytes
    fidelity: Fidelity
    context: int
    plan: ReplicatePlan
    hash_seconds: float
    told_before: int
    cost: float = 0.0
    rule: PruneRule | None = None
    results: dict[int, Result] = field(default_factory=dict)
    reached: int | None = None
    waited: bool = False
    state: State = State.FRESH

    def slot(self, replicate: int) -> Slot:
        return self.context, self.key, replicate

    def take(self, replicate: int, result: Result) -> None:
        """Takes the result of one replicate, in place of one that it may have had."""
        self.results[replicate] = result
        if result.reached is not None or self.reached is not None:
            self.reached = next((one.reached for one in self.results.values() if one.reached is not None), None)

    @property
    def complete(self) -> bool:
        """True where no result is missing. Where one replicate stopped early, no other is waited for."""
        return self.reached is not None or len(self.results) == self.plan.replicates - self.plan.first + self.plan.audit

    def record(
        self, study: int, objective: Objective, costs: Mapping[str, Any], position: int, seconds: float
    ) -> TrialRecord:
        """Returns the row of a trial that has all its results.

        The outcome follows from who paid for the results, so it does not depend on which evaluation was faster. One
        failed replicate fails the class: a mean over the others would flatter it. Metrics without the objective fail
        the trial and not the class: the result stands for whoever asks for another metric.

        Args:
            study: number of the study.
            objective: whose metric is the fitness.
            costs: figures of this encoding, such as its parameters.
            position: in the order of telling, from 0.
            seconds: since the study began.
        """
        served, paid, waited, error = [], 0, self.waited, None
        stopped = self.reached
        paid_seconds = served_seconds = 0.0
        for result in self.results.values():
            if stopped is not None and result.reached != stopped:
                continue  # figures of another epoch, which no mean can be taken over
            own = result.study == study
            if own and result.trial == self.number:
                paid_seconds += result.seconds
                paid += result.replicate >= 0
            elif own and result.trial is not None and result.trial >= self.told_before:
                waited = waited or result.replicate >= 0
            if result.replicate >= 0:  # an audit is no part of the mean
                served.append(result)
                served_seconds += result.seconds
                if result.metrics is None:
                    error = error or result.error
                elif objective.metric not in result.metrics:
                    error = error or f"{NO_METRIC} {objective.metric!r}, only {sorted(result.metrics)}"
        if error is not None:
            outcome: Outcome = "failed"
        elif paid:
            outcome = "miss" if paid == len(served) else "partial"
        else:
            outcome = "joined" if waited else "hit"
        metrics = {} if outcome == "failed" else _mean(served)
        proposal = self.proposal
        return TrialRecord(
            number=self.number,
            candidate=proposal.candidate.json,
            key=self.key,
            context=self.context if stopped is None else stopped,
            outcome=outcome,
            fitness=metrics.get(objective.metric) if self.fidelity.share == FULL and stopped is None else None,
            metrics=metrics,
            replicates=len(served),
            origin=proposal.origin,
            parents=proposal.parents,
            error=error or "",
            paid_seconds=paid_seconds,
            saved_seconds=0.0 if paid else served_seconds / len(served),
            hash_seconds=self.hash_seconds,
            costs=costs,
            told_at=seconds,
            position=position,
        )


def told_of(record: TrialRecord, candidate: Candidate, share: float, objective: Objective) -> Told:
    """Returns what a strategy is told of a recorded trial.

    Args:
        record: of the trial.
        candidate: of the trial.
        share: its budget fraction.
        objective: turns the metric into a fitness of which more is better.
    """
    value = record.metrics.get(objective.metric)
    pruned = share == FULL and record.fitness is None and record.outcome != "failed"
    fitness = None if value is None or pruned else objective.worth(value)
    duplicate = record.outcome in ("hit", "joined")
    return Told(
        record.number, candidate, fitness, record.metrics, duplicate, share, tuple(record.parents), pruned, record.costs
    )


def _mean(results: Sequence[Result]) -> Mapping[str, float]:
    """Returns the means of the metrics that all results have."""
    first = results[0].metrics or {}
    if len(results) == 1:
        return first
    every = [result.metrics or {} for result in results]
    shared = [name for name in first if all(name in metrics for metrics in every)]
    return {name: mean(metrics[name] for metrics in every) for name in shared}
