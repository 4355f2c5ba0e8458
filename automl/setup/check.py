"""A space's own faults, found before a search is paid for: `automl check`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from automl.errors import AutoMLError
from automl.evaluators.base import Evaluation, Evaluator, Work
from automl.hashing import Hasher
from automl.hashing.isolated import HashJobs
from automl.hashing.unseen import unseen_fields
from automl.isolation.limits import FAULTS, OutOfTime, OwnExit, alarm, no_exit
from automl.setup.first import first_work, further_faults
from automl.setup.parts import Parts
from automl.setup.shares import MOST_SECONDS, Shares, equal_shares
from automl.spaces.contract import costs_of, read_back
from automl.spaces.space import Candidate, Space

PATIENCE = 5.0
"""Seconds after which the evaluation that is tried is ended: all that is asked is whether it costs more than a hash."""


@dataclass
class Findings:
    """What a check found.

    Attributes:
        samples: number of candidates that were tried.
        classes: number of distinct keys among them.
        size: number of candidates of the space, or None where there is no end to them.
        unseen: fields whose changes never reach the key: every value of them would share one result.
        unhashable: why candidates had to be keyed by their JSON, and how many.
        faults: what is wrong, one sentence each.
        seconds: mean time of hashing one candidate.
        shares: how many candidates compute what others compute; None where the space has faults or keys by JSON.
        evaluation: seconds that the first sample's evaluation took, or after which it was ended; None where it was not
            tried, or failed.
        ended: True where that evaluation was ended after `PATIENCE` seconds.
    """

    samples: int = 0
    classes: int = 0
    size: int | None = None
    unseen: list[str] = field(default_factory=list)
    unhashable: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    shares: Shares | None = None
    evaluation: float | None = None
    ended: bool = False

    @property
    def by_json(self) -> int:
        """Number of candidates that were keyed by their JSON: other encodings of their functions are not found."""
        return sum(self.unhashable.values())

    @property
    def sound(self) -> bool:
        """True where nothing is wrong, every field reaches the key, and every candidate was hashed by its function."""
        return not (self.faults or self.unseen or self.unhashable)


def check_space(parts: Parts, samples: int = 50, seed: int = 0, seconds: float = MOST_SECONDS) -> Findings:
    """Samples, mutates, crosses, reads back, builds and hashes candidates of a space, and asks for their costs.

    Args:
        parts: Space and evaluator.
        samples: Number of candidates to try.
        seed: Seed of the draws.
        seconds: Time for the shares of equal candidates; 0 leaves them out.

    Raises:
        InvalidSpace: the space fails on its very first sample.
    """
    space, rng = parts.space, np.random.default_rng(seed)
    first = first_work(space, parts.evaluator, seed)
    found = Findings(size=space.size())
    found.faults = [str(error) for error in further_faults(space, parts.evaluator, seed, first)]
    hasher = Hasher(parts.evaluator.probe(), space_source=parts.reference.code.digest)
    jobs = HashJobs(space, hasher, parts.reference)
    before = len(found.faults)
    candidates = _vary(space, samples, rng, found)
    found.samples = len(candidates)
    keys: set[bytes] = set()
    reasons: Counter[str] = Counter()
    began = time.perf_counter()
    for candidate in candidates:
        try:
            [hashed] = jobs.hash([candidate])
        except (Exception, SystemExit, OwnExit, OutOfTime) as error:  # the user's code may raise anything
            found.faults.append(f"{candidate.json} raises {type(error).__name__}: {error}")
            continue
        keys.add(hashed.key)
        if hashed.fallback:
            reasons[hashed.fallback] += 1
    found.seconds = (time.perf_counter() - began) / max(1, len(candidates))
    found.classes, found.unhashable = len(keys), dict(reasons)
    if len(found.faults) == before:
        found.unseen = unseen_fields(space, jobs, rng)
    if not found.faults and not found.unhashable and seconds > 0:
        found.shares = _shares(space, jobs, rng, seconds, found)
        found.seconds = found.shares.seconds if found.shares else found.seconds
        _evaluate(parts.evaluator, first, seed, found)
    jobs.close()
    complaints = [complaint for candidate in candidates if (complaint := costs_of(space, candidate)[1])]
    if complaints and complaints[0].partition(" (")[0] not in {fault.partition(" (")[0] for fault in found.faults}:
        found.faults.append(f"{complaints[0]}; so do {len(complaints)} of {len(candidates)} candidates")
    return found


def _shares(space: Space, jobs: HashJobs, rng: np.random.Generator, seconds: float, found: Findings) -> Shares | None:
    """Returns the shares of equal candidates, or None, and a fault more, where the space fails on one of them."""
    try:
        return equal_shares(space, lambda some: [one.key for one in jobs.hash(some)], rng, seconds=seconds)
    except (Exception, SystemExit, OwnExit, OutOfTime) as error:  # the user's code may raise anything
        found.faults.append(f"a further candidate raises {type(error).__name__}: {error}")
        return None


def _evaluate(evaluator: Evaluator, work: Work, seed: int, found: Findings) -> None:
    """Finds how long one evaluation takes, as far as the hash's cost is compared with it."""
    try:
        evaluator.prepare()
        began = time.perf_counter()
        with no_exit(), alarm(PATIENCE):
            evaluator.evaluate(work, Evaluation(seed))
    except OutOfTime:
        found.evaluation, found.ended = PATIENCE, True
    except FAULTS:  # the user's code may raise anything; a search says what is wrong with which candidate
        return
    else:
        found.evaluation = time.perf_counter() - began


def _vary(space: Space, samples: int, rng: np.random.Generator, found: Findings) -> list[Candidate]:
    """Returns samples, mutants and children whose JSON reads back; what does not is a fault."""
    candidates: list[Candidate] = []

    def draw() -> Candidate:
        return candidates[int(rng.integers(len(candidates)))]

    makers: dict[str, Callable[[], Candidate]] = {
        "sample": lambda: space.sample(rng),
        "mutate": lambda: space.mutate(draw(), rng),
        "crossover": lambda: space.crossover(draw(), draw(), rng),
    }
    for number in range(samples):
        name = "sample" if number < 2 else tuple(makers)[number % 3]
        try:
            candidate = makers[name]()
            candidates.append(read_back(space, candidate))
        except AutoMLError as error:
            found.faults.append(f"{name}: {error}")
        except Exception as error:  # the user's code may raise anything
            found.faults.append(f"{name} raises {type(error).__name__}: {error}")
        if len(found.faults) >= 5:
            break
    return candidates
