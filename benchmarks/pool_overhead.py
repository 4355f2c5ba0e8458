"""What a pool adds to an evaluation: evaluations a second that cost nothing, side by side with bare Ray actor calls.

    python benchmarks/pool_overhead.py [--seconds 5] [--workers 2]

Every figure is the median of three rounds that take turns, so that all share what else the machine does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.pool import Job, Pool, WorkerSetup
from automl.setup.targets import reference_to
from automl.spaces.fields import Integer
from automl.spaces.space import Space
from workers.pools.inline import InlinePool
from workers.pools.ray_pool import RayPool
from workers.pools.simulated import SimulatedPool

ROUNDS = 3


class Numbers(Space):
    x = Integer(0, 999_999)


@dataclass(frozen=True)
class Nothing(Evaluator):
    """Returns the candidate's number."""

    name: ClassVar[str] = "nothing"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        return {"v": work.behaviour.value["x"]}  # type: ignore[union-attr]


def drive(pool: Pool, seconds: float) -> float:
    """Keeps a pool full for some seconds; returns completions a second."""
    began, number, done = time.perf_counter(), 0, 0
    while time.perf_counter() - began < seconds:
        room = pool.capacity()
        pool.submit([Job(i, f'{{"x":{i}}}', Evaluation(i)) for i in range(number, number + room)])
        number += room
        done += len(pool.completed())
    rate = done / (time.perf_counter() - began)
    while done < number:
        done += len(pool.completed())
    return rate


def bare_calls(workers: int, batch: int) -> Callable[[float], float]:
    """Returns a round of bare calls of actors that do nothing, two in flight for each."""
    import ray

    @ray.remote(num_cpus=0)
    class Actor:
        def run(self, candidates: list[str]) -> list[dict[str, Any]]:
            return [{"v": len(candidate)} for candidate in candidates]

    actors = [Actor.remote() for _ in range(workers)]
    candidates = ['{"x":1}'] * batch
    ray.get([actor.run.remote(candidates) for actor in actors])

    def drive_actors(seconds: float) -> float:
        began, done = time.perf_counter(), 0
        flying = {actor.run.remote(candidates): actor for actor in actors for _ in range(2)}
        while time.perf_counter() - began < seconds:
            ready, _ = ray.wait(list(flying), num_returns=1)
            for reference in ready:
                ray.get(reference)
                done += batch
                actor = flying.pop(reference)
                flying[actor.run.remote(candidates)] = actor
        ray.get(list(flying))
        return done / (time.perf_counter() - began)

    return drive_actors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    plan = WorkerSetup(reference_to(Numbers()), Nothing(), "v")
    with RayPool(plan, workers=arguments.workers, dashboard=False) as on_ray:
        rivals: dict[str, Callable[[float], float]] = {
            "bare Ray actor calls of 1": bare_calls(arguments.workers, 1),
            "bare Ray actor calls of 32": bare_calls(arguments.workers, 32),
            "RayPool": lambda seconds: drive(on_ray, seconds),
            "InlinePool": lambda seconds: drive(InlinePool(plan), seconds),
            "SimulatedPool of 1000": lambda seconds: drive(SimulatedPool(plan, workers=1000), seconds),
        }
        rates: dict[str, list[float]] = {name: [] for name in rivals}
        for _ in range(ROUNDS):
            for name, rival in rivals.items():
                rates[name].append(rival(arguments.seconds))
    base = statistics.median(rates["bare Ray actor calls of 1"])
    print(f"{'evaluations that cost nothing':32}{'a second':>10}{'times bare calls':>18}")
    for name, found in rates.items():
        print(f"{name:32}{statistics.median(found):10,.0f}{statistics.median(found) / base:18.1f}")


if __name__ == "__main__":
    main()
