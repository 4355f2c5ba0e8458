"""How many evaluations a class gets, when one is asked for again, and when a hit is put to the test.

Gillard et al. 2023 (arXiv 2302.05433) introduce replicates and forgetting against noise; audits are ours: they
measure how often two functions share a key.

All of it follows from the study's seed, the number of the trial and how often the study has met the class, never from
time or from what happens to be stored: so a study proposes the same trials from a cold cache and from a warm one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import xxhash

from automl.cache.records import Result
from automl.settings import check, setting

FORGET = 1
AUDIT = 2
"""Streams of random numbers, one for each choice, so that switching one on does not move the other."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is done when a class is met again.

    Attributes:
        vary_at_most: how often a duplicate may be varied, before the stored fitness is served after all.

    Raises:
        InvalidInput: a value out of range.
    """

    vary_at_most: ClassVar[int] = 10

    replicates: int = setting(
        1,
        "Evaluations that a class of equal candidates gets at most: each time it is met adds one, and their mean "
        "counts.",
        group="Cache",
        lowest=1,
        unit="K",
    )
    forget_probability: float = setting(
        0.0,
        "Probability of hiding what is stored from one look-up and adding one more evaluation, against lucky outliers; "
        "nothing is deleted.",
        group="Cache",
        lowest=0,
        highest=1,
        unit="P",
    )
    audit_probability: float = setting(
        0.0,
        "Probability of evaluating a hit all the same, which measures how often two functions share a key.",
        group="Cache",
        lowest=0,
        highest=1,
        unit="P",
    )
    on_duplicate: Literal["serve", "vary"] = setting(
        "serve",
        "Whether a candidate whose function is known is served the stored fitness, or varied until its function is "
        "new.",
        group="Cache",
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(slots=True)  # not frozen: every trial makes one, and frozen ones take four times as long to make
class Plan:
    """What one trial wants of its class; nobody changes it.

    Attributes:
        first, replicates: it sees the replicates `first` … `replicates` - 1.
        adds: how many of them no earlier trial of the study has asked for.
        audit: its own spelling is evaluated too.
    """

    first: int
    replicates: int
    adds: int
    audit: bool


class Plans(Protocol):
    """What a loop asks before each trial; asked again for the same trials in the same order, it answers the same."""

    policy: Policy

    def plan(self, key: bytes, trial: int) -> Plan:
        """Counts one more occurrence of the class and returns what this trial wants of it."""
        ...

    def __contains__(self, key: bytes) -> bool:
        """True where the study has met the class."""
        ...


class FreshSeeds:
    """The plans of a test study: every trial sees as many replicates as its place in the study says.

    Args:
        replicates: one number for each trial, all of a class counting from replicate 0.
    """

    def __init__(self, replicates: Sequence[int]):
        self.policy = Policy()
        self._replicates = replicates
        self._met: dict[bytes, int] = {}

    def plan(self, key: bytes, trial: int) -> Plan:
        """Returns the replicates 0 … n - 1 for the trial's n."""
        before, now = self._met.get(key, 0), self._replicates[trial]
        self._met[key] = max(before, now)
        return Plan(0, now, max(0, now - before), audit=False)

    def __contains__(self, key: bytes) -> bool:
        return key in self._met


class Occurrences:
    """How often one study has met each class: what its plans follow from. Rebuilt by planning its trials again.

    Args:
        policy: of the study.
        seed: of the study.
    """

    def __init__(self, policy: Policy, seed: int):
        self.policy = policy
        self.seed = seed
        self._met: dict[bytes, int] = {}
        self._forgotten: dict[bytes, int] = {}

    def plan(self, key: bytes, trial: int) -> Plan:
        """Counts one more occurrence of the class and returns what this trial wants of it.

        The m-th occurrence sees the replicates 0 … min(m, K) - 1, and one more for every time that the class was
        forgotten; the occurrence that forgets sees the new one alone. Occurrences that add nothing may be audited.
        """
        policy = self.policy
        met, forgotten = self._met.get(key, 0), self._forgotten.get(key, 0)
        before = min(met, policy.replicates) + forgotten
        if met and self._chance(trial, FORGET, policy.forget_probability):
            self._forgotten[key] = forgotten + 1
            return Plan(before, before + 1, 1, False)
        self._met[key] = met + 1
        now = min(met + 1, policy.replicates) + forgotten
        audit = now == before and self._chance(trial, AUDIT, policy.audit_probability)
        return Plan(0, now, now - before, audit)

    def _chance(self, trial: int, stream: int, probability: float) -> bool:
        return probability > 0 and draw(self.seed, trial, stream) < probability

    def __contains__(self, key: bytes) -> bool:
        return key in self._met

    def __len__(self) -> int:
        return len(self._met)


def draw(seed: int, trial: int, stream: int) -> float:
    """Returns a number in [0, 1) that follows from the study's seed and the trial alone, uniform over trials."""
    numbers = b"".join(value.to_bytes(16, "little", signed=True) for value in (seed, trial, stream))
    return (xxhash.xxh3_64_intdigest(numbers) >> 11) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Summary:
    """Several results of one class in one metric.

    Attributes:
        count: of finite values.
        mean: of them; None without one.
        variance: unbiased; None below two values.
        failures: results without metrics.
    """

    count: int
    mean: float | None
    variance: float | None
    failures: int


def summarise(results: Iterable[Result], metric: str) -> Summary:
    """Returns count, mean and variance of one metric, by Welford's running update (Technometrics 4, 1962)."""
    count, mean, squares, failures = 0, 0.0, 0.0, 0
    for result in results:
        if result.metrics is None:
            failures += 1
            continue
        value = result.metrics.get(metric)
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            continue
        count += 1
        step = value - mean
        mean += step / count
        squares += step * (value - mean)
    return Summary(count, mean if count else None, squares / (count - 1) if count > 1 else None, failures)
