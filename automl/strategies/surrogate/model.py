"""What the surrogate knows: trials that were told, the process that learns from them, and the pool it chooses from.

Everything follows from the trials and their order. The candidates of the pool are drawn from a generator that the trial
before them seeds, so that a strategy rebuilt from its history has the same pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xxhash

from automl.spaces.space import Candidate, Space
from automl.strategies.base import Hashes, Told
from automl.strategies.surrogate.acquisition import log_expected_improvement, log_feasible, scalarised
from automl.strategies.surrogate.judging import Judge
from automl.strategies.surrogate.kernels import DIGITS, Kernel, fitted
from automl.strategies.surrogate.learned import account_of, representative
from automl.strategies.surrogate.pool import Columns, Member, Pool, keys_of
from automl.strategies.surrogate.process import Process
from automl.strategies.surrogate.spread import farthest
from automl.strategies.surrogate.warping import warped

BEGUN = 200
"""Candidates of the pool before the first evaluation, at most."""

BEGUN_TIMES = 10
"""And at most so many times as many as are made after each evaluation."""

PARENTS = 10
"""The best trials, whose mutants are made."""

MOST = 600
"""Points that the process observes, at most; at as many it keeps the best and the latest `KEPT`."""

KEPT = 400

BELIEVED = 128
"""Points under way that the process believes in, at most."""

FITTED = 150
"""Points from which the weights are fitted, at most."""


class Model:
    """Learns from trials and chooses candidates.

    Args:
        space: of the candidates.
        hashes: knows their keys and features.
        judge: says what a trial is worth.
        hashed: candidates made after each evaluation.
        kept: slots of the pool.
        features: False leaves the features of functions out.
    """

    def __init__(
        self, space: Space, hashes: Hashes | None, judge: Judge, hashed: int, kept: int, features: bool
    ) -> None:
        self._space, self._hashes, self._judge = space, hashes, judge
        self._hashed, self._kept, self._features = hashed, kept, features
        self._pool = Pool(kept)
        self._place: dict[bytes, int] = {}  # of each function that was told, among these lists
        self._candidates: list[Candidate] = []
        self._numbers: list[int] = []
        self._values = np.empty((0, judge.width + len(judge.constraints)))
        self._active: list[int] = []  # places of the points that the process observes, in its order
        self._fit_at = 2
        self._length: float | None = None
        size = space.size()
        self._countable = size is not None and size <= 1 << 20
        self._met: set[int] = set()  # encodings, where the space has few

    @property
    def _beginning(self) -> int:
        """Number of samples that the pool begins with."""
        return min(BEGUN, self._kept, BEGUN_TIMES * self._hashed)

    @property
    def told(self) -> int:
        """Number of functions that were told."""
        return len(self._place)

    def knows(self, key: bytes) -> bool:
        """Tells whether a function was told."""
        return key in self._place

    def exhausted(self, size: int | None) -> bool:
        """Tells whether every encoding of the space was met."""
        return size is not None and len(self._met) >= size

    # --- learning ----------------------------------------------------------------------------------------------------

    def learn(self, trial: Told) -> None:
        """Takes one trial that has ended."""
        values = self._judge.values(trial)
        [key] = keys_of(self._hashes, [trial.candidate])
        if key in self._place:  # the mean over its evaluations, of which there is one more
            self._values[self._place[key]] = values
            return
        seed = [xxhash.xxh3_64_intdigest(trial.candidate.json.encode()), self.told]
        rng = np.random.default_rng(seed)
        if not self.told:
            self._begin(rng)
        self._place[key] = place = self.told
        self._candidates.append(trial.candidate)
        self._numbers.append(trial.number)
        self._values = np.vstack([self._values, values])
        self._active.append(place)
        self._process.observe(self._row(key, trial.candidate))
        if key in self._pool.slot:
            self._pool.remove(self._pool.slot[key])
        if len(self._active) >= MOST:
            self._forget()
        if self.told >= self._fit_at:
            self._fit()
        self._grow(self._hashed, rng)

    def _begin(self, rng: np.random.Generator) -> None:
        first = self._space.sample_many(self._beginning, rng)
        self._columns = Columns(self._space, self._hashes, first, self._features)
        kernel = Kernel.prior(self._columns.groups)
        self._process = Process(kernel, self._columns.width, MOST + BELIEVED, self._kept)
        self._put([(one, ()) for one in first])

    def _row(self, key: bytes, candidate: Candidate) -> np.ndarray:
        slot = self._pool.slot.get(key)
        return self._process.row(slot) if slot is not None else self._columns.rows([candidate])[0]

    def _worth(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Returns one number to make large for each function that was told; minus infinity where it failed."""
        width = self._judge.width
        objectives = self._values[:, :width]
        if width == 1:
            return np.where(np.isfinite(objectives[:, 0]), objectives[:, 0], -np.inf)
        return scalarised(objectives, np.full(width, 1.0 / width) if weights is None else weights)

    def _allowed(self) -> np.ndarray:
        """Tells which functions that were told keep the constraints; those that failed do not."""
        figures = self._values[:, self._judge.width :]
        allowed = np.asarray(np.isfinite(self._values).all(axis=1))
        for constraint, column in zip(self._judge.constraints, figures.T, strict=True):
            allowed &= np.asarray(column <= constraint.bound if constraint.most else column >= constraint.bound)
        return allowed

    def _ranking(self) -> np.ndarray:
        """Returns the places of what was told, the best first; those that break a constraint behind the others."""
        return np.lexsort((np.arange(self.told), -self._worth(), ~self._allowed()))

    def _grow(self, count: int, rng: np.random.Generator) -> None:
        """Makes candidates and puts those with new functions into the pool."""
        parents = self._ranking()[:PARENTS]
        half = count // 2
        drawn = rng.integers(len(parents), size=half)
        mothers = [int(parents[one]) for one in drawn]
        children = self._space.mutate_many([self._candidates[one] for one in mothers], rng)
        made: list[tuple[Candidate, tuple[int, ...]]] = [
            (child, (self._numbers[one],)) for child, one in zip(children, mothers, strict=True)
        ]
        made += [(one, ()) for one in self._space.sample_many(count - half, rng)]
        self._put(made)

    def _put(self, made: Sequence[tuple[Candidate, tuple[int, ...]]]) -> None:
        keys = keys_of(self._hashes, [candidate for candidate, _ in made])
        if self._countable:
            self._met.update(xxhash.xxh3_64_intdigest(candidate.json.encode()) for candidate, _ in made)
        new: dict[bytes, Member] = {}
        for (candidate, parents), key in zip(made, keys, strict=True):
            if (
                key not in self._place
                and key not in self._pool.slot
                and key not in new
                and self._judge.keeps(candidate)
            ):
                new[key] = Member(candidate, key, parents)
        members = list(new.values())[: self._kept]
        if not members:
            return
        if len(members) > self._pool.room:
            self._drop(max(len(members), self._kept // 4))
        slots = self._pool.add(members)
        self._process.put(slots, self._columns.rows([one.candidate for one in members]))

    def _drop(self, count: int) -> None:
        """Frees slots of the least promising members."""
        mean, _ = self._process.means(warped(self._worth()[self._active], self._length)[:, None])
        promise = np.round(mean[:, 0] + 2.0 * self._process.believing([]).deviations(), DIGITS)
        alive = np.flatnonzero(self._pool.alive)
        for slot in alive[np.argsort(promise[alive], kind="stable")][:count].tolist():
            self._pool.remove(slot)

    def _fit(self) -> None:
        """Fits the weights, now and again at a fifth more points: always from the same start, so that only what was
        told counts.
        """
        self._fit_at = self.told + max(1, self.told // 5)
        worth = self._worth()[self._active]
        chosen = representative(worth, FITTED)
        if np.unique(worth[chosen]).size > 1:
            kernel, self._length = fitted(self._columns.groups, self._process.rows[chosen], worth[chosen])
            self._process.set_kernel(kernel)

    def _forget(self) -> None:
        """Leaves the process the best half and the latest half of as many points as it may keep."""
        active = set(self._active)
        best = [place for place in self._ranking().tolist() if place in active][: KEPT // 2]
        kept = sorted({*best, *self._active[-(KEPT - len(best)) :]})
        at = {place: row for row, place in enumerate(self._active)}
        rows = self._process.rows[[at[place] for place in kept]].copy()
        self._active = kept
        self._process.restart(rows)

    def expected(self) -> list[tuple[int, float]]:
        """Returns number and expected value, on the scale of the process, of each trial that it observes and that keeps
        the constraints; the best first.
        """
        if not self._active:
            return []
        _, observed = self._process.means(self._targets(self._worth())[0])
        allowed = self._allowed()
        found = [
            (self._numbers[place], float(value))
            for place, value in zip(self._active, observed[:, 0], strict=True)
            if allowed[place]
        ]
        return sorted(found, key=lambda one: (-round(one[1], DIGITS), one[0]))

    def account(self) -> dict[str, Any]:
        """Returns how well each measurement is foretold by the others, and which groups of columns carry the model."""
        return account_of(self._process, self._worth()[self._active], self._length) if self._active else {}

    # --- choosing ----------------------------------------------------------------------------------------------------

    def choose(self, n: int, under_way: Mapping[bytes, Candidate], rng: np.random.Generator) -> list[Member]:
        """Returns up to `n` members of the pool, fewer where it has no more.

        Args:
            n: how many.
            under_way: candidates that were proposed and not told, by key.
            rng: draws the weights of several objectives.
        """
        width = self._judge.width
        worth = self._worth(rng.dirichlet(np.ones(width)) if width > 1 else None)
        targets, bounds = self._targets(worth)
        pool, observed = self._process.means(targets)
        allowed = self._allowed()[self._active]
        best = float(observed[allowed, 0].max()) if allowed.any() else None
        believing = self._process.believing(
            [self._row(key, one) for key, one in under_way.items() if key not in self._place][:BELIEVED]
        )
        open_ = self._pool.alive.copy()
        open_[[self._pool.slot[key] for key in under_way if key in self._pool.slot]] = False
        chosen: list[Member] = []
        while len(chosen) < n and open_.any():
            deviation = believing.deviations()
            score = np.zeros(len(open_)) if best is None else log_expected_improvement(pool[:, 0], deviation, best)
            for column, (bound, most) in enumerate(bounds, 1):
                score = score + log_feasible(pool[:, column], deviation, bound, most)
            slot = int(np.argmax(np.where(open_, np.round(score, DIGITS), -np.inf)))
            member = self._pool.members[slot]
            assert member is not None
            chosen.append(member)
            open_[slot] = False
            if len(chosen) < n:
                believing.add(self._process.row(slot))
                best = best if best is None else max(best, float(pool[slot, 0]))
        return chosen

    def spread(self, n: int, under_way: Mapping[bytes, Candidate], rng: np.random.Generator) -> list[Member]:
        """Returns samples that lie far apart, for a window in which little was told yet.

        Args:
            n: how many.
            under_way: as above.
            rng: draws the samples.
        """
        drawn = self._space.sample_many(self._beginning, rng)
        columns = Columns(self._space, self._hashes, drawn, self._features)
        new: dict[bytes, Member] = {}
        for candidate, key in zip(drawn, keys_of(self._hashes, drawn), strict=True):
            if key not in self._place and key not in under_way and self._judge.keeps(candidate):
                new.setdefault(key, Member(candidate, key))
        members = list(new.values())
        if not members:
            return []
        near = [*self._candidates, *under_way.values()][-BELIEVED:]
        rows = columns.rows([one.candidate for one in members])
        return [members[one] for one in farthest(columns.groups, rows, columns.rows(near) if near else rows[:0], n)]

    def _targets(self, worth: np.ndarray) -> tuple[np.ndarray, list[tuple[float, bool]]]:
        """Returns what the process learns, [points, 1 + constraints], and the bounds of the constraints on its scale.

        A bounded figure is learned where candidates do not have it before they are evaluated; else it is no question.
        """
        columns, bounds = [warped(worth[self._active], self._length)], []
        for constraint, figures in zip(self._judge.constraints, self._values[:, self._judge.width :].T, strict=True):
            found = figures[self._active]
            known = np.isfinite(found)
            middle, spread = (float(found[known].mean()), float(found[known].std())) if known.any() else (0.0, 1.0)
            spread = spread or max(abs(middle), 1.0)
            columns.append(np.where(known, (found - middle) / spread, 0.0))
            bounds.append(((constraint.bound - middle) / spread, constraint.most))
        return np.stack(columns, axis=1), bounds
