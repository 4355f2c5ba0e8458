"""How many evaluations a class gets, when one is asked for again, and when a hit is put to the test.

Gillard et al. 2023 (arXiv 2302.05433) introduce replicates and forgetting against noise; audits are ours: they
measure how often two functions share a key.

All of it follows from the study's seed, the number of the trial and how often the study has met the class, never from
time or from what happens to be stored: so a study proposes the same trials from a cold cache and from a warm one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import xxhash

from automl.settings import MOST, check, setting

FORGET = 1
AUDIT = 2
"""Streams of random numbers, one for each choice, so that switching one on does not move the other."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Settings for an equivalence class that is met again: replicates, forgetting, audits, varied duplicates.

    Attributes:
        vary_at_most: Number of times that a duplicate is varied before the stored fitness is served instead.

    Raises:
        InvalidInput: a value is out of range.

    Example:
        >>> Policy(replicates=4, audit_probability=0.05).on_duplicate
        'serve'
        >>> Policy(forget_probability=2)
        Traceback (most recent call last):
        automl.errors.InvalidInput: forget_probability=2: it must be between 0 and 1
    """

    vary_at_most: ClassVar[int] = 10

    replicates: int = setting(
        1,
        "Evaluations that a class of equal candidates gets at most: each time it is met adds one, and their mean "
        "counts.",
        group="Cache",
        lowest=1,
        highest=MOST,
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
class ReplicatePlan:
    """Replicates of its equivalence class that one trial asks for. Treat it as immutable.

    Attributes:
        first: Number of the first replicate that the trial reads; above 0 if forgetting hides earlier replicates.
        replicates: Number after the last replicate that the trial reads: it reads the replicates `first` to
            `replicates` - 1.
        adds: Number of these replicates that no earlier trial of the study has asked for.
        audit: True if the trial's own candidate is also evaluated, to measure false merges; that result is never
            served.

    Example:
        >>> plans = Occurrences(Policy(replicates=2), seed=0)
        >>> plans.plan(bytes(16), trial=0), plans.plan(bytes(16), trial=1).adds
        (ReplicatePlan(first=0, replicates=1, adds=1, audit=False), 1)
    """

    first: int = 0
    replicates: int = 1
    adds: int = 0
    audit: bool = False


class Plans(Protocol):
    """Protocol that plans the replicates of each trial. The same trials in the same order get the same plans.

    Example:
        >>> plans: Plans = FreshSeeds([3])
        >>> bytes(16) in plans
        False
    """

    policy: Policy

    @property
    def most(self) -> int:
        """Largest number of replicates that a trial asks for; forgetting adds to it."""
        ...

    def plan(self, key: bytes, trial: int) -> ReplicatePlan:
        """Counts one more occurrence of the equivalence class and returns the plan of this trial."""
        ...

    def __contains__(self, key: bytes) -> bool:
        """True where the study has met the class."""
        ...


class FreshSeeds:
    """Plans `replicates[i]` replicates for trial i of a test study, numbered from 0.

    Args:
        replicates: Number of replicates for each trial, in the order of trials.

    Example:
        >>> plans = FreshSeeds([3, 5])
        >>> plans.plan(b"a" * 16, trial=0).replicates, plans.plan(b"b" * 16, trial=1).replicates
        (3, 5)
    """

    def __init__(self, replicates: Sequence[int]):
        self.policy = Policy()
        self._replicates = replicates
        self._met: dict[bytes, int] = {}

    @property
    def most(self) -> int:
        """Largest number of replicates that a trial asks for."""
        return max(self._replicates, default=1)

    def plan(self, key: bytes, trial: int) -> ReplicatePlan:
        """Returns a plan with the replicates 0 to n - 1, where n is the number for this trial."""
        before, now = self._met.get(key, 0), self._replicates[trial]
        self._met[key] = max(before, now)
        return ReplicatePlan(0, now, max(0, now - before), audit=False)

    def __contains__(self, key: bytes) -> bool:
        return key in self._met


class Occurrences:
    """Counts how often one study has met each equivalence class, and plans each trial from that count.

    The count is not stored: planning the same trials in the same order gives the same count again.

    Args:
        policy: Cache policy of the study: replicates, forgetting, audits.
        seed: Seed of the study; decides which look-ups forget and which hits are audited.
        known: Keys of classes that were known before the study: they count as met once.

    Example:
        >>> plans = Occurrences(Policy(replicates=2), seed=0)
        >>> [plans.plan(bytes(16), trial).replicates for trial in range(4)]  # one more each time, two at most
        [1, 2, 2, 2]
    """

    def __init__(self, policy: Policy, seed: int, known: Iterable[bytes] = ()):
        self.policy = policy
        self.seed = seed
        self._met: dict[bytes, int] = dict.fromkeys(known, 1)
        self._forgotten: dict[bytes, int] = {}

    @property
    def most(self) -> int:
        """Largest number of replicates that a trial asks for; forgetting adds to it."""
        return self.policy.replicates

    def plan(self, key: bytes, trial: int) -> ReplicatePlan:
        """Counts one more occurrence of the equivalence class and returns the plan of this trial.

        The m-th occurrence sees the replicates 0 … min(m, K) - 1, and one more for every time that the class was
        forgotten; the occurrence that forgets sees the new one alone. Occurrences that add nothing may be audited.
        """
        policy = self.policy
        met, forgotten = self._met.get(key, 0), self._forgotten.get(key, 0)
        before = min(met, policy.replicates) + forgotten
        if met and policy.forget_probability and self._chance(trial, FORGET, policy.forget_probability):
            self._forgotten[key] = forgotten + 1
            return ReplicatePlan(before, before + 1, 1, False)
        self._met[key] = met + 1
        now = min(met + 1, policy.replicates) + forgotten
        if now == before and policy.audit_probability and self._chance(trial, AUDIT, policy.audit_probability):
            return ReplicatePlan(0, now, 0, True)
        return _without_audit(now, now - before)

    def _chance(self, trial: int, stream: int, probability: float) -> bool:
        return draw(self.seed, trial, stream) < probability

    def __contains__(self, key: bytes) -> bool:
        return key in self._met

    def __len__(self) -> int:
        return len(self._met)


@functools.lru_cache(maxsize=1024)
def _without_audit(replicates: int, adds: int) -> ReplicatePlan:
    """Returns one plan for all trials that ask for the same."""
    return ReplicatePlan(0, replicates, adds, False)


def draw(seed: int, trial: int, stream: int) -> float:
    """Returns a uniform number in [0, 1) that is determined by seed, trial number and stream alone.

    Args:
        seed: Seed of the study.
        trial: Number of the trial.
        stream: FORGET or AUDIT; each stream gives other numbers.

    Example:
        >>> draw(seed=0, trial=7, stream=FORGET) == draw(seed=0, trial=7, stream=FORGET)
        True
        >>> 0 <= draw(seed=0, trial=7, stream=AUDIT) < 1
        True
    """
    numbers = b"".join(value.to_bytes(16, "little", signed=True) for value in (seed, trial, stream))
    return (xxhash.xxh3_64_intdigest(numbers) >> 11) * 2.0**-53
