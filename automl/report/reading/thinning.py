"""Aggregates of endless streams in bounded memory: thinned series, uniform samples, failure kinds."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable
from typing import Generic, TypeVar

from automl.report.data import Failure, Sample

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
        self._mean = 0.0
        self._squares = 0.0
        self._low, self._high = math.inf, -math.inf
        self._random = random.Random(0)

    def add(self, value: float) -> None:
        """Takes one number (Welford 1962 for the moments)."""
        self.count += 1
        step = value - self._mean
        self._mean += step / self.count
        self._squares += step * (value - self._mean)
        self._low, self._high = min(self._low, value), max(self._high, value)
        if len(self.kept) < self.limit:
            self.kept.append(value)
        elif (place := self._random.randrange(self.count)) < self.limit:
            self.kept[place] = value

    def sample(self) -> Sample | None:
        """Returns the sample, None for an empty stream."""
        if not self.count:
            return None
        deviation = math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0
        return Sample(self.kept, self.count, self._mean, deviation, self._low, self._high)


class Failures:
    """Counts failures by the exception's name; beyond `limit` kinds they are counted together."""

    def __init__(self, limit: int = 30) -> None:
        self.limit = limit
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, error: str) -> None:
        """Takes one line of error text, usually `Type: message`."""
        head, colon, _ = error.partition(":")
        kind = head.strip() if colon and len(head) <= 60 else error[:60].strip()
        kind = kind or "no reason recorded"
        if kind not in self._examples and len(self._examples) >= self.limit:
            kind = "other kinds"
        self._counts[kind] += 1
        self._examples.setdefault(kind, error[:500])

    def items(self) -> list[Failure]:
        """Returns the kinds, most frequent first."""
        return [Failure(kind, count, self._examples[kind]) for kind, count in self._counts.most_common()]


def finite(items: Iterable[float]) -> list[float]:
    """Returns the finite numbers among `items`."""
    return [item for item in items if math.isfinite(item)]
