"""What recognising equal functions saves an evolution, on the real NAS-Bench-201 tables.

Regularized evolution (population 100, tournament 10, one edge mutated, one trial in flight; hits age like misses), run
until 300 evaluations were paid for. The fitness of a new class is one random validation seed of its first spelling.
Five ways of knowing that a candidate was seen: not at all, exact repeats, the published string form (6,466 classes),
the functional hash (keys of the real hasher) and perfect knowledge (classes by an explicit matching of
weights).

    nice python benchmarks/fec_gain.py [--repeats 1000] [--real 40] [--policies]

`--real` also drives `automl.strategies.evolution.RegularizedEvolution` itself and prints how it compares with the fast
path. The table is found by $AUTOML_DATA, else in ../shared/data.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import deque
from pathlib import Path

import numpy as np
from cells201 import DATASETS, STEPS, Cells, drive

from automl.strategies.evolution import RegularizedEvolution

POPULATION, TOURNAMENT, EVALUATIONS = 100, 10, 300


def knowledge(cells: Cells) -> dict[str, list[int] | None]:
    """Returns each cell's class by what is known of equal cells."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "hashing"))
    import oracle201
    import torch

    torch.set_num_threads(1)
    return {
        "no cache": None,
        "exact repeats": list(range(len(cells.texts))),
        "published strings": cells.published,
        "functional hash": cells.keys,
        "perfect knowledge": oracle201.partition(cells.operations),
    }


def fast(cells: Cells, data: str, classes: list[int] | None, seed: int, k: int = 1, forget: float = 0.0):
    """Returns trials bought, test accuracy of the best by validation, and that after each evaluation."""
    rng = random.Random(seed)
    draw, seeds, test = rng.random, cells.seeds[data], cells.test[data]
    population: deque[tuple[float, int]] = deque(maxlen=POPULATION)
    results: dict[int, list[float]] = {}
    trials = paid = 0
    best, chosen, curve = -1.0, 0, []
    while paid < EVALUATIONS:
        if trials < POPULATION:
            cell = int(draw() * 15625)
        else:
            parent = max((population[int(draw() * POPULATION)] for _ in range(TOURNAMENT)), key=_fitness)[1]
            step = STEPS[int(draw() * 6)]
            code = parent // step % 5
            cell = parent + ((code + 1 + int(draw() * 4)) % 5 - code) * step
        trials += 1
        own = results.setdefault(trials if classes is None else classes[cell], [])
        forgotten = bool(own) and forget > 0 and draw() < forget
        if not own or len(own) < k or forgotten:
            values = seeds[cell]
            own.append(values[int(draw() * len(values))])
            paid += 1
            served = own[-1:] if forgotten else own[:]
            fitness = sum(served) / len(served)
            if fitness > best:
                best, chosen = fitness, cell
            curve.append(test[chosen])
        else:
            fitness = sum(own) / len(own)
        population.append((fitness, cell))
    return trials, test[chosen], curve


def _fitness(member: tuple[float, int]) -> float:
    return member[0]


def real(cells: Cells, data: str, classes: list[int] | None, seed: int) -> tuple[int, float]:
    """The same with the strategy that searches use."""
    run = drive(
        RegularizedEvolution(population=POPULATION, tournament=TOURNAMENT), cells, data, classes, seed, EVALUATIONS
    )
    return run.trials, run.test


def mean(values) -> str:
    """Returns a mean with its 95 % interval (normal; there are at least 40 runs)."""
    values = np.asarray(values, dtype=float)
    return f"{values.mean():.2f} ± {1.96 * values.std(ddof=1) / len(values) ** 0.5:.2f}"


def reached(curves: np.ndarray, goal: float, rng: np.random.Generator) -> str:
    """Returns after how many evaluations the mean curve reaches `goal`, with a bootstrap interval over runs."""

    def first(curve: np.ndarray) -> float:
        return int(np.argmax(curve >= goal)) + 1 if (curve >= goal).any() else np.inf

    drawn = [first(curves[rng.integers(len(curves), size=len(curves))].mean(axis=0)) for _ in range(500)]
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return f"{first(curves.mean(axis=0)):.0f} [{low:.0f}, {high:.0f}]"


def gains(cells: Cells, known: dict[str, list[int] | None], repeats: int, driven: int) -> None:
    rng = np.random.default_rng(0)
    for data in DATASETS:
        print(f"\n{data}, {EVALUATIONS} evaluations, {repeats} repeats, 95 % intervals")
        print("| knowledge | trials bought | times no cache | test % of the best | evaluations to no cache's result |")
        print("|---|---|---|---|---|")
        found, goal = {}, None
        for policy, classes in known.items():
            runs = [fast(cells, data, classes, seed) for seed in range(repeats)]
            trials = np.array([run[0] for run in runs])
            curves = np.array([run[2] for run in runs])
            goal = curves[:, -1].mean() if goal is None else goal
            found[policy] = trials
            print(
                f"| {policy} | {mean(trials)} | {mean(trials / EVALUATIONS)} | {mean([run[1] for run in runs])} "
                f"| {reached(curves, goal, rng)} |"
            )
            if driven:
                own = [real(cells, data, classes, seed) for seed in range(driven)]
                print(
                    f"|   the same, real strategy, {driven} runs | {mean([run[0] for run in own])} | "
                    f"| {mean([run[1] for run in own])} | |"
                )
        saved = {policy: 1 - EVALUATIONS / trials for policy, trials in found.items()}
        share = saved["functional hash"].mean() / saved["perfect knowledge"].mean()
        print(f"saved by the functional hash: {mean(100 * saved['functional hash'])} % of trials; ", end="")
        print(f"{share:.2%} of what perfect knowledge saves", flush=True)


def policies(cells: Cells, repeats: int) -> None:
    for data in DATASETS:
        print(f"\n{data}: replicates and forgetting under the functional hash, {repeats} repeats")
        print("| K | forgetting | trials bought | test % of the best |")
        print("|---|---|---|---|")
        for k in (1, 2, 3):
            for forget in (0.0, 0.1):
                runs = [fast(cells, data, cells.keys, seed, k, forget) for seed in range(repeats)]
                row = mean([run[0] for run in runs]), mean([run[1] for run in runs])
                print(f"| {k} | {forget} | {row[0]} | {row[1]} |", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=1000)
    arguments.add_argument("--real", type=int, default=0)
    arguments.add_argument("--policies", action="store_true")
    chosen = arguments.parse_args()
    cells = Cells()
    known = knowledge(cells)
    print({name: len(set(classes)) for name, classes in known.items() if classes is not None})
    gains(cells, known, chosen.repeats, chosen.real)
    if chosen.policies:
        policies(cells, chosen.repeats)


if __name__ == "__main__":
    main()
