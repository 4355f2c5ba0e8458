"""Studies written straight into a real database, as a finished search leaves them, for the report's tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx
import numpy as np
from cache_parts import asked, done

from automl.cache.store import EquivalenceCache
from automl.errors import InvalidCandidate
from automl.jsontext import canonical, parse
from automl.spaces.space import Candidate, Space
from automl.storage.engine import Database
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.studies import StudyStore

OPERATIONS = ("conv3x3", "conv1x1", "pool", "skip")


class Chains(Space):
    """Candidates are lists of operations; `skip` changes nothing, so many spellings compute one function."""

    def __init__(self, length: int = 5) -> None:
        self.length = length

    def sample(self, rng: np.random.Generator) -> Candidate:
        return Candidate([OPERATIONS[i] for i in rng.integers(4, size=self.length)])

    def decode(self, value: Any) -> Candidate:
        if not isinstance(value, list):
            raise InvalidCandidate(f"{value!r} is no list of operations")
        return Candidate(value)

    def describe(self, candidate: Candidate) -> str:
        return " → ".join(candidate.value)

    def picture(self, candidate: Candidate) -> networkx.DiGraph:
        graph = networkx.DiGraph()
        for place, name in enumerate(["in", *candidate.value, "out"]):
            graph.add_node(place, label=name)
            if place:
                graph.add_edge(place - 1, place, label="")
        graph.add_edge(0, len(candidate.value) + 1, label="residual")
        return graph


def function_of(candidate: list[str]) -> tuple[str, ...]:
    return tuple(name for name in candidate if name != "skip")


def key_of(candidate: list[str]) -> bytes:
    return hashlib.md5(canonical(function_of(candidate)).encode()).digest()


def quality(candidate: list[str]) -> float:
    gain = {"conv3x3": 3.0, "conv1x1": 1.5, "pool": -1.0}
    return 70.0 + sum(gain[name] for name in function_of(candidate))


def cost(candidate: list[str]) -> float:
    return 100.0 + sum({"conv3x3": 900.0, "conv1x1": 100.0}.get(name, 1.0) for name in candidate)


@dataclass
class Recipe:
    """What to store; tests change what they are about."""

    name: str = "chains-1"
    trials: int = 120
    seed: int = 0
    strategy: str = "regularized_evolution"
    direction: str = "maximize"
    namespace: str = "default"
    baseline: bool = True
    random_share: float = 1.0
    tests: bool = True
    seeds: int = 3
    noise: float = 0.2
    test_noise: float = 0.1
    finished: bool = True
    better: bool = True
    replicates: int = 1
    length: int = 5
    failures: Mapping[int, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    value: Callable[[list[str]], float] = quality


class Writer:
    """Writes one study after another into one database."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.store = StudyStore(self.database)
        self.sessions: list[EquivalenceCache] = []
        self.drawn = 0

    def close(self) -> None:
        for cache in self.sessions:
            cache.close()
        self.database.close()

    def study(self, recipe: Recipe) -> StudyRecord:
        """Stores a search, its random search with equal evaluations, and the test figures of both."""
        cache = EquivalenceCache(self.database, namespace=recipe.namespace)
        self.sessions.append(cache)
        settings = {
            "space": {"target": "chains.py", "settings": {}, "source": "0" * 32},
            "evaluator": {"name": "simulated", "version": "1", "settings": {"task": "toy", "epochs": 5}},
            "strategy": {"name": recipe.strategy, "settings": {"population": 20}},
            "objective": "accuracy",
            "direction": recipe.direction,
            "seed": recipe.seed,
            "namespace": recipe.namespace,
            "environment": {"python": "3.11", "machine": "2 x test"},
            **recipe.settings,
        }
        search = self.store.create(recipe.name, "search", settings)
        rng = np.random.default_rng(recipe.seed)
        found = self._phase(search, cache, recipe, rng, guided=recipe.better)
        best = [candidate for candidate, _ in found[:3]]
        if recipe.baseline:
            random = self.store.create(f"{recipe.name}/random", "baseline", settings, search.id)
            drawn = self.drawn + len(recipe.failures)
            rivals = self._phase(random, cache, recipe, rng, guided=False, draws=int(drawn * recipe.random_share))
            self.store.finish(random.id)
            if recipe.tests:
                chosen = [(item, "search winner") for item in best]
                chosen += [(item, "random winner") for item, _ in rivals[:3]]
                chosen += [(Chains(recipe.length).sample(rng).value, "random sample") for _ in range(12)]
                self._test(search, cache, recipe, chosen, settings)
        if recipe.finished:
            self.store.finish(search.id)
        return search

    def _phase(
        self,
        study: StudyRecord,
        cache: EquivalenceCache,
        recipe: Recipe,
        rng: np.random.Generator,
        guided: bool,
        draws: int | None = None,
    ) -> list[tuple[list[str], float]]:
        context = cache.context(
            {"evaluator": "simulated", "part": "validation", "settings": study.settings["evaluator"]}
        )
        sign = 1 if recipe.direction == "maximize" else -1
        known: dict[bytes, tuple[list[str], float]] = {}
        numbers: dict[bytes, int] = {}
        seen: dict[bytes, int] = {}
        rows: list[TrialRecord] = []
        while (len(rows) < recipe.trials) if draws is None else (sum(seen.values()) < draws):
            number = len(rows)
            candidate, parents = Chains(recipe.length).sample(rng).value, ()
            if guided and number > 20:
                parent = max(known, key=lambda key: sign * known[key][1])
                candidate = list(known[parent][0])
                one, other = (int(place) for place in rng.integers(recipe.length, size=2))
                if rng.random() < 0.3:
                    candidate[one], candidate[other] = candidate[other], candidate[one]
                else:
                    candidate[one] = OPERATIONS[int(rng.integers(4))]
                parents = (numbers[parent],)
            key, text = key_of(candidate), canonical(candidate)
            row = TrialRecord(number, text, key, context, "failed", position=number, told_at=30.0 * (number + 1))
            row.origin, row.parents, row.hash_seconds = ("mutate" if parents else "sample"), parents, 0.002
            row.costs = {"parameters": cost(candidate)}
            rows.append(row)
            if draws is None and number in recipe.failures:
                row.error, row.paid_seconds = recipe.failures[number], 1.0
                row.key = hashlib.md5(text.encode()).digest()
                continue
            seen[key] = min(seen.get(key, 0) + 1, recipe.replicates)
            row.replicates, row.fitness = seen[key], float(self._values(recipe, candidate, seen[key]).mean())
            row.metrics = {"accuracy": row.fitness}
            known[key] = (candidate, row.fitness)
            numbers.setdefault(key, number)
        self.drawn = sum(seen.values())
        self._resolve(study, cache, context, recipe, rows)
        self.store.append_trials(study.id, rows)
        return sorted(known.values(), key=lambda item: -sign * item[1])

    @staticmethod
    def _values(recipe: Recipe, candidate: list[str], count: int) -> np.ndarray:
        noise = np.random.default_rng(list(key_of(candidate))).standard_normal(count)
        return recipe.value(candidate) + recipe.noise * noise

    def _resolve(
        self, study: StudyRecord, cache: EquivalenceCache, context: int, recipe: Recipe, rows: list[TrialRecord]
    ) -> None:
        """Pays for what the cache lacks, and gives each trial the outcome that this makes."""
        valid = [row for row in rows if row.fitness is not None]
        last = {row.key: row for row in valid}
        requests = [asked(row.number, row.key, row.candidate, row.replicates) for row in last.values()]
        claims = [claim for answer in cache.resolve_many(context, study.id, requests) for claim in answer.claims]
        finished = []
        for claim in claims:
            row = last[claim.key]
            value = self._values(recipe, parse(row.candidate), row.replicates)[claim.replicate]
            finished.append(done(claim, {"accuracy": float(value)}, 20.0))
        cache.finish_many(context, finished)
        missing = {(claim.key, claim.replicate) for claim in claims}
        for row in valid:
            paid = {(row.key, replicate) for replicate in range(row.replicates)} & missing
            missing -= paid
            row.outcome = "hit" if not paid else "miss" if len(paid) == row.replicates else "partial"
            row.paid_seconds, row.saved_seconds = 20.0 * len(paid), 20.0 * (row.replicates - len(paid))

    def _test(
        self,
        search: StudyRecord,
        cache: EquivalenceCache,
        recipe: Recipe,
        chosen: list[tuple[list[str], str]],
        settings: Mapping[str, Any],
    ) -> None:
        study = self.store.create(f"{recipe.name}/test", "test", {**settings, "seeds": recipe.seeds}, search.id)
        context = cache.context({"evaluator": "simulated", "part": "test", "settings": settings["evaluator"]})
        distinct = {key_of(candidate): candidate for candidate, _ in chosen}
        requests = [
            asked(number, key, canonical(candidate), recipe.seeds)
            for number, (key, candidate) in enumerate(distinct.items())
        ]
        answers = cache.resolve_many(context, study.id, requests)
        values = {
            key: recipe.value(item) + recipe.test_noise * np.random.default_rng([1, *key]).standard_normal(recipe.seeds)
            for key, item in distinct.items()
        }
        claims = [claim for answer in answers for claim in answer.claims]
        results = [done(claim, {"accuracy": float(values[claim.key][claim.replicate])}, 20.0) for claim in claims]
        cache.finish_many(context, results)
        rows = []
        for number, (candidate, origin) in enumerate(chosen):
            key, mean = key_of(candidate), float(values[key_of(candidate)].mean())
            first = all(key_of(other) != key for other, _ in chosen[:number])
            paid = sum(claim.key == key for claim in claims) if first else 0
            rows.append(
                TrialRecord(
                    number,
                    canonical(candidate),
                    key,
                    context,
                    "miss" if paid else "hit",
                    mean,
                    {"accuracy": mean},
                    recipe.seeds,
                    origin,
                    costs={"parameters": cost(candidate)},
                    paid_seconds=20.0 * paid,
                    position=number,
                )
            )
        self.store.append_trials(study.id, rows)
        self.store.finish(study.id)


def new_writer(folder: Path) -> Writer:
    return Writer(f"sqlite:///{folder / 'report.db'}")
