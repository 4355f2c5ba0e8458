"""What is asked of the cache and what it answers.

Values that nobody changes. They are not frozen, since every trial makes some, and frozen ones take four times as long
to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from automl.artefacts.shelf import Kept
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
    """One finished evaluation, as stored in the cache.

    Attributes:
        replicate: Number of the replicate within the equivalence class, from 0. A negative number marks an audit: an
            evaluation run although a result was stored, to measure false merges.
        metrics: Mapping from metric name to value, as the evaluator returned it; None if the candidate itself failed.
            Failures of the machine are not stored as results.
        error: One line that says how the candidate failed; empty on success.
        seconds: Seconds that the evaluation took on its worker, by the pool's clock.
        study: Number of the study that caused the evaluation; None if it was run outside of studies.
        trial: Number of the trial that caused the evaluation; None outside of studies.
        reached: Number of the context that the result of an evaluation stands in that stopped early; None for others.

    Example:
        >>> claim = Claim(number=7, key=bytes(16), replicate=0, seed=11, attempt=1)  # trial 7 asked for it
        >>> Completion(metrics={"accuracy": 0.93}, seconds=41.0).result(claim, study=1)
        Result(replicate=0, metrics={'accuracy': 0.93}, error='', seconds=41.0, study=1, trial=7, reached=None)
    """

    replicate: int
    metrics: Mapping[str, Any] | None
    error: str
    seconds: float
    study: int | None
    trial: int | None
    reached: int | None = None


@dataclass(slots=True)
class Claim:
    """One evaluation that this process has reserved; no other process will run it.

    Attributes:
        number: Number of the trial that asked for the evaluation.
        key: Functional hash of the candidate, 16 bytes.
        replicate: Number of the replicate within the equivalence class, from 0. A negative number marks an audit: an
            evaluation run although a result was stored, to measure false merges.
        seed: 63-bit integer, from 0 to 2**63 - 1; every random draw of the evaluation comes from it.
        attempt: Number of the attempt: 1, or more if earlier attempts were lost with their process.

    Example:
        >>> Claim(number=7, key=bytes(16), replicate=0, seed=11, attempt=2).attempt > 1  # an earlier attempt was lost
        True
    """

    number: int
    key: bytes
    replicate: int
    seed: int
    attempt: int


@dataclass(slots=True)  # not frozen: every evaluation makes one, and frozen ones take four times as long to make
class Completion:
    """Outcome of one evaluation: either metrics or a fault. Treat it as immutable.

    Attributes:
        job: Number of the job that a pool ran; 0 if no pool was used.
        metrics: Mapping from metric name to value, as the evaluator returned it; None if the evaluation failed.
        fault: Cause of the failure (see `Fault`); None if the evaluation succeeded.
        error: One line of text with the exception's type and message, or with what happened to the worker; empty on
            success.
        seconds: Seconds that the evaluation took on its worker, by the pool's clock. If a pool ran a failed
            evaluation twice and both attempts failed, the sum of both.
        worker: Name of the worker, for logs.
        curve: Learning curve of the evaluation as canonical JSON; empty if it failed or reported nothing.
        place: Exception type and source line of a failure; empty if nothing was raised.
        traceback: Traceback of a failure, cut to a maximal length; empty on success.
        reached: Epoch at which an evaluation that was asked to stop has stopped; None if it is a full one.
        left_out: Names under which the evaluator returned something that is not a number; these values are not stored.
        artefacts: Artefacts that the evaluation left or read.
        not_kept: Sentence that says why trained weights could not be kept; empty if they were, or were not wanted.

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
    artefacts: tuple[Kept, ...] = ()
    not_kept: str = ""
    reached: float | None = None

    @property
    def lost(self) -> bool:
        """True if the evaluation failed and the candidate did not cause it, so that any process may try again."""
        return self.metrics is None and self.fault != "candidate"

    def result(self, claim: Claim, study: int | None) -> Result:
        """Returns the result of the claimed evaluation, which this study caused."""
        return Result(claim.replicate, self.metrics, self.error, self.seconds, study, claim.number)


@dataclass(slots=True)
class Resolution:
    """The cache's answer to one trial: stored results, evaluations to run now, evaluations that others run.

    Attributes:
        number: Number of the trial.
        results: Stored results among the replicates that the trial asked for, ordered by replicate.
        claims: Evaluations that are now reserved for this process.
        waiting: Numbers of the replicates that are being evaluated, by another process or by this one for another
            trial.
        queued: True if a missing replicate was not reserved because the limit on evaluations was reached.
        audit: Result of the audit of this candidate; None if no audit was asked for or it has not finished.

    Example:
        >>> from automl.cache.store import EquivalenceCache
        >>> cache = EquivalenceCache("sqlite:///cache.db")
        >>> [answer] = cache.resolve_many(cache.context({}), None, [(0, bytes(16), "{}", ReplicatePlan())])
        >>> answer.results, len(answer.claims)  # nobody has evaluated it, so this process must run it
        ((), 1)
    """

    number: int
    results: tuple[Result, ...]
    claims: tuple[Claim, ...]
    waiting: tuple[int, ...]
    queued: bool
    audit: Result | None = None
