"""What is asked of the cache and what it answers.

Values that nobody changes. They are not frozen, since every trial makes some, and frozen ones take four times as long
to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from automl.cache.policy import ReplicatePlan

Asked = tuple[int, bytes, str, ReplicatePlan]
"""What one trial asks of its class.

The trial's number; the key, 16 bytes, the functional hash; the candidate as canonical JSON; and the plan, which says
which replicates it wants.
"""

Fault = Literal["candidate", "unclear", "lost", "memory", "timeout", "environment", "stopped"]
"""Who is to blame for a failed evaluation.

candidate: it failed by itself, or a metric is not finite: a fact about its class, shared with everybody.
unclear: it raised what a machine might have caused, and no second process could try; it belongs to the study alone.
lost: the worker process ended. memory: it ran out of memory. environment: an error of the machine, the disk, the
network, an accelerator or a library. These three belong to the study alone and are tried again.
timeout: it took longer than allowed; it belongs to the study alone and is not tried again.
stopped: nobody wants its result any more (`Pool.stop_at`).
"""


@dataclass(slots=True)
class Result:
    """One finished evaluation.

    Attributes:
        replicate: which of its class; negative for an audit.
        metrics: what the evaluator returned, None when the candidate itself failed.
        error: how it failed, else empty.
        seconds: what it took.
        study, trial: who paid for it, None outside of studies.

    Example:
        >>> claim = Claim(number=7, key=bytes(16), replicate=0, seed=11, attempt=1)
        >>> Completion(metrics={"accuracy": 0.93}, seconds=41.0).result(claim, study=1)
        Result(replicate=0, metrics={'accuracy': 0.93}, error='', seconds=41.0, study=1, trial=7)
    """

    replicate: int
    metrics: Mapping[str, Any] | None
    error: str
    seconds: float
    study: int | None
    trial: int | None


@dataclass(slots=True)
class Claim:
    """One evaluation that this process has reserved, and that nobody else will run.

    Attributes:
        number: the trial that asked for it.
        key: 16 bytes.
        replicate: which of its class; negative for an audit.
        seed: 63-bit; every random draw of the evaluation comes from it.
        attempt: 1, or more when others have lost it.

    Example:
        >>> Claim(number=7, key=bytes(16), replicate=0, seed=11, attempt=2).attempt > 1  # somebody has lost it before
        True
    """

    number: int
    key: bytes
    replicate: int
    seed: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Completion:
    """How one evaluation ended: with metrics, or with a fault. Exactly one of the two is given.

    Attributes:
        job: number of the job that a pool ran; 0 outside of pools.
        metrics: what the evaluator returned.
        fault: who is to blame.
        error: one line of text: the exception's type and message, or what happened to the worker.
        seconds: what the evaluation took on its worker, on the pool's clock.
        worker: a name of the worker, for logs.
        curve: its learning curve as canonical JSON; empty where it failed or reported nothing.
        place: of a failure, the exception's type and where it was raised; empty where nothing was raised.
        traceback: of a failure, the whole traceback, capped.
        left_out: names under which the evaluator returned no number; these things are not kept.

    Example:
        >>> Completion(fault="timeout", error="took longer than 60 s").lost, Completion(fault="candidate").lost
        (True, False)
    """

    job: int = 0
    metrics: Mapping[str, Any] | None = None
    fault: Fault | None = None
    error: str = ""
    seconds: float = 0.0
    worker: str = ""
    curve: str = ""
    left_out: tuple[str, ...] = ()
    place: str = ""
    traceback: str = ""

    @property
    def lost(self) -> bool:
        """True where the evaluation failed and its candidate is not to blame, so that anybody may try again."""
        return self.metrics is None and self.fault != "candidate"

    def result(self, claim: Claim, study: int | None) -> Result:
        """Returns the result of the claimed evaluation, paid for by this study."""
        return Result(claim.replicate, self.metrics, self.error, self.seconds, study, claim.number)


@dataclass(slots=True)
class Resolution:
    """The cache's answer to one trial: what is stored, what is now ours to evaluate, what others are evaluating.

    Attributes:
        number: the trial.
        results: the finished ones among the wanted, by replicate.
        claims: what is now ours to evaluate.
        waiting: replicates that somebody is evaluating, perhaps we ourselves for another trial.
        queued: something missing was not claimed because the limit was reached.
        audit: the finished audit of this encoding, if one was asked for.

    Example:
        >>> from automl.cache.store import EquivalenceCache
        >>> cache = EquivalenceCache("sqlite:///cache.db")
        >>> [answer] = cache.resolve_many(cache.context({}), None, [(0, bytes(16), "{}", ReplicatePlan())])
        >>> answer.results, len(answer.claims)  # nobody has evaluated it, so it is ours to do
        ((), 1)
    """

    number: int
    results: tuple[Result, ...]
    claims: tuple[Claim, ...]
    waiting: tuple[int, ...]
    queued: bool
    audit: Result | None = None
