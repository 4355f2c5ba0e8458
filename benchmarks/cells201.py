"""What benchmarks on NAS-Bench-201 share: all cells with their classes and accuracies, and one search over them.

A search here is a strategy of the engine with one trial in flight, driven over the table in memory: asked, given the
stored fitness of a class that was met before, else one random validation seed of this spelling. It ends when so many
evaluations were paid for, and its winner is the best by validation. Twelve epochs, for strategies that ask for less,
were trained once; they are another result of the class, and count as 12/200 of an evaluation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automl.hashing import Hasher
from automl.spaces.space import Candidate
from automl.strategies.base import FULL, Strategy, Told
from search_spaces.nas.nasbench201 import OPERATIONS, PROBE, NASBench201, to_text

DATASETS = {"CIFAR-10": "c10", "CIFAR-100": "c100", "ImageNet16-120": "in16"}
STEPS = [5**place for place in range(6)]
SHORT = 12 / 200


class Cells:
    """All cells by the number whose base-5 digits are their operations.

    Attributes:
        operations: six names for each cell.
        texts, number: each cell's JSON, and the cell of a JSON.
        keys: each cell's class by the functional hash, numbered from 0.
        published: each cell's class by the benchmark's own string form.
        seeds: by data set, each cell's validation accuracies in percent, one for each seed that was trained.
        short: by data set, each cell's validation accuracy after 12 epochs.
        test: by data set, each cell's mean test accuracy in percent.
    """

    def __init__(self) -> None:
        folder = Path(os.environ.get("AUTOML_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
        table = np.load(folder / "nasbench201" / "nb201.npz")
        place = (table["ops"].astype(int) * STEPS).sum(axis=1)
        order = np.argsort(place)
        self.operations = [tuple(OPERATIONS[code] for code in row) for row in table["ops"][order]]
        self.texts = [to_text(names) for names in self.operations]
        self.number = {text: number for number, text in enumerate(self.texts)}
        space = NASBench201()
        pairs = [(space.behaviour(Candidate(text)), {}) for text in self.texts]
        keys = [item.key for item in Hasher(PROBE).hash_many(pairs, self.texts)]
        known = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self.keys = [known[key] for key in keys]
        self.published = table["iso_class"][order].astype(int).tolist()
        self.seeds, self.short, self.test = {}, {}, {}
        for name, prefix in DATASETS.items():
            columns = np.stack([table[f"{prefix}_val_200_s{seed}"][order] for seed in range(3)], axis=1)
            self.seeds[name] = [[float(value) for value in row if value == value] for row in columns]
            self.short[name] = table[f"{prefix}_val_12"][order].astype(float).tolist()
            self.test[name] = table[f"{prefix}_test_200"][order].astype(float).tolist()


@dataclass(frozen=True)
class Run:
    """How one search ended: trials proposed, full evaluations paid for, mean test accuracy of its winner in percent."""

    trials: int
    evaluations: float
    test: float


def drive(
    strategy: Strategy,
    cells: Cells,
    data: str,
    classes: Sequence[int] | None,
    seed: int,
    evaluations: int,
    patience: int | None = None,
) -> Run:
    """Runs one search.

    Args:
        classes: of each cell; None evaluates every proposal anew.
        patience: trials in a row without a new class after which the search ends.
    """
    rng = np.random.default_rng(seed)
    strategy.bind(NASBench201(), strategy.rungs([SHORT, FULL]))
    results: dict[tuple[int, float], float] = {}
    trials, paid, last, best, chosen = 0, 0.0, 0, -1.0, 0
    while paid < evaluations and (patience is None or trials - last < patience):
        (proposal,) = strategy.ask(1, rng)
        cell = cells.number[proposal.candidate.value]
        key = (trials if classes is None else classes[cell], proposal.fidelity)
        met = key in results
        if not met:
            last = trials
            paid += proposal.fidelity
            seeds = cells.seeds[data][cell] if proposal.fidelity == FULL else [cells.short[data][cell]]
            results[key] = seeds[int(rng.integers(len(seeds)))]
            if proposal.fidelity == FULL and results[key] > best:
                best, chosen = results[key], cell
        worth = results[key]
        strategy.tell(
            [Told(trials, proposal.candidate, worth, {"accuracy": worth}, met, proposal.fidelity, proposal.parents)]
        )
        trials += 1
    return Run(trials, paid, cells.test[data][chosen])
