"""The best function of a search beside the ones that people use, under the same protocol.

    python benchmarks/function_references.py                          (all three spaces, their default number of trials)
    python benchmarks/function_references.py optimizer --trials 600 --seeds 20
    python benchmarks/function_references.py loss --set label_noise=0.3
    python benchmarks/function_references.py loss --stored sqlite:///automl.db   (after automl search loss --study loss)

Of references with several learning rates the best by validation stands for them, by the mean of three evaluations. Test
figures come from fresh seeds. The interval of one run concerns these functions on these data; one of several runs
(`--repeats`) covers their winners.
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
from automl.evaluators.base import Evaluation, Evaluator, Part, Work
from automl.evidence import difference, rank_agreement
from automl.setup.parts import PartSettings, assemble
from automl.spaces.space import Candidate, Space

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


def searched(name: str, trials: int | None, settings: dict[str, Any], workers: int | None) -> list[Candidate]:
    """Searches once, prints the report, and returns the winner."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        study = automl.search(
            name, settings=settings, trials=trials, workers=workers, storage=f"sqlite:///{Path(folder) / 'found.db'}"
        )
        took, best, report = time.perf_counter() - began, study.best.candidate, str(study.report())
        study.close()
    print(f"\n{'=' * 100}\n{name}: search, random search and test took {took:.0f} s\n{report}")
    return [best]


def stored(name: str, storage: str) -> list[Candidate]:
    """Prints the report of a study that is called as its space, and returns the winner of each of its runs."""
    study = automl.Study.open(name, storage)
    found = [run.best.candidate for run in study.runs]
    print(f"\n{'=' * 100}\n{name}\n{study.report()}")
    study.close()
    return found


def compare(name: str, winners: list[Candidate], seeds: int, settings: dict[str, Any]) -> None:
    """Prints the winners and the functions that people use with their figures under one protocol."""
    parts = assemble(name, PartSettings(settings=settings))
    space, evaluator = parts.space, parts.evaluator
    evaluator.prepare()
    print(signal(space, evaluator))
    chosen: dict[str, tuple[float, str, Candidate]] = {}
    families: dict[str, list[str]] = defaultdict(list)
    for title, candidate in space.references().items():
        family = _RATE.sub("", title)
        families[family].append(title)
        values = measured(space, evaluator, candidate, "validation", range(3))
        if values and np.mean(values) > chosen.get(family, (-1.0, "", candidate))[0]:
            chosen[family] = (float(np.mean(values)), title, candidate)
    found = [measured(space, evaluator, winner, "test", range(1000, 1000 + seeds)) for winner in winners]
    print(f"\n{'under the same protocol':<24} validation    test     found − this (95 %)           formula")
    for place, (winner, test) in enumerate(zip(winners, found, strict=True), 1):
        mine = np.mean(measured(space, evaluator, winner, "validation", range(3)))
        word = "best of the search" + (f", run {place}" if len(winners) > 1 else "")
        print(f"{word:<24} {mine:10.4f}  {np.mean(test):.4f} {'':32} {space.describe(winner)}")
    for _, (validation, title, candidate) in sorted(chosen.items(), key=lambda item: -item[1][0]):
        test = measured(space, evaluator, candidate, "test", range(1000, 1000 + seeds))
        gain = difference(found, [test])
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
    parser.add_argument(
        "--stored", metavar="URL", help="take the winners of the studies called as the spaces from here"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    settings = read_settings(given.set)
    for name in given.spaces:
        winners = stored(name, given.stored) if given.stored else searched(name, given.trials, settings, given.workers)
        compare(name, winners, given.seeds, settings)


if __name__ == "__main__":
    main()
