"""What a search on a cluster loses, and how soon it is back, when nodes and workers come and go; Ray Tune beside it.

A head without CPUs and three nodes of two logical CPUs, all raylets of this machine. Evaluations sleep and write a line
when they begin and when they end, so that lost and repeated ones are counted. After a few seconds something happens.
"Back after" are the seconds from there until as many evaluations run as the cluster then has CPUs for.

    nice python benchmarks/cluster.py [--only "a node is killed"] [--trials 60] [--seconds 1.0] [--no-tune]
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import automl
from automl.behaviour import Configuration

NODES, CPUS = 3, 2
AFTER_SECONDS = 4.0  # of evaluating


class Pairs(automl.Space):
    x = automl.Integer(0, 300)
    y = automl.Integer(0, 300)

    def behaviour(self, candidate: automl.Candidate) -> Configuration:
        return Configuration([*candidate.value.values()])


def note(log: str, what: str, key: str) -> None:
    """Writes one line at one go."""
    with open(log, "a") as file:
        file.write(f"{time.time():.3f}\t{what}\t{os.getpid()}\t{key}\n")


def work(log: str, seconds: float, key: str) -> None:
    """Is what an evaluation does, here and in Ray Tune."""
    note(log, "begin", key)
    time.sleep(seconds)
    note(log, "end", key)


@dataclass(frozen=True)
class Sleeps(automl.Evaluator):
    name = "sleeps"
    version = "1"
    metrics = {"v": "maximize"}  # noqa: RUF012 - read only
    log: str = ""
    seconds: float = 1.0

    def settings(self) -> dict[str, Any]:
        return {}

    def evaluate(self, given: Any, how: automl.Evaluation) -> dict[str, float]:
        x, y = given.behaviour.value
        if how.part == "validation":
            work(self.log, self.seconds, f"{x} {y}")
        return {"v": float(x + y)}


class Machines:
    """The cluster."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.nodes = [self._node() for _ in range(NODES)]

    def _node(self) -> Any:
        return self.cluster.add_node(num_cpus=CPUS, include_dashboard=False)

    def join(self, log: str) -> None:
        self.nodes.append(self._node())

    def kill_node(self, log: str) -> None:
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)

    def kill_worker(self, log: str) -> None:
        os.kill(running(log)[-1], signal.SIGKILL)

    def drain(self, log: str) -> None:
        from ray._raylet import GcsClient  # type: ignore[attr-defined]

        until = int((time.time() + 3600) * 1000)
        GcsClient(address=self.cluster.address).drain_node(self.nodes[-1].node_id, 2, "benchmark", until)

    def nothing(self, log: str) -> None:
        """Is the search that the others are compared with."""

    def end(self) -> None:
        import ray

        ray.shutdown()
        self.cluster.shutdown()  # type: ignore[no-untyped-call]


CASES: dict[str, tuple[Callable[[Machines, str], None], int]] = {
    "nothing": (Machines.nothing, NODES * CPUS),
    "a worker is killed": (Machines.kill_worker, NODES * CPUS),
    "a node is killed": (Machines.kill_node, (NODES - 1) * CPUS),
    "a node is drained": (Machines.drain, (NODES - 1) * CPUS),
    "a node joins": (Machines.join, (NODES + 1) * CPUS),
}


def lines(log: str) -> list[tuple[float, str, int, str]]:
    """Returns what has begun and ended so far."""
    found = [line.split("\t") for line in Path(log).read_text().splitlines()] if os.path.exists(log) else []
    return [(float(at), what, int(pid), key) for at, what, pid, key in found]


def running(log: str) -> list[int]:
    """Returns the processes that evaluate now."""
    at_work: dict[int, None] = {}
    for _, what, pid, _ in lines(log):
        if what == "begin":
            at_work[pid] = None
        else:
            at_work.pop(pid, None)
    return list(at_work)


def back_after(log: str, at: float, wanted: int) -> float | None:
    """Returns the seconds from a moment until so many evaluations run; None if they never do."""
    ended = {(pid, key) for _, what, pid, key in lines(log) if what == "end"}
    count = 0
    for moment, what, pid, key in lines(log):
        if (pid, key) not in ended:
            continue  # what was lost does not run
        count += 1 if what == "begin" else -1
        if moment >= at and count >= wanted:
            return moment - at
    return None


def happen(case: str, machines: Machines, log: str, at: list[float]) -> None:
    """Waits until evaluations have run for a while, then lets it happen."""
    while len(lines(log)) < NODES * CPUS:
        time.sleep(0.1)
    time.sleep(AFTER_SECONDS)
    at.append(time.time())
    CASES[case][0](machines, log)


def ours(address: str, log: str, trials: int, seconds: float, folder: str) -> list[tuple[int, str]]:
    study = automl.search(
        Pairs(),
        evaluator=Sleeps(log, seconds),
        strategy="regularized_evolution",
        trials=trials,
        window=16,
        ray_address=address,
        ship="none",  # these raylets share a folder of packages, which one may empty for the others
        baseline=False,
        confirm=1,
        test_seeds=1,
        sample=2,
        progress=False,
        storage=f"sqlite:///{folder}/cluster.db",
    )
    found = [(trial.number, str(trial.candidate)) for trial in study.trials()]
    study.close()
    return found


def tune(address: str, log: str, trials: int, seconds: float, folder: str) -> None:
    import ray
    from ray import tune

    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)

    def evaluate(config: dict[str, Any]) -> dict[str, float]:
        work(log, seconds, f"{config['x']} {config['y']}")
        return {"v": float(config["x"] + config["y"])}

    tune.Tuner(
        tune.with_resources(evaluate, {"cpu": 1}),
        param_space={"x": tune.randint(0, 100_000), "y": tune.randint(0, 100_000)},
        tune_config=tune.TuneConfig(num_samples=trials, metric="v", mode="max"),
        run_config=tune.RunConfig(storage_path=folder, verbose=0, failure_config=tune.FailureConfig(max_failures=3)),
    ).fit()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--only", choices=list(CASES), nargs="*", default=list(CASES))
    asked.add_argument("--trials", type=int, default=60)
    asked.add_argument("--seconds", type=float, default=1.0)
    asked.add_argument("--no-tune", action="store_true")
    given = asked.parse_args()
    print(
        "| what happens | who | evaluations begun | lost | done twice | back after, s | seconds in all | same trials |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    reference: list[tuple[int, str]] | None = None
    for case in given.only:
        for who in ("automl", *(() if given.no_tune else ("Ray Tune",))):
            folder = tempfile.mkdtemp()
            log, at = f"{folder}/log", list[float]()
            machines = Machines()
            thread = threading.Thread(target=happen, args=(case, machines, log, at), daemon=True)
            thread.start()
            run = ours if who == "automl" else tune
            began = time.time()
            try:
                found = run(machines.cluster.address, log, given.trials, given.seconds, folder)
                took = time.time() - began
            finally:
                thread.join(60)
                machines.end()
            reference = found if reference is None and found else reference
            begun, ended = (Counter(key for _, one, _, key in lines(log) if one == what) for what in ("begin", "end"))
            back = back_after(log, at[0], CASES[case][1]) if at and case != "nothing" else None
            same = "" if found is None else "yes" if found == reference else "no"
            lost, twice = (begun - ended).total(), sum(number > 1 for number in ended.values())
            cells = (case, who, begun.total(), lost, twice, "" if back is None else f"{back:.1f}", f"{took:.0f}", same)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
