"""How a search speeds up with its workers, and what waiting for an equal evaluation in flight is worth.

Regularized evolution on nasbench201 (CIFAR-100, 200 epochs) through the engine: the whole loop and its cache, with the
simulated pool, whose clock goes by the seconds that the real trainings took. Results are told as they come, four
trials under way for each worker. Every search has the same number of trials. "Joined": a trial whose class is in flight
waits for that evaluation, as always. "Evaluated again": it pays for one of its own; what has ended is served to both.

    nice python benchmarks/simulated_workers.py [--trials 10000] [--workers 1 10 100 1000 10000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, field

from automl.cache.policy import Occurrences, Plans, Policy, ReplicatePlan
from automl.cache.store import EquivalenceCache
from automl.engine.identity import context_of
from automl.engine.loop import Search
from automl.evaluators.fingerprints.describing import description
from automl.hashing import Hasher
from automl.hashing.isolated import HashJobs
from automl.observers import Observer
from automl.pool import WorkerSetup
from automl.rules import Budget, LoopSettings
from automl.selection.objectives import Objective
from automl.setup.targets import resolve
from automl.storage.engine import Database
from automl.storage.studies import StudyStore
from automl.strategies.evolution import RegularizedEvolution
from workers.pools.simulated import SimulatedPool
from workers.tables.tabular import NASBench201Table

WINDOW_PER_WORKER = 4


@dataclass
class Unjoined(Observer):
    """Plans under which a class in flight is evaluated again: the plan names a replicate that nobody has begun."""

    policy: Policy = field(default_factory=Policy)
    _begun: dict[bytes, int] = field(default_factory=dict)
    _ended: set[bytes] = field(default_factory=set)

    def plan(self, key: bytes, trial: int) -> ReplicatePlan:
        begun = self._begun.get(key, 0)
        if begun and key in self._ended:
            return ReplicatePlan(0, 1, 0, audit=False)
        self._begun[key] = begun + 1
        return ReplicatePlan(begun, begun + 1, 1, audit=False)

    def turn(self, settings, trials, in_flight, evaluations) -> None:
        self._ended.update(record.key for record in trials)

    def __contains__(self, key: bytes) -> bool:
        return key in self._begun


@dataclass(frozen=True)
class Found:
    """How one search went.

    Attributes:
        hours: on the simulated clock.
        paid: hours of training, of all workers together.
        evaluations: that were paid for.
        classes: functions met.
        duplicates: trials whose class was in flight when they were proposed.
        seconds: of this machine's processor.
    """

    hours: float
    paid: float
    evaluations: int
    classes: int
    duplicates: int
    seconds: float


def search(workers: int, trials: int, joined: bool, folder: str) -> Found:
    began = time.process_time()
    space, reference = resolve("nasbench201")
    evaluator = NASBench201Table("cifar100")
    database = Database(f"sqlite:///{folder}/{workers}-{joined}.db")
    store = StudyStore(database)
    study = store.create("workers", "search", {})
    hasher = Hasher(evaluator.probe())
    plans: Plans = Occurrences(Policy(), 0) if joined else Unjoined()
    with (
        EquivalenceCache(database) as cache,
        SimulatedPool(WorkerSetup(reference, evaluator, "accuracy"), workers=workers) as pool,
    ):
        settings = LoopSettings(
            study=study.id,
            name=study.name,
            context=cache.context(context_of(hasher, description(evaluator), "validation")),
            objective=Objective("accuracy"),
            seed=0,
            window=WINDOW_PER_WORKER * workers,
            budget=Budget(trials=trials),
            plans=plans,
            asynchronous=True,
        )
        observers = [] if joined else [plans]
        Search(settings, RegularizedEvolution(), HashJobs(space, hasher), cache, store, pool, observers).run()
        hours = pool.now() / 3600
    records = list(store.trials(study.id))
    database.close()
    paid = [record for record in records if record.outcome == "miss"]
    classes = len({record.key for record in records})
    duplicates = sum(record.outcome == "joined" for record in records) if joined else len(paid) - classes
    cost = sum(record.paid_seconds for record in paid) / 3600
    return Found(hours, cost, len(paid), classes, duplicates, time.process_time() - began)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trials", type=int, default=10_000)
    arguments.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100, 1000, 10_000])
    chosen = arguments.parse_args()
    print(f"{chosen.trials} trials each")
    print("| workers | duplicates in flight | how many | simulated hours | speed-up ", end="")
    print("| evaluations | functions | hours paid | s here |")
    print("|---|---|---|---|---|---|---|---|---|")
    first: dict[bool, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in chosen.workers:
            for joined in (True, False):
                found = search(workers, chosen.trials, joined, folder)
                speed = first.setdefault(joined, found.hours) / found.hours
                print(
                    f"| {workers:,} | {'joined' if joined else 'evaluated again'} | {found.duplicates:,} "
                    f"| {found.hours:,.1f} | {speed:,.1f} | {found.evaluations:,} | {found.classes:,} "
                    f"| {found.paid:,.0f} | {found.seconds:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
