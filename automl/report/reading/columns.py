"""A study's trials as compact columns: 40 bytes a trial (a few times that while they are grouped at the end).

Everything else that a report needs is aggregated while the trials stream by.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from automl.storage.records import TrialRecord

_PAYING = ("miss", "partial")


@dataclass(frozen=True)
class Counts:
    """What the columns say once all trials are in.

    Attributes:
        counted: array of shape (trials,): evaluations counted up to and including each trial, in units of one full
            evaluation.
        evaluations: paid for.
        classes: fitness of each class, the latest (it has seen the most replicates), falling; without failed classes
            and those that break a constraint.
        best: place of the best class's latest trial, in completion order, None where no class has a fitness.
    """

    counted: np.ndarray
    evaluations: int
    classes: np.ndarray
    best: int | None


class Columns:
    """Grows by one row a trial, in completion order. Fitness is stored so that larger is better."""

    def __init__(self, known: Iterable[bytes] = ()) -> None:
        """Begins without trials.

        Args:
            known: keys of classes that the study began from: each of them has one replicate that is not counted.
        """
        self._known = np.array([_short(key) for key in known], dtype=np.uint64)
        self.keys = array("Q")
        self.replicates = array("H")
        self.pays = array("B")
        self.fitness = array("d")
        self.shares = array("d")
        self.allowed = array("B")
        self.parents = (array("i"), array("i"))
        self._positions = array("i")

    def add(
        self, trial: TrialRecord, fitness: float | None, share: float = 1.0, level: int = 0, *, allowed: bool = True
    ) -> None:
        """Appends one trial.

        Args:
            trial: as stored.
            fitness: None for a failed one, and below a full evaluation.
            share: budget fraction: what each new replicate costs, in units of one full evaluation.
            level: tells the fidelities apart, whose replicates count for themselves; 0 for full ones.
            allowed: whether it keeps the study's constraints; only such trials stand for their class.
        """
        self.keys.append(_short(trial.key) ^ level)
        self.shares.append(share)
        self.allowed.append(allowed)
        self.replicates.append(min(max(1, trial.replicates), 65535))
        paid = trial.outcome in _PAYING or (trial.outcome == "failed" and trial.paid_seconds > 0.0)
        self.pays.append(paid)
        self.fitness.append(float("nan") if fitness is None else fitness)
        for place, column in enumerate(self.parents):
            column.append(trial.parents[place] if len(trial.parents) > place else -1)
        number = trial.number
        if number >= len(self._positions):
            self._positions.extend([-1] * (number + 1 - len(self._positions)))
        self._positions[number] = len(self.keys) - 1

    def position(self, number: int) -> int | None:
        """Returns the place in completion order of the trial with this number, or None where it has not finished."""
        found = self._positions[number] if 0 <= number < len(self._positions) else -1
        return found if found >= 0 else None

    def counts(self, until: int | None = None) -> Counts:
        """Groups the rows by class. Two classes sharing 64 of their 128 key bits would be one; they do not.

        Args:
            until: how many of the trials count; None lets all count.
        """
        keys = np.frombuffer(self.keys, dtype=np.uint64)[:until]
        if not len(keys):
            return Counts(np.zeros(0), 0, np.zeros(0), None)
        order = np.argsort(keys, kind="stable")
        starts = np.ones(len(keys), dtype=bool)
        starts[1:] = keys[order][1:] != keys[order][:-1]
        wanted = np.frombuffer(self.replicates, dtype=np.uint16)[:until][order].astype(np.int64)
        at_first = np.isin(keys[order], self._known).astype(np.int64) if len(self._known) else 0
        before = np.where(starts, at_first, np.concatenate([[0], wanted[:-1]]))
        fresh = np.empty(len(keys), dtype=np.int64)
        fresh[order] = np.maximum(wanted - before, 0)
        pays = np.frombuffer(self.pays, dtype=np.uint8)[:until] > 0
        first = np.flatnonzero(starts)
        standing = np.where(np.frombuffer(self.allowed, dtype=np.uint8)[:until][order] > 0, np.arange(len(keys)), -1)
        last = np.maximum.reduceat(standing, first)
        latest = order[last]
        fitness = np.frombuffer(self.fitness, dtype=np.float64)[:until][latest]
        valid = np.isfinite(fitness) & (last >= 0)
        ranked = np.lexsort((order[first][valid], -fitness[valid]))  # of equals the one found first
        return Counts(
            counted=np.cumsum(fresh * np.frombuffer(self.shares, dtype=np.float64)[:until]),
            evaluations=int(np.maximum(fresh[pays], 1).sum()),
            classes=fitness[valid][ranked],
            best=int(latest[valid][ranked[0]]) if len(ranked) else None,
        )

    def places(self, key: bytes) -> list[int]:
        """Returns the places of all trials of this class, in completion order."""
        return [int(place) for place in np.flatnonzero(np.frombuffer(self.keys, dtype=np.uint64) == _short(key))]

    def ancestors(self, number: int, limit: int) -> list[int]:
        """Returns the numbers of a trial's line of first parents, oldest first, at most `limit`."""
        line = [number]
        while len(line) < limit:
            place = self.position(line[-1])
            parent = -1 if place is None else self.parents[0][place]
            if parent < 0 or parent >= line[-1]:
                break
            line.append(parent)
        return line[::-1]


def _short(key: bytes) -> int:
    return int.from_bytes(key[:8], "little")
