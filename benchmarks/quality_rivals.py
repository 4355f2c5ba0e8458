"""Searchers after the literature, each in the form that its paper gives it, on the same pool as far as it has one.

They are likenesses and not the authors' programs: networks are scikit-learn's, features are ours where a paper has a
graph network. What is the same for all: ten random evaluations first (twenty where networks learn), and no class is
proposed twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from quality_benches import path_encoding
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import BayesianRidge
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from automl.spaces.space import Candidate
from automl.strategies.base import Hashes, Proposal, Strategy, Told
from automl.strategies.surrogate.encoding import encoder_of

warnings.simplefilter("ignore", ConvergenceWarning)


@dataclass
class Ranked(Strategy):
    """Random evaluations first; then, `batch` at a time, the best of a pool by a predictor that is trained anew.

    Attributes:
        predictor: trained on (rows, targets), scores rows; given a generator too.
        encoding: "features" of functions, "paths" of the cell as it is written, or "fields".
        first, batch: evaluations before the first training, and between two.
        mutants: children of the best ten in the pool.
        samples: random candidates in the pool.
    """

    name = "ranked"
    wants = ("hashes",)

    predictor: Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
    encoding: str = "features"
    first: int = 10
    batch: int = 1
    mutants: int = 100
    samples: int = 100

    def reset(self) -> None:
        self._told: list[Told] = []
        self._keys: set[bytes] = set()
        self._queue: list[Proposal] = []

    def tell(self, trials: Sequence[Told]) -> None:
        self._told += trials

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        assert n == 1
        if not self._queue:
            pool = self._pool(rng)
            if len(self._told) >= self.first and pool:
                fitness = np.array([-np.inf if one.fitness is None else one.fitness for one in self._told])
                low = fitness[np.isfinite(fitness)].min()
                targets = np.maximum(fitness, np.percentile(np.maximum(fitness, low), 10))  # no catastrophes
                targets = (targets - targets.mean()) / (targets.std() or 1.0)
                rows = self._rows([one.candidate for one in self._told])
                others = self._rows([one.candidate for one in pool])
                scale = StandardScaler().fit(np.vstack([rows, others]))
                scores = self.predictor(scale.transform(rows), targets, scale.transform(others), rng)
                pool = [pool[place] for place in np.argsort(-scores, kind="stable")]
            self._queue = pool[: self.batch if len(self._told) >= self.first else 1]
        if not self._queue:
            return [Proposal(candidate) for candidate in self.space.sample_many(1, rng)]
        chosen = self._queue.pop(0)
        self._keys.update(self._known(self.hashes).keys([chosen.candidate]))
        return [chosen]

    @staticmethod
    def _known(hashes: Hashes | None) -> Hashes:
        assert hashes is not None
        return hashes

    def _pool(self, rng: np.random.Generator) -> list[Proposal]:
        made = [Proposal(one) for one in self.space.sample_many(self.samples, rng)]
        best = sorted((one for one in self._told if one.fitness is not None), key=lambda one: -one.fitness)[:10]
        if best:
            mothers = [best[place] for place in rng.integers(len(best), size=self.mutants).tolist()]
            children = self.space.mutate_many([one.candidate for one in mothers], rng)
            made += [Proposal(child, "mutate", (one.number,)) for child, one in zip(children, mothers, strict=True)]
        new: dict[bytes, Proposal] = {}
        for proposal, key in zip(made, self._known(self.hashes).keys([one.candidate for one in made]), strict=True):
            if key not in self._keys:
                new.setdefault(key, proposal)
        return list(new.values())

    def _rows(self, candidates: Sequence[Candidate]) -> np.ndarray:
        if self.encoding == "paths":
            return np.array([path_encoding(self.space, one) for one in candidates])
        if self.encoding == "features":
            found = self._known(self.hashes).features(candidates)
            if all(found):
                return np.array([np.concatenate([np.log1p(one["paths"]), one["shape"]]) for one in found])
        return encoder_of(self.space).rows(candidates)


def linear(rows: np.ndarray, targets: np.ndarray, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bayesian linear regression, by upper confidence bound."""
    del rng
    mean, deviation = BayesianRidge().fit(rows, targets).predict(pool, return_std=True)
    return np.asarray(mean + deviation)


def ensemble(rows: np.ndarray, targets: np.ndarray, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """BANANAS: five networks from different starts; independent Thompson sampling (White et al. 2021, section 4)."""
    votes = np.array([_network(rng).fit(rows, targets).predict(pool) for _ in range(5)])
    return np.asarray(rng.normal(votes.mean(axis=0), votes.std(axis=0)))


def single(rows: np.ndarray, targets: np.ndarray, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """NPENAS-NP: one predictor ranks the mutants (Wei et al. 2022, algorithm 3)."""
    return np.asarray(_network(rng).fit(rows, targets).predict(pool))


def weak(rows: np.ndarray, targets: np.ndarray, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """WeakNAS: a weak predictor, trained anew each round; draws from the best of its ranking (Wu et al. 2021,
    arXiv 2102.10490, algorithm 1).
    """
    forest = RandomForestRegressor(60, random_state=int(rng.integers(1 << 31)))
    scores = forest.fit(rows, targets).predict(pool)
    top = np.argsort(-scores, kind="stable")[: max(10, len(pool) // 4)]
    result = scores - 1e3
    result[top] = rng.permutation(len(top)).astype(float)
    return np.asarray(result)


def _network(rng: np.random.Generator) -> MLPRegressor:
    return MLPRegressor(hidden_layer_sizes=(64, 64), alpha=1e-3, max_iter=150, random_state=int(rng.integers(1 << 31)))
