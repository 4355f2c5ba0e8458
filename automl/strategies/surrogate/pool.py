"""A pool of candidates that were never evaluated, no function twice, with the numbers that a model reads of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automl.spaces.space import Candidate, Space
from automl.strategies.base import Hashes
from automl.strategies.surrogate.encoding import encoder_of
from automl.strategies.surrogate.kernels import Group

FIELDS = "fields"
"""The group of columns that every space has."""

APART = 0.9
"""Share of functions that features must tell apart to be enough without fields."""


@dataclass(frozen=True, slots=True)
class Member:
    """One candidate of the pool.

    Attributes:
        candidate: that would be proposed.
        key: of its function.
        parents: numbers of the trials that it is a mutant of.
    """

    candidate: Candidate
    key: bytes
    parents: tuple[int, ...] = ()


class Columns:
    """Turns candidates into rows: columns of their fields, and of the features of their functions where there are any.

    Features are scaled by what the first candidates have, so that each group's mean squared distance is 2 between two
    of them. A group that does not tell them apart is left out. Fields are left out where features tell functions apart
    without them: what differs between encodings of one function says nothing.

    Args:
        space: of the candidates.
        hashes: gives keys and features; if None, candidates are equal if their JSON is, and have no features.
        first: candidates that the scales are taken from.
        features: False leaves features out.
    """

    def __init__(self, space: Space, hashes: Hashes | None, first: Sequence[Candidate], features: bool) -> None:
        self._encoder = encoder_of(space)
        self._hashes = hashes if features else None
        self._scales: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        found = self._features(first)
        for name in sorted({str(name) for one in found for name in one}):
            rows = np.array([_compressed(name, one[name]) for one in found if name in one])
            known = np.isfinite(rows)
            count = np.maximum(known.sum(axis=0), 1)
            middle = np.where(known, rows, 0.0).sum(axis=0) / count
            spread = np.sqrt(np.where(known, (rows - middle) ** 2, 0.0).sum(axis=0) / count)
            if name == "paths":
                spread = np.full(len(spread), np.sqrt((spread**2).sum()))
            else:
                spread *= max(1.0, float((spread > 0.0).sum())) ** 0.5
            if spread.any():
                self._scales[name] = middle, np.where(spread > 0.0, spread, np.inf)
        self._fields = not self._scales or not self._told_apart(first)
        groups, at = [], 0
        if self._fields:
            components = self._encoder.components
            groups.append(Group(FIELDS, 0, len(components), components))
            at = len(components)
        for name, (middle, _) in self._scales.items():
            groups.append(Group(name, at, at + len(middle), np.zeros(len(middle), dtype=int)))
            at += len(middle)
        self.groups = tuple(groups)
        self.width = at

    def _told_apart(self, candidates: Sequence[Candidate]) -> bool:
        """Tells whether nearly all different functions among the candidates differ in their features."""
        self._fields = False
        rows = self.rows(candidates).round(6)
        return len(np.unique(rows, axis=0)) >= APART * len(set(keys_of(self._hashes, candidates)))

    def rows(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Returns one row a candidate; features that one lacks are those of the average."""
        parts = [self._encoder.rows(candidates)] if self._fields else []
        found = self._features(candidates) if self._scales else []
        for name, (middle, spread) in self._scales.items():
            rows = np.tile(middle, (len(candidates), 1))
            for row, one in zip(rows, found, strict=True):
                if name in one and len(one[name]) == len(row):
                    values = _compressed(name, one[name])
                    row[:] = np.where(np.isfinite(values), values, middle)
            parts.append((rows - middle) / spread)
        return np.concatenate(parts, axis=1)

    def _features(self, candidates: Sequence[Candidate]) -> Sequence[Mapping[str, np.ndarray]]:
        return self._hashes.features(candidates) if self._hashes is not None else [{}] * len(candidates)


def _compressed(name: str, values: np.ndarray) -> np.ndarray:
    """Returns a group's numbers as they are learned from: counts of paths, which grow fast, by their logarithm."""
    return np.log1p(np.maximum(values, 0.0)) if name == "paths" else values


def keys_of(hashes: Hashes | None, candidates: Sequence[Candidate]) -> list[bytes]:
    """Returns the key of each candidate's function; of its encoding where nobody knows functions."""
    return hashes.keys(candidates) if hashes is not None else [one.json.encode() for one in candidates]


class Pool:
    """Slots with the candidates that may be proposed.

    Args:
        slots: how many.
    """

    def __init__(self, slots: int) -> None:
        self.members: list[Member | None] = [None] * slots
        self.alive = np.zeros(slots, dtype=bool)
        self.slot: dict[bytes, int] = {}  # by key
        self._free = list(range(slots - 1, -1, -1))

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def room(self) -> int:
        """Number of free slots."""
        return len(self._free)

    def add(self, members: Sequence[Member]) -> np.ndarray:
        """Puts members into free slots, of which there must be enough, and returns these."""
        slots = [self._free.pop() for _ in members]
        for slot, member in zip(slots, members, strict=True):
            self.members[slot] = member
            self.slot[member.key] = slot
        self.alive[slots] = True
        return np.array(slots, dtype=int)

    def remove(self, slot: int) -> None:
        """Frees a slot."""
        member = self.members[slot]
        assert member is not None
        del self.slot[member.key]
        self.members[slot] = None
        self.alive[slot] = False
        self._free.append(slot)
