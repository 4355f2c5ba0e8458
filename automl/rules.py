"""How one study's loop runs, and when it ends. Values only: everybody who watches or serves a loop may know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl.artefacts.store import ArtefactStore
from automl.cache.policy import Plans
from automl.evaluators.base import Fidelity, Part
from automl.selection.beginnings import ELSEWHERE, KNOWN
from automl.selection.objectives import Objective
from automl.settings import check, setting
from automl.spaces.space import Candidate
from automl.strategies.base import FULL, Told

ENQUEUED = "enqueued"
"""The origin of candidates that the user gave to be tried first."""

GIVEN = frozenset({ENQUEUED, KNOWN, ELSEWHERE})
"""The origins of candidates that no strategy proposed; they are never varied."""

BEGIN_FROM_CONTEXT = "context"
"""Stands for all that the search's part of the cache knows."""

BELIEVED = "defaults"
"""The origin of the candidate whose fields have their defaults, which is proposed first."""

_BUDGET = ("search", "resume")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits of a study: it ends at the first that is reached. None sets no limit.

    Raises:
        InvalidInput: a value is out of range.

    Example:
        >>> Budget(trials=1000, hours=0.5).seconds
        1800.0
        >>> Budget(trials=-1)
        Traceback (most recent call last):
        automl.errors.InvalidInput: trials=-1: it must be ...
    """

    trials: int | None = setting(
        None,
        "Number of proposals after which the search ends.",
        group="Budget",
        lowest=1,
        otherwise="the space's own, where no budget is given",
        unit="N",
        commands=_BUDGET,
    )
    evaluations: int | None = setting(
        None,
        "Number of evaluations after which it ends, whether paid for now or found in the cache, so that a warm cache "
        "does not change what is proposed.",
        group="Budget",
        lowest=1,
        unit="N",
        commands=_BUDGET,
    )
    hours: float | None = setting(
        None, "Time after which it ends.", group="Budget", above=0, unit="H", commands=_BUDGET
    )
    until: float | None = setting(
        None,
        "Fitness that is enough, on the validation part. The trials under way when it is reached still count, so that "
        "the same seed gives the same trials however fast they finish.",
        group="Budget",
        otherwise="the space's own, if it has one, where no budget is given",
        unit="FITNESS",
        commands=_BUDGET,
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def most(self) -> int | None:
        """The largest number of evaluations; None where it is not bounded."""
        return min((number for number in (self.trials, self.evaluations) if number is not None), default=None)

    @property
    def seconds(self) -> float | None:
        """The hours in seconds, on the pool's clock."""
        return None if self.hours is None else self.hours * 3600


@dataclass(frozen=True)
class LoopSettings:
    """All settings of one study's search loop.

    Attributes:
        study: Number of the study in the database.
        name: Name of the study.
        context: Number of the context of full evaluations.
        objective: `Objective` whose metric is the fitness.
        seed: Seed of all random draws of the study.
        window: Largest number of trials in flight.
        budget: Limits at which the study ends.
        plans: Object that decides for each trial how many replicates of its equivalence class it asks for, and on
            forgetting and audits.
        part: Part of the data on which evaluations measure: "validation" or "test".
        enqueued: Sequence of (candidate, origin) pairs that are proposed first.
        asynchronous: True if the strategy is told every result as soon as it arrives.
        retries: Number of times that an evaluation is repeated after its worker or machine failed.
        equal_failures: Number of classes at the start of the study that must all fail with the same error to end the
            search; None never ends it.
        first_timeout: Seconds allowed for the first evaluations, if the time limit of those that follow is a multiple
            of the median duration; None if it is not.
        json_hint: Advice for the user, shown if candidates are keyed by their JSON.
        rungs: Fidelities below the full one that the strategy may ask for, cheapest first.
        contexts: Mapping from budget fraction to the number of the context of that fidelity.
        resumable: True if an evaluation can continue from the checkpoint of a cheaper one of the same candidate; it
            then costs the difference.
        checkpoints: Path of the folder of checkpoints; None keeps none.
        needs: Names of the metrics and costs that a trial must have in addition to its fitness, because they are
            objectives or constraints. A trial that lacks one of them has failed, although its evaluation is stored.
        store: `ArtefactStore` of the search; None keeps nothing.
        kept: Origins of the trials whose evaluations leave their trained weights.
        reads: Mapping from replicate to the digests of the artefacts that its evaluations read, by name. A replicate
            that is not in it reads what replicate 0 reads.
        spent: Seconds that went into artefacts before the loop; they count towards the budget of time.
        rates: True if the evaluator that rates runs, and not the one that decides.
        by_candidate: True if results belong to encodings and not to functions (`Evaluator.equality`).
        facts: JSON data that is written into such weights, beside candidate and seed: space, evaluator, part.
        prune: Rule by which evaluations are asked to stop early, see `automl.strategies.pruning`; None asks nobody.
        known: Results that the strategy is told before its first proposal, the best last, with numbers below 0.

    Example:
        >>> from automl.cache.policy import Occurrences, Policy
        >>> settings = LoopSettings(
        ...     study=1, name="cells", context=1, objective=Objective("accuracy"), seed=0, window=64,
        ...     budget=Budget(trials=1000), plans=Occurrences(Policy(), seed=0),
        ... )
        >>> settings.block, settings.fidelities  # a quarter of the window is proposed together
        (16, (Fidelity(share=1.0, settings={}),))
    """

    study: int
    name: str
    context: int
    objective: Objective
    seed: int
    window: int
    budget: Budget
    plans: Plans
    part: Part = "validation"
    enqueued: Sequence[tuple[Candidate, str]] = ()
    asynchronous: bool = False
    retries: int = 2
    equal_failures: int | None = None
    first_timeout: float | None = None
    json_hint: str = ""
    rungs: Sequence[Fidelity] = ()
    contexts: Mapping[float, int] = field(default_factory=dict)
    resumable: bool = False
    checkpoints: str | None = None
    needs: frozenset[str] = frozenset()
    store: ArtefactStore | None = None
    kept: frozenset[str] = frozenset()
    reads: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    by_candidate: bool = False
    spent: float = 0.0
    rates: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    prune: str | None = None
    known: Sequence[Told] = ()

    @property
    def fidelities(self) -> tuple[Fidelity, ...]:
        """All fidelities that may be asked for, cheapest first; the last is the full one."""
        return (*self.rungs, Fidelity(FULL))

    def context_of(self, share: float) -> int:
        """Returns the number of the context that results of a fidelity stand in."""
        return self.context if share == FULL else self.contexts[share]

    def counted_key(self, key: bytes, share: float) -> bytes:
        """Returns the key under which occurrences are counted: the class, or class and fidelity below full."""
        return key if share == FULL else key + str(self.contexts[share]).encode()

    @property
    def block(self) -> int:
        """Number of trials that are proposed together."""
        return block_of(self.window, self.asynchronous)


def block_of(window: int, asynchronous: bool) -> int:
    """Returns the number of trials that are proposed together.

    Example:
        >>> block_of(16, asynchronous=False), block_of(16, asynchronous=True)
        (4, 1)
    """
    return 1 if asynchronous else max(1, window // 4)
