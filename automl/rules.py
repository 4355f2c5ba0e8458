"""How one study's loop runs, and when it ends. Values only: everybody who watches or serves a loop may know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automl.cache.policy import Plans
from automl.evaluator import Part
from automl.space import Candidate

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
    """

    trials: int | None = None
    evaluations: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Rules:
    """How one study's loop runs.

    Attributes:
        study: its number in the database.
        name: its name.
        context: number of the context in which its keys mean something.
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

    @property
    def block(self) -> int:
        return 1 if self.asynchronous else max(1, self.window // 4)
