"""How much of digits-cells' fitness is the architecture and how much the seed: rank correlation between two seeds.

    python benchmarks/digits_signal.py [--architectures 30] [--sample 0] [--part validation]

Prints Spearman's rho over random architectures, and over the better half of them, the spread of both, and the seconds
that one evaluation takes on one core.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from scipy.stats import spearmanr

from automl.evaluators.base import Evaluation, Work
from automl.registry import load
from search_spaces.nas.digits_cells import DigitsCells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", type=int, default=30, help="random architectures")
    parser.add_argument("--sample", type=int, default=0, help="seed that draws them")
    parser.add_argument("--part", default="validation", choices=("validation", "test"))
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    space, settings = DigitsCells(), DigitsCells.defaults
    evaluator = load("evaluators", settings.evaluator)(**settings.evaluator_settings)
    rng = np.random.default_rng(arguments.sample)
    works = [
        Work(space.behaviour(candidate), {}, candidate.json)
        for candidate in space.sample_many(arguments.architectures, rng)
    ]
    evaluator.prepare()
    seconds: list[float] = []

    def accuracy(work: Work, seed: int) -> float:
        began = time.process_time()
        metrics = evaluator.evaluate(work, Evaluation(seed, part=arguments.part))
        seconds.append(time.process_time() - began)
        return metrics["accuracy"]

    found = np.array([[accuracy(work, seed) for seed in (1, 2)] for work in works])
    means = found.mean(axis=1)
    better = found[means >= np.median(means)]
    print(f"{'':24}{'all':>10}{'better half':>14}")
    print(f"{'architectures':24}{len(found):10d}{len(better):14d}")
    for name, measure in (
        ("Spearman between seeds", rho),
        ("SD between architectures", between),
        ("SD between seeds", within),
    ):
        print(f"{name:24}{measure(found):10.3f}{measure(better):14.3f}")
    print(f"accuracy: worst {means.min():.3f}, median {np.median(means):.3f}, best {means.max():.3f}")
    print(f"seconds of one core for an evaluation: median {statistics.median(seconds):.2f}, largest {max(seconds):.2f}")


def rho(found: np.ndarray) -> float:
    return float(spearmanr(found[:, 0], found[:, 1])[0])


def between(found: np.ndarray) -> float:
    return float(found.mean(axis=1).std(ddof=1))


def within(found: np.ndarray) -> float:
    return float(np.sqrt(found.var(axis=1, ddof=1).mean()))


if __name__ == "__main__":
    main()
