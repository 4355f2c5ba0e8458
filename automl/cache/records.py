"""What is asked of the cache and what it answers.

Values that nobody changes. They are not frozen, since every trial makes some, and frozen ones take four times as long
to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Request:
    """What one trial wants to know about its class.

    Attributes:
        number: the trial.
        key: 16 bytes, the functional hash.
        candidate: canonical JSON of this spelling.
        replicates: it wants the replicates `first` … `replicates` - 1.
        first: above 0 to have the earlier ones hidden from this look-up (forgetting).
        audit: it wants, besides, an evaluation of this very spelling that is never served, to measure false merges.
    """

    number: int
    key: bytes
    candidate: str
    replicates: int = 1
    first: int = 0
    audit: bool = False


@dataclass(slots=True)
class Result:
    """One finished evaluation.

    Attributes:
        replicate: which of its class; negative for an audit.
        metrics: what the evaluator returned, None when the candidate itself failed.
        error: how it failed, else empty.
        seconds: what it took.
        study, trial: who paid for it, None outside of studies.
    """

    replicate: int
    metrics: dict[str, Any] | None
    error: str
    seconds: float
    study: int | None
    trial: int | None


@dataclass(slots=True)
class Claim:
    """One evaluation that is ours to run.

    Attributes:
        number: the trial that asked for it.
        key: 16 bytes.
        replicate: which of its class; negative for an audit.
        seed: 63-bit; every random draw of the evaluation comes from it.
        attempt: 1, or more when others have lost it.
    """

    number: int
    key: bytes
    replicate: int
    seed: int
    attempt: int


@dataclass(slots=True)
class Resolution:
    """How far one request is answered.

    Attributes:
        number: the trial.
        results: the finished ones among the wanted, by replicate.
        claims: what is now ours to evaluate.
        waiting: replicates that somebody is evaluating, perhaps we ourselves for another trial.
        queued: something missing was not claimed because the limit was reached.
        audit: the finished audit of this spelling, if one was asked for.
    """

    number: int
    results: tuple[Result, ...]
    claims: tuple[Claim, ...]
    waiting: tuple[int, ...]
    queued: bool
    audit: Result | None = None
