"""Aggregates of endless streams in bounded memory: thinned series, uniform samples, failure kinds."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable
from typing import Generic, TypeVar

from automl.errors import one_line
from automl.evidence.means import times_two_to
from automl.report.study_part import Failure, Sample

T = TypeVar("T")


class Thinned(Generic[T]):
    """Keeps at most `limit` evenly spaced items of a stream, always with the first and the last."""

    def __init__(self, limit: int = 400) -> None:
        self.limit = limit
        self._kept: list[T] = []
        self._stride = 1
        self._seen = 0
        self._last: T | None = None

    def due(self) -> bool:
        """Tells whether the next item would be kept, so that the caller need not build one that is not."""
        return self._seen % self._stride == 0

    def add(self, item: T) -> None:
        """Takes the next item of the stream."""
        if self.due():
            self._kept.append(item)
            if len(self._kept) >= self.limit:
                del self._kept[1::2]
                self._stride *= 2
        self._seen += 1
        self._last = item

    def items(self) -> list[T]:
        """Returns what was kept."""
        if self._last is None or (self._kept and self._kept[-1] is self._last):
            return list(self._kept)
        return [*self._kept, self._last]


class Values:
    """Exact moments of a stream of numbers and a uniform sample of it (reservoir sampling, always the same draws)."""

    def __init__(self, limit: int = 5000) -> None:
        self.limit = limit
        self.kept: list[float] = []
        self.count = 0
        self._moments = (_Moments(0), _Moments(_DOWN))
        self._low, self._high = math.inf, -math.inf
        self._random = random.Random(0)

    def add(self, value: float) -> None:
        """Takes one number."""
        self.count += 1
        for moments in self._moments:
            moments.add(value, self.count)
        self._low, self._high = min(self._low, value), max(self._high, value)
        if len(self.kept) < self.limit:
            self.kept.append(value)
        elif (place := self._random.randrange(self.count)) < self.limit:
            self.kept[place] = value

    def sample(self) -> Sample | None:
        """Returns the sample, None for an empty stream."""
        if not self.count:
            return None
        found = [moments.result(self.count) for moments in self._moments]
        mean, deviation = next((pair for pair in found if all(map(math.isfinite, pair))), (found[1][0], None))
        return Sample(self.kept, self.count, min(max(mean, self._low), self._high), deviation, self._low, self._high)


_DOWN = 540
"""Powers of two by which the largest numbers are made so small that sums of their squares are numbers."""


class _Moments:
    """Mean and sum of squares of a stream (Welford 1962), of figures that are taken 2^down times smaller."""

    def __init__(self, down: int) -> None:
        self.down = down
        self.mean = 0.0
        self.squares = 0.0

    def add(self, value: float, count: int) -> None:
        value = math.ldexp(value, -self.down)
        step = value - self.mean
        self.mean += step / count
        self.squares += step * (value - self.mean)

    def result(self, count: int) -> tuple[float, float]:
        """Returns mean and standard deviation, not finite where they are larger than numbers can be."""
        deviation = math.sqrt(self.squares / (count - 1)) if count > 1 and self.squares >= 0.0 else self.squares
        return times_two_to(self.mean, self.down), times_two_to(deviation, self.down)


class Failures:
    """Counts failures by the exception's name; beyond `limit` kinds they are counted together."""

    def __init__(self, limit: int = 30) -> None:
        self.limit = limit
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, error: str) -> None:
        """Takes one line of error text, usually `Type: message`."""
        error = one_line(error, 500)
        head, colon, _ = error.partition(":")
        kind = head.strip() if colon and len(head) <= 60 else error[:60].strip()
        kind = kind or "no reason recorded"
        if kind not in self._examples and len(self._examples) >= self.limit:
            kind = "other kinds"
        self._counts[kind] += 1
        self._examples.setdefault(kind, error)

    def items(self) -> list[Failure]:
        """Returns the kinds, most frequent first."""
        return [Failure(kind, count, self._examples[kind]) for kind, count in self._counts.most_common()]


def finite(items: Iterable[float]) -> list[float]:
    """Returns the finite numbers among `items`."""
    return [item for item in items if math.isfinite(item)]
