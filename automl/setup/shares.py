"""How much the functional hash can buy in a space: the share of candidates that compute what others compute."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.spaces.space import Candidate, Space

MOST_SAMPLES = 2000
"""Candidates that are hashed for a share, at most."""

MOST_SECONDS = 30.0
"""Seconds for both shares together, at most."""

LITTLE = 0.05
"""Share under which the hash buys little."""

KeysOf = Callable[[list[Candidate]], Sequence[bytes]]
"""Function that returns the key of each candidate of a list."""

_FAMILY = 20  # mutants of one parent
_BATCH = 50
_PRECISE = 0.025  # half of an interval's length
_Z = 1.959964  # of a normal distribution, for 95 %


@dataclass(frozen=True, slots=True)
class Share:
    """Share of candidates that compute the same as an earlier one which is written differently.

    Attributes:
        equal: Number of such candidates.
        of: Number of candidates that were looked at, all with different encodings.

    Example:
        >>> share = Share(equal=30, of=100)
        >>> share.value, tuple(round(bound, 2) for bound in share.interval)
        (0.3, (0.22, 0.4))
    """

    equal: int
    of: int

    @property
    def value(self) -> float:
        return self.equal / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the 95 % interval (Wilson 1927)."""
        if not self.of:
            return 0.0, 1.0
        n, share = self.of, self.value
        middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of equal candidates in a space.

    Attributes:
        samples: `Share` among uniform samples.
        mutants: `Share` among mutants of one parent, the parent included.
        functions: Estimate of the number of functions in the space, which is a lower bound (Chao 1984).
        seconds: Mean time of hashing one candidate.
    """

    samples: Share
    mutants: Share
    functions: float
    seconds: float


def equal_shares(
    space: Space,
    keys_of: KeysOf,
    rng: np.random.Generator,
    most: int = MOST_SAMPLES,
    seconds: float = MOST_SECONDS,
) -> Shares:
    """Estimates which share of a space's candidates the functional hash recognises.

    Each share ends at `most` candidates, at half of `seconds`, or once its interval is shorter than five points.

    Args:
        space: The space.
        keys_of: Function that returns the key of each candidate of a list.
        rng: Where candidates come from.
        most: Largest number of candidates for each of the two shares.
        seconds: Time for both shares together.

    Raises:
        Exception: whatever `keys_of` or the space's own code raises.

    Example:
        >>> from search_spaces.nas.nasbench201 import NASBench201
        >>> from automl.hashing import Hasher
        >>> space, hasher = NASBench201(), Hasher()
        >>> def keys_of(candidates):
        ...     return [one.key for one in hasher.hash_many([(space.behaviour(c), {}) for c in candidates])]
        >>> shares = equal_shares(space, keys_of, np.random.default_rng(0))
        >>> 0.4 < shares.samples.value < 0.6, 2500 < shares.functions < 5044
        (True, True)
    """
    began = time.perf_counter()
    keys: list[bytes] = []
    uniform = _share(_uniform(space, rng), keys_of, keys, most, seconds / 2)
    took = (time.perf_counter() - began) / (uniform.of + 1)
    mutants = _share(_families(space, rng), keys_of, [], most, seconds / 2)
    size = space.size()
    return Shares(uniform, mutants, _chao(keys) if size is None else min(_chao(keys), size), took)


def shares_lines(shares: Shares) -> list[str]:
    r"""Returns what the shares say, as sentences for a terminal.

    Example:
        >>> print(*shares_lines(Shares(Share(0, 90), Share(1, 90), 4096.0, 0.002)), sep="\n")
        equal candidates: 0 % of 90 uniform samples (95 % interval 0 to 4), 1 % of 90 mutants of one parent (0 to 6)
        there are at least about 4,100 functions; the hash buys little in this space
    """
    words = []
    for share in (shares.samples, shares.mutants):
        low, high = (f"{100 * bound:.0f}" for bound in share.interval)
        words.append((f"{100 * share.value:.0f} % of {share.of:,}", f"{low} to {high}"))
    (samples, first), (mutants, second) = words
    functions = float(f"{shares.functions:.2g}")
    little = max(shares.samples.value, shares.mutants.value) < LITTLE
    return [
        f"equal candidates: {samples} uniform samples (95 % interval {first}), "
        f"{mutants} mutants of one parent ({second})",
        f"there are at least about {functions:,.0f} functions"
        + ("; the hash buys little in this space" if little else ""),
    ]


def shares_data(shares: Shares) -> dict[str, Any]:
    """Returns the shares as JSON data, with their intervals.

    Example:
        >>> shares_data(Shares(Share(1, 4), Share(0, 4), 8.0, 0.5))["samples"]
        {'equal': 1, 'of': 4, 'value': 0.25, 'interval': [0.046, 0.699]}
    """
    data = {
        name: {"equal": one.equal, "of": one.of, "value": one.value, "interval": [round(x, 3) for x in one.interval]}
        for name, one in (("samples", shares.samples), ("mutants", shares.mutants))
    }
    return data | {"functions": shares.functions, "seconds": shares.seconds}


_Drawn = tuple[int, Candidate]
"""Number of a family, and a candidate of it."""


def _uniform(space: Space, rng: np.random.Generator) -> Iterator[list[_Drawn]]:
    while True:
        yield [(0, candidate) for candidate in space.sample_many(_BATCH, rng)]


def _families(space: Space, rng: np.random.Generator) -> Iterator[list[_Drawn]]:
    family = 0
    while True:
        parent = space.sample(rng)
        yield [(family, parent), *((family, space.mutate(parent, rng)) for _ in range(_FAMILY))]
        family += 1


def _share(batches: Iterator[list[_Drawn]], keys_of: KeysOf, keys: list[bytes], most: int, seconds: float) -> Share:
    """Counts candidates whose key is that of an earlier one of their family; adds the keys of all that were drawn."""
    began = time.perf_counter()
    written: dict[tuple[int, str], bytes] = {}
    seen: set[tuple[int, bytes]] = set()
    share, families, tried = Share(0, 0), set[int](), 0
    for batch in batches:
        drawn = {(family, candidate.json): candidate for family, candidate in batch}
        new = {place: candidate for place, candidate in drawn.items() if place not in written}
        written.update(zip(new, keys_of(list(new.values())), strict=True))
        tried += len(batch)
        keys += [written[family, candidate.json] for family, candidate in batch]
        equal, of = share.equal, share.of
        for family, text in new:
            key = written[family, text]
            if family in families:  # the first one has no earlier one
                of += 1
                equal += (family, key) in seen
            families.add(family)
            seen.add((family, key))
        share = Share(equal, of)
        low, high = share.interval
        if tried >= most or time.perf_counter() - began > seconds or (of > _BATCH and (high - low) / 2 < _PRECISE):
            return share
    return share


def _chao(keys: list[bytes]) -> float:
    """Returns Chao's estimate of the number of classes, which is a lower bound of it."""
    times = Counter(Counter(keys).values())
    once, twice = times[1], times[2]
    more = once**2 / (2 * twice) if twice else once * (once - 1) / 2
    return sum(times.values()) + more
