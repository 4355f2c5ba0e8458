"""Every strategy on the real NAS-Bench-201 tables, each with the same number of evaluations paid for.

One trial in flight; the fitness of a class is one random validation seed of its first spelling, and the functional
cache serves it whenever the class is met again, to Optuna's samplers as to ours. Rows marked "no cache" pay for every
proposal. A search ends with its evaluations spent, or when 300 trials in a row brought nothing new, where a
strategy only repeats itself. Its winner is its best by validation.

Tests are mean accuracies over the trained seeds. RI is the relative improvement over the average random architecture,
24 of them drawn for each run. All intervals are 95 % and resample whole runs.

    nice python benchmarks/strategies.py [--repeats 40] [--evaluations 300] [--only NAME …] [--data NAME …]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from cells201 import DATASETS, Cells, Run, drive
from scipy import stats

from automl.evidence import difference, relative_improvement
from automl.strategies.base import Strategy
from automl.strategies.evolution import ElitistEvolution, RegularizedEvolution
from automl.strategies.halving import SuccessiveHalving
from automl.strategies.local_search import LocalSearch
from automl.strategies.nsga2 import NSGA2
from automl.strategies.optuna_samplers import OptunaSampler
from automl.strategies.random import Random

SAMPLE = 24
PATIENCE = 300

STRATEGIES: dict[str, tuple[Callable[[], Strategy], bool]] = {
    "random, no cache": (Random, False),
    "random": (Random, True),
    "regularized evolution, no cache": (RegularizedEvolution, False),
    "regularized evolution": (RegularizedEvolution, True),
    "regularized evolution, population 50": (lambda: RegularizedEvolution(population=50), True),
    "elitist evolution": (ElitistEvolution, True),
    "local search": (LocalSearch, True),
    "successive halving": (SuccessiveHalving, True),
    "successive halving of evolution": (lambda: SuccessiveHalving(proposer="regularized_evolution"), True),
    "nsga2, one objective": (NSGA2, True),
    "optuna tpe, no cache": (OptunaSampler, False),
    "optuna tpe": (OptunaSampler, True),
    "optuna nsgaiii": (lambda: OptunaSampler("nsgaiii"), True),
    "optuna cmaes": (lambda: OptunaSampler("cmaes"), True),
    "optuna qmc": (lambda: OptunaSampler("qmc"), True),
    "optuna gp": (lambda: OptunaSampler("gp"), True),
}
"""How each is made, with its default settings where its name says nothing else, and whether it has the cache."""

SLOW = ("optuna gp",)
"""Only where `--only` names them: a proposal takes seconds."""

BASE, OURS, RIVALS = "random", "regularized evolution", ("optuna tpe", "optuna tpe, no cache")


def searched(cells: Cells, data: str, name: str, repeats: int, evaluations: int) -> list[Run]:
    make, cached = STRATEGIES[name]
    classes = cells.keys if cached else None
    return [drive(make(), cells, data, classes, seed, evaluations, PATIENCE) for seed in range(repeats)]


def interval(values: list[float], digits: int) -> str:
    """Returns a mean with its interval."""
    found = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    return f"{np.mean(values):.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def compared(one: list[Run], other: list[Run]) -> str:
    """Returns the gain of one method over another in points of test accuracy, with its interval."""
    found = difference([run.test for run in one], [run.test for run in other])
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def table(cells: Cells, data: str, names: list[str], repeats: int, evaluations: int) -> None:
    rng = np.random.default_rng(0)
    sample = [[cells.test[data][cell] for cell in rng.integers(len(cells.texts), size=SAMPLE)] for _ in range(repeats)]
    print(f"\n{data}, {evaluations} evaluations, {repeats} repeats")
    print("| strategy | trials | evaluations | test % of the winner | RI % | gain over random search | s a run |")
    print("|---|---|---|---|---|---|---|")
    found: dict[str, list[Run]] = {BASE: searched(cells, data, BASE, repeats, evaluations)}
    for name in names:
        began = time.process_time()
        runs = found[name] = searched(cells, data, name, repeats, evaluations)
        seconds = (time.process_time() - began) / repeats
        ri = relative_improvement([[run.test] for run in runs], sample)
        gain = "–" if name == BASE else compared(runs, found[BASE])
        trials, paid = (np.mean([getattr(run, what) for run in runs]) for what in ("trials", "evaluations"))
        print(
            f"| {name} | {trials:.0f} | {paid:.0f} | {interval([run.test for run in runs], 2)} "
            f"| {ri.value:.2f} [{ri.low:.2f}, {ri.high:.2f}] | {gain} | {seconds:.2g} |",
            flush=True,
        )
    for rival in RIVALS:
        if OURS in found and rival in found:
            print(f"{OURS} over {rival}: {compared(found[OURS], found[rival])} points of test accuracy", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=40)
    arguments.add_argument("--evaluations", type=int, default=300)
    arguments.add_argument("--only", nargs="+", choices=STRATEGIES, metavar="NAME")
    arguments.add_argument("--data", nargs="+", choices=DATASETS, default=list(DATASETS), metavar="NAME")
    chosen = arguments.parse_args()
    names = chosen.only or [name for name in STRATEGIES if name not in SLOW]
    cells = Cells()
    for data in chosen.data:
        table(cells, data, names, chosen.repeats, chosen.evaluations)


if __name__ == "__main__":
    main()
