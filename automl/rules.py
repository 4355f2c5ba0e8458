"""How one study's loop runs, and when it ends. Values only: everybody who watches or serves a loop may know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl.cache.policy import Plans
from automl.evaluators.base import Part
from automl.spaces.space import Candidate
from automl.strategies.base import FULL

ENQUEUED = "enqueued"
"""The origin of candidates that the user gave to be tried first; they are never varied."""


@dataclass(frozen=True)
class Budget:
    """When a study ends: at the first limit that is reached.

    Attributes:
        trials: number of proposals.
        evaluations: number of evaluations drawn upon, whether paid for now or found in the cache, so that a warm cache
            does not change what a study proposes.
        seconds: on the pool's clock.
        until: fitness that is enough. The trials under way when the strategy is told of it still count, so that the
            same seed gives the same trials however fast they finish.
    """

    trials: int | None = None
    evaluations: int | None = None
    seconds: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How much of a full evaluation a trial gets.

    Attributes:
        share: of a full evaluation's cost; 1 for a full one.
        settings: what the evaluator is told.
        context: number of the context that its results stand in; all fidelities of an evaluator share one lineage.
    """

    share: float
    settings: Mapping[str, Any]
    context: int


@dataclass(frozen=True)
class Rules:
    """How one study's loop runs.

    Attributes:
        study: its number in the database.
        name: its name.
        context: number of the context of full evaluations.
        objective: the metric that is the fitness.
        maximize: its direction.
        seed: of everything random in the study.
        window: how many trials may be under way.
        budget: when it ends.
        plans: what each trial wants of its class: replicates, forgetting, audits.
        part: of the data that evaluations report on.
        enqueued: candidates that are proposed first, with the origin shown for each.
        asynchronous: tell every result as it comes.
        retries: how often an evaluation that was lost (not the candidate's fault) is tried again.
        rungs: the cheaper fidelities that may be asked for, cheapest first.
        carries: an evaluation goes on where a cheaper one of the same candidate ended, and costs the difference.
        checkpoints: folder for the states that evaluations leave, or None.
        needs: figures that a trial must have beside its fitness: the metrics and costs that are objectives or
            constraints of the search. One that lacks such a figure has failed, whatever its evaluation is worth.
    """

    study: int
    name: str
    context: int
    objective: str
    maximize: bool
    seed: int
    window: int
    budget: Budget
    plans: Plans
    part: Part = "validation"
    enqueued: Sequence[tuple[Candidate, str]] = ()
    asynchronous: bool = False
    retries: int = 2
    rungs: Sequence[Fidelity] = ()
    carries: bool = False
    checkpoints: str | None = None
    needs: frozenset[str] = frozenset()

    @property
    def fidelities(self) -> tuple[Fidelity, ...]:
        """All that may be asked for, cheapest first; the last is the full one."""
        return (*self.rungs, Fidelity(FULL, {}, self.context))

    @property
    def block(self) -> int:
        return 1 if self.asynchronous else max(1, self.window // 4)
