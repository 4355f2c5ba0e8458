"""How one study's loop runs, and when it ends. Values only: everybody who watches or serves a loop may know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from automl.cache.policy import Plans
from automl.evaluators.base import Fidelity, Part
from automl.selection.objectives import Objective
from automl.settings import check, setting
from automl.spaces.space import Candidate
from automl.strategies.base import FULL

ENQUEUED = "enqueued"
"""The origin of candidates that the user gave to be tried first; they are never varied."""


_BUDGET = ("search", "resume")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a study ends: at the first limit that is reached.

    Raises:
        InvalidInput: a value out of range.

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
    def seconds(self) -> float | None:
        """The hours in seconds, on the pool's clock."""
        return None if self.hours is None else self.hours * 3600


@dataclass(frozen=True)
class LoopSettings:
    """All settings of one study's loop.

    Attributes:
        study: its number in the database.
        name: its name.
        context: number of the context of full evaluations.
        objective: whose metric is the fitness.
        seed: of everything random in the study.
        window: how many trials may be under way.
        budget: when it ends.
        plans: what each trial wants of its class: replicates, forgetting, audits.
        part: of the data that evaluations report on.
        enqueued: candidates that are proposed first, with the origin shown for each.
        asynchronous: tell every result as it comes.
        retries: how often an evaluation that was lost to the machine is tried again.
        equal_failures: classes that may fail alike from the first trial on; None: any number.
        timeout_follows: each evaluation is allowed a multiple of the median.
        json_hint: what helps where candidates are keyed by their JSON.
        rungs: the cheaper fidelities that may be asked for, cheapest first.
        contexts: number of the context of each rung, by its budget fraction.
        resumable: an evaluation goes on where a cheaper one of the same candidate ended, and costs the difference.
        checkpoints: folder for the states that evaluations leave, or None.
        needs: figures that a trial must have beside its fitness: the metrics and costs that are objectives or
            constraints of the search. One that lacks such a figure has failed, whatever its evaluation is worth.

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
    timeout_follows: bool = False
    json_hint: str = ""
    rungs: Sequence[Fidelity] = ()
    contexts: Mapping[float, int] = field(default_factory=dict)
    resumable: bool = False
    checkpoints: str | None = None
    needs: frozenset[str] = frozenset()

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
        return 1 if self.asynchronous else max(1, self.window // 4)
