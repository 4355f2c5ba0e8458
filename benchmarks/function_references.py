"""The best function of a search beside the ones that people use, under the same protocol.

    python benchmarks/function_references.py                          (all three spaces, their default number of trials)
    python benchmarks/function_references.py optimizer --trials 600 --seeds 20
    python benchmarks/function_references.py loss --set label_noise=0.3

Of references with several learning rates the best by validation stands for them, by the mean of three evaluations. Test
figures come from fresh seeds. The interval concerns these functions on these data; the search itself is one run.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import automl
from automl.cli.common import read_settings
from automl.errors import CandidateFailure
from automl.evaluator import Evaluation, Evaluator, Part, Work
from automl.evidence import difference, rank_agreement
from automl.parts import assemble
from automl.space import Candidate, Space

_RATE = re.compile(r" [\d.]+$")


def measured(space: Space, evaluator: Evaluator, candidate: Candidate, part: Part, seeds: range) -> list[float]:
    """Returns the accuracy for each seed; an empty list for a candidate that fails with one of them."""
    work = Work(space.behaviour(candidate), space.training(candidate), candidate.json)
    try:
        return [evaluator.evaluate(work, Evaluation(seed, part))["accuracy"] for seed in seeds]
    except CandidateFailure:
        return []


def signal(space: Space, evaluator: Evaluator, n: int = 30) -> str:
    """Returns how well two seeds agree on random expressions that train at all."""
    rng, pairs, failed = np.random.default_rng(1), [], 0
    while len(pairs) < n:
        found = measured(space, evaluator, space.sample(rng), "validation", range(100, 102))
        failed += not found
        pairs += [found] if found else []
    rho = rank_agreement([one for one, _ in pairs], [other for _, other in pairs]).rho
    return f"Spearman's rho of two seeds over {n} random expressions: {rho:.2f} ({failed} more failed)"


def compare(name: str, trials: int | None, seeds: int, settings: dict[str, Any], workers: int | None) -> None:
    parts = assemble(name, settings=settings)
    space, evaluator = parts.space, parts.evaluator
    evaluator.prepare()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        study = automl.search(
            name, settings=settings, trials=trials, workers=workers, storage=f"sqlite:///{Path(folder) / 'found.db'}"
        )
        took, best, report = time.perf_counter() - began, study.best.candidate, str(study.report())
        study.close()
    print(f"\n{'=' * 100}\n{name}: search, random search and test took {took:.0f} s\n{report}")
    print(signal(space, evaluator))

    chosen: dict[str, tuple[float, str, Candidate]] = {}
    families: dict[str, list[str]] = defaultdict(list)
    for title, candidate in space.references().items():
        family = _RATE.sub("", title)
        families[family].append(title)
        values = measured(space, evaluator, candidate, "validation", range(3))
        if values and np.mean(values) > chosen.get(family, (-1.0, "", candidate))[0]:
            chosen[family] = (float(np.mean(values)), title, candidate)
    found = measured(space, evaluator, best, "test", range(1000, 1000 + seeds))
    print(f"\n{'under the same protocol':<24} validation    test     found − this (95 %)           formula")
    mine = np.mean(measured(space, evaluator, best, "validation", range(3)))
    print(f"{'best of the search':<24} {mine:10.4f}  {np.mean(found):.4f} {'':32} {space.describe(best)}")
    for _, (validation, title, candidate) in sorted(chosen.items(), key=lambda item: -item[1][0]):
        test = measured(space, evaluator, candidate, "test", range(1000, 1000 + seeds))
        gain = difference([found], [test])
        interval = f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
        print(f"{title:<24} {validation:10.4f}  {np.mean(test):.4f}   {interval:<30} {space.describe(candidate)}")
    for family in families.keys() - chosen.keys():
        print(f"{family:<24} failed at every rate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", default=["activation", "loss", "optimizer"])
    parser.add_argument("--trials", type=int)
    parser.add_argument("--seeds", type=int, default=10, help="evaluations behind each test figure")
    parser.add_argument("--workers", type=int, help="as in automl search; default one per core")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    for name in given.spaces:
        compare(name, given.trials, given.seeds, read_settings(given.set), given.workers)


if __name__ == "__main__":
    main()
