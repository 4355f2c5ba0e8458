"""What the engine itself costs: trials a second of the whole line, beside others with a trial that does nothing.

    python benchmarks/engine_overhead.py --seconds 60 [--postgres URL]

Ours: regularized evolution on nasbench201 (its table is the evaluator, an evaluation costs next to nothing), functional
hashing on, every trial durable in SQLite (write-ahead log, synchronous=FULL) before it is told. Two rates: every
trial evaluated by a Ray worker (each duplicate forgets what is stored), and the natural mix of hits and misses. The
rivals run for as long in the same process, one after another, and the ratio of ours to each is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import ray

import automl
from automl.observers import Observer

WINDOW = 2048


class Transactions(Observer):
    """Counts trials for each turn of the loop, which is one transaction."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def turn(self, settings, trials, in_flight, evaluations) -> None:
        if trials:
            self.sizes.append(len(trials))


def ours(storage: str, seconds: float, workers: int, every_trial_evaluated: bool) -> tuple[float, str]:
    watch = Transactions()
    busy = time.process_time()
    study = automl.search(
        "nasbench201",
        hours=seconds / 3600,
        window=WINDOW,
        workers=workers,
        forget_probability=1.0 if every_trial_evaluated else 0.0,
        namespace=f"{time.time_ns()}",
        study=f"overhead-{time.time_ns()}",
        storage=storage,
        baseline=False,
        finalists=1,
        observers=[watch],
    )
    busy = time.process_time() - busy
    frame = study.trials_dataframe()
    evaluated = frame["outcome"].isin(["miss", "partial"]).mean()
    study.close()
    rate = len(frame) / frame["told_at"].max()
    size = sorted(watch.sizes)[len(watch.sizes) // 2]
    note = f"{evaluated:.0%} evaluated; median transaction {size} trials, synchronous=FULL; "
    return rate, note + f"{len(frame) / busy:,.0f} per processor second of the search's own process"


def counted(seconds: float, step: Callable[[], int]) -> float:
    """Returns how many things a second `step` does, each call returning how many it did."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        count += step()
    return count / (time.perf_counter() - began)


def ray_actor_calls(seconds: float) -> float:
    @ray.remote
    class Nothing:
        def evaluate(self, candidate: str) -> float:
            return float(len(candidate))

    actors = [Nothing.remote() for _ in range(2)]
    ray.get([actor.evaluate.remote("") for actor in actors])
    return counted(seconds, lambda: len(ray.get([actors[i % 2].evaluate.remote("cell") for i in range(200)])))


def ray_tune(seconds: float) -> float:
    from ray import tune

    class Trivial(tune.Trainable):
        def setup(self, config):
            pass

        def step(self):
            return {"accuracy": 1.0, "done": True}

        def save_checkpoint(self, checkpoint_dir):
            return None

        def load_checkpoint(self, checkpoint):
            pass

        def reset_config(self, config):
            return True

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = tune.Tuner(
            Trivial,
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(num_samples=100_000, time_budget_s=seconds, reuse_actors=True),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        done = sum(1 for result in results if result.metrics)
    return done / (time.perf_counter() - began)


def optuna_sqlite(seconds: float) -> float:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/optuna.db", sampler=optuna.samplers.RandomSampler(seed=0)
        )

        def objective(trial: optuna.Trial) -> float:
            return float(sum(trial.suggest_int(f"edge{i}", 0, 4) for i in range(6)))

        began = time.perf_counter()
        study.optimize(objective, timeout=seconds)
        return len(study.trials) / (time.perf_counter() - began)


def pyglove_evolution(seconds: float) -> float:
    import pyglove as pg

    space = pg.Dict({f"edge{i}": pg.oneof(range(5)) for i in range(6)})
    began, count = time.perf_counter(), 0
    for example, feedback in pg.sample(space, pg.evolution.regularized_evolution(), num_examples=1_000_000):
        feedback(float(sum(example.values())))
        count += 1
        if time.perf_counter() - began > seconds:
            break
    return count / (time.perf_counter() - began)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--postgres", metavar="URL", help="measure our line with this database too")
    options = arguments.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray.init(
        num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False, _node_ip_address="127.0.0.1"
    )
    with tempfile.TemporaryDirectory() as folder:
        stores = [("SQLite", f"sqlite:///{Path(folder) / 'overhead.db'}")]
        if options.postgres:
            stores.append(("PostgreSQL", options.postgres))
        rows: list[tuple[str, float, str]] = []
        for name, url in stores:
            for every, words in ((True, "every trial evaluated by a worker"), (False, "natural mix")):
                rate, note = ours(url, options.seconds, 1 if every else 0, every)
                rows.append((f"automl, {name}, {words}", rate, note))
    rivals: list[tuple[str, Callable[[float], float], str]] = [
        ("Ray actor calls of one candidate", ray_actor_calls, "nothing stored"),
        ("Ray Tune, trivial class, reuse_actors", ray_tune, "files"),
        ("Optuna, random, SQLite", optuna_sqlite, "SQLite"),
    ]
    if importlib.util.find_spec("pyglove"):
        rivals.append(("PyGlove regularized evolution", pyglove_evolution, "in memory"))
    rows += [(name, run(options.seconds), note) for name, run, note in rivals]
    ray.shutdown()
    least = min(rate for _, rate, note in rows if "FULL" in note)
    print(f"{'what':<58}{'per second':>12}{'ours / it':>12}   how")
    for name, rate, note in rows:
        print(f"{name:<58}{rate:>12,.0f}{least / rate:>12.2f}   {note}")
    print("ours / it: our slowest rate over this one")


if __name__ == "__main__":
    main()
