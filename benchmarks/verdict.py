"""How often is the verdict wrong, and how often does it miss a search that is better? On the real NAS-Bench-201 table.

Each run sets a search against random search with as many distinct classes, selected by one noisy validation each, and
judges the two winners from three fresh test seeds. `seeds alone` is what an interval over seeds would say; `verdict` is
what `automl.evidence.judge_run` says. Random search against itself must be given "beats random search" in at most 5 %
of runs.

    python benchmarks/verdict.py [--runs 1000]

The table is found by $AUTOML_DATA, else in ../shared/data.
"""

from __future__ import annotations

import argparse
import os
from collections import deque
from pathlib import Path

import numpy as np

from automl.evidence import Effort, gain_over_random_search, judge_run

SEEDS, VALIDATION_NOISE, TEST_NOISE = 3, 0.42, 0.3


class Table:
    """CIFAR-100 accuracies by equivalence class (the published string form), and cells one edge apart."""

    def __init__(self, path: Path) -> None:
        data = np.load(path)
        self.operations = data["ops"].astype(int)
        self.number = {tuple(row): place for place, row in enumerate(self.operations)}
        _, first, self.class_of = np.unique(data["iso_class"], return_index=True, return_inverse=True)
        self.validation, self.test = (data[f"c100_{part}_200"].astype(float)[first] for part in ("val", "test"))


def random_search(table: Table, classes: int, noisy: np.ndarray, rng: np.random.Generator) -> dict[int, float]:
    found: dict[int, float] = {}
    while len(found) < classes:
        one = int(table.class_of[rng.integers(len(table.class_of))])
        found[one] = float(noisy[one])
    return found


def evolution(table: Table, classes: int, noisy: np.ndarray, rng: np.random.Generator) -> dict[int, float]:
    """Regularized evolution: population 50, tournament 10, one edge changed (Real et al. 2019)."""
    found: dict[int, float] = {}
    population: deque[tuple[int, float]] = deque(maxlen=50)
    while len(found) < classes:
        cell = int(rng.integers(len(table.class_of)))
        if len(population) == population.maxlen:
            parent = max((population[i] for i in rng.choice(50, 10, replace=False)), key=lambda item: item[1])[0]
            operations = table.operations[parent].copy()
            edge = rng.integers(6)
            operations[edge] = (operations[edge] + 1 + rng.integers(4)) % 5
            cell = table.number[tuple(operations)]
        one = int(table.class_of[cell])
        found[one] = float(noisy[one])
        population.append((cell, found[one]))
    return found


def rates(table: Table, search: object, classes: int, noise: float, runs: int) -> tuple[float, float, float]:
    """Returns the shares of runs in which seeds alone, and the verdict, call the search better, and the mean gain."""
    rng = np.random.default_rng(classes)
    seeds_alone, beats, gains = 0, 0, []
    for _ in range(runs):
        noisy = table.validation + rng.normal(0, VALIDATION_NOISE, len(table.validation))
        one, other = search(table, classes, noisy, rng), random_search(table, classes, noisy, rng)  # type: ignore[operator]
        winners = [max(found, key=lambda key: found[key]) for found in (one, other)]
        tests = [table.test[winner] + rng.normal(0, noise, SEEDS) for winner in winners]
        gain = gain_over_random_search(list(tests[0]), list(tests[1]))
        above = sum(value > other[winners[1]] for value in one.values())
        effort = Effort(classes, classes)
        seeds_alone += gain.low is not None and gain.low > 0
        beats += judge_run(gain, effort, effort, above, seeds=SEEDS, deterministic=noise == 0).beats
        gains.append(gain.value)
    return seeds_alone / runs, beats / runs, float(np.mean(gains))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=1000)
    runs = arguments.parse_args().runs
    folder = Path(os.environ.get("AUTOML_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    table = Table(folder / "nasbench201" / "nb201.npz")
    print(f"{'search':22}{'classes':>8}{'test noise':>12}{'seeds alone':>13}{'verdict':>9}{'mean gain':>11}")
    for name, search in (("random search", random_search), ("regularized evolution", evolution)):
        for classes in (100, 300):
            for noise in (0.0, TEST_NOISE):
                alone, beats, gain = rates(table, search, classes, noise, runs)
                print(f"{name:22}{classes:8}{noise:12}{alone:13.1%}{beats:9.1%}{gain:+11.2f}")


if __name__ == "__main__":
    main()
