"""How fast programs are proposed, hashed and evaluated, and how many it takes to find linear regression.

    python benchmarks/automl_zero.py pieces
    python benchmarks/automl_zero.py find --seeds 10 --programs 8000000    (the whole engine, durable rows in SQLite)
    python benchmarks/automl_zero.py find-in-memory --seeds 10 --programs 8000000    (the strategy and hash alone)
    python benchmarks/automl_zero.py compare --seeds 3 --programs 100000    (with and without the cache, in turn)
    python benchmarks/automl_zero.py search --programs 100000    (the whole engine, durable rows in SQLite)
    python benchmarks/automl_zero.py two-layer --programs 100000    (improve linear regression, against random search)
    python benchmarks/automl_zero.py digits --programs 100000    (improve logistic regression, the same)
    python benchmarks/automl_zero.py fashion --programs 100000    (the same with pairs of clothes)

The setting is that of the published demo (10 tasks of 4 features, 100 training and 100 validation examples, six
operations, sizes 10/2/8, population 1,000, tournament 10). `find` ends a search when the best program rates 0.999 on
the tasks searched on, and calls it found if it rates above 0.9999 on 100 unseen tasks, with 1,000 training examples.
`find-in-memory` measures the search without the storage: as in the demo, the population is drawn afresh (with fresh
tasks) whenever 200 million training steps have been done, until the best program does so on the unseen tasks.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from typing import ClassVar
from unittest import mock

import numpy as np

import automl
from automl.evaluators.base import Evaluation, Work
from automl.hashing import Hasher
from automl.hashing.hasher import Hashed
from automl.jsontext import parse
from search_spaces.algorithms.program import ProgramSpace
from search_spaces.algorithms.program_candidate import ProgramCandidate
from search_spaces.algorithms.program_spaces import AutoMLZeroDigits, AutoMLZeroLinear, AutoMLZeroTwoLayer
from workers.algorithms.programs import ProgramTasks

POPULATION, TOURNAMENT, BLOCK = 1000, 10, 250
STEPS_PER_POPULATION = 200_000_000
SUFFICIENT = 0.9999
ENOUGH = (
    0.999  # where searches end: 100 training examples leave the best programs below what 1,000 of unseen tasks give
)


def pieces(repeats: int = 5, n: int = 1000) -> None:
    """Prints microseconds per program for each piece, best of some repeats."""
    space, evaluator, rng = AutoMLZeroLinear(), ProgramTasks(), np.random.default_rng(0)
    hasher = Hasher(evaluator.probe())
    parents = space.sample_many(n, rng)
    names = ("mutate", "behaviour", "probe", "hash, with probe", "JSON", "evaluate", "read JSON")
    best = dict.fromkeys(names, float("inf"))
    fastest = 0.0
    for _ in range(repeats):
        times = [time.perf_counter()]

        def lap(times: list[float] = times) -> None:
            times.append(time.perf_counter())

        children = space.mutate_many(parents, rng)
        lap()
        pairs = [(space.behaviour(child), space.training(child)) for child in children]
        lap()
        space.language.outputs([pair[0].code for pair in pairs], hasher.probe)
        lap()
        hasher.hash_many(pairs)
        lap()
        texts = [child.json for child in children]
        lap()
        evaluator.evaluate_many([(Work(*pair, ""), Evaluation(0)) for pair in pairs])
        lap()
        for text in texts:
            space.decode(parse(text))
        lap()
        for name, seconds in zip(names, np.diff(times), strict=True):
            best[name] = min(best[name], seconds / n * 1e6)
        codes = [pair[0].code for pair in pairs]
        began = time.perf_counter()
        _, steps = evaluator.rate(space.language, codes, [0] * n)
        fastest = max(fastest, steps.sum() / (time.perf_counter() - began) / 1e6)
        parents = children
    for name, microseconds in best.items():
        print(f"{name:20s} {microseconds:8.1f} µs per program")
    print(f"{'evaluation alone':20s} {fastest:8.1f} million training steps per second")


@dataclasses.dataclass
class Found:
    """What one seed needed."""

    programs: int = 0
    steps: int = 0
    hits: int = 0
    populations: int = 0
    unseen: float = 0.0
    seconds: float = 0.0
    code: bytes = b""


def find(seed: int, most: int) -> Found:
    """Searches until a program is good enough on unseen tasks, or `most` programs have been proposed."""
    space, rng, found = AutoMLZeroLinear(), np.random.default_rng(seed), Found()
    began = time.perf_counter()
    while found.programs < most and found.unseen <= SUFFICIENT:
        found.populations += 1
        one_population(space, ProgramTasks(task_seed=seed * 1000 + found.populations), rng, found, most)
    found.seconds = time.perf_counter() - began
    return found


def one_population(
    space: AutoMLZeroLinear,
    evaluator: ProgramTasks,
    rng: np.random.Generator,
    found: Found,
    most: int,
) -> None:
    hasher = Hasher(evaluator.probe())
    known: dict[bytes, float] = {}
    members: list = []
    fitness = np.zeros(0)
    steps, best = 0, 0.0
    while steps < STEPS_PER_POPULATION and found.programs < most:
        if len(members) < POPULATION:
            children = space.sample_many(BLOCK, rng)
        else:
            drawn = rng.integers(POPULATION, size=(BLOCK, TOURNAMENT))
            winners = drawn[np.arange(BLOCK), fitness[drawn].argmax(axis=1)]
            children = space.mutate_many([members[place] for place in winners], rng)
        keys = [item.key for item in hasher.hash_many([(space.behaviour(child), {}) for child in children])]
        new = {key: child for key, child in zip(keys, children, strict=True) if key not in known}
        if new:
            codes = [space.code(child) for child in new.values()]
            values, done = evaluator.rate(space.language, codes, [0] * len(codes))
            known.update(zip(new, values.tolist(), strict=True))
            steps += int(done.sum())
            top = int(values.argmax())
            if values[top] > best:
                best = values[top]
                if best > 0.99:
                    unseen = evaluator.rate(space.language, [codes[top]], [0], "test")[0][0]
                    if unseen > found.unseen:
                        found.unseen, found.code = unseen, codes[top]
        rated = np.array([known[key] for key in keys])
        members = (members + children)[-POPULATION:]
        fitness = np.concatenate([fitness, rated])[-POPULATION:]
        found.programs += BLOCK
        found.hits += BLOCK - len(new)
        if found.unseen > SUFFICIENT:
            break
    found.steps += steps


def show_find(first: int, seeds: int, programs: int) -> None:
    needed = []
    space = AutoMLZeroLinear()
    for seed in range(first, first + seeds):
        found = find(seed, programs)
        good = found.unseen > SUFFICIENT
        needed.append(found.programs if good else np.inf)
        print(
            f"seed {seed}: {'found' if good else 'not found'} after {found.programs:,} programs in {found.populations} "
            f"populations, fitness {found.unseen:.6f} on unseen tasks; {found.hits / found.programs:.1%} hits, "
            f"{found.steps / found.programs:.0f} training steps and "
            f"{found.seconds / found.programs * 1e6:.1f} µs per program",
            flush=True,
        )
        if good:
            print("   ", space.describe(ProgramCandidate(found.code, space.text)), flush=True)
    print(f"median {np.median(needed):,.0f} programs; {np.isfinite(needed).sum()} of {len(needed)} seeds found it")


class Counting(ProgramTasks):
    """Counts the training steps of a search; what judges its winners is not counted."""

    done: ClassVar[int] = 0

    def rate(self, language, programs, seeds, part="validation"):
        fitness, steps = super().rate(language, programs, seeds, part)
        if part == "validation":
            Counting.done += int(steps.sum())
        return fitness, steps


class Distinct(Hasher):
    """Gives every program a key of its own at no cost: nothing is ever found in the cache."""

    _next = 0

    def hash_many(self, pairs, candidates=None):
        first = self._next
        self._next += len(pairs)
        return [Hashed(number.to_bytes(16, "big")) for number in range(first, self._next)]


def engine(seed: int, programs: int, folder: str, evaluator: ProgramTasks, until: float | None) -> automl.Study:
    """Runs `automl.search` in this process with the settings of the space, rows in SQLite, without random search."""
    return automl.search(
        AutoMLZeroLinear(),
        evaluator=evaluator,
        trials=programs,
        until=until,
        seed=seed,
        baseline=False,
        finalists=1,
        test_seeds=1,
        sample=2,
        storage=f"sqlite:///{folder}/programs.db",
    )


def find_by_engine(first: int, seeds: int, programs: int) -> None:
    """Searches on tasks of each seed's own until the fitness is enough, and judges the best on 100 others."""
    needed = []
    for seed in range(first, first + seeds):
        evaluator = ProgramTasks(task_seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            began, busy = time.perf_counter(), time.process_time()
            study = engine(seed, programs, folder, evaluator, ENOUGH)
            seconds, busy = time.perf_counter() - began, time.process_time() - busy
            space, best, outcomes = study.space, study.best, study.report().json()["outcomes"]
            study.close()
        n = sum(outcomes.values())
        unseen = evaluator.rate(space.language, [space.code(best.candidate)], [0], "test")[0][0]
        needed.append(n if unseen > SUFFICIENT else np.inf)
        print(
            f"seed {seed}: {'found' if unseen > SUFFICIENT else 'not found'} after {n:,} programs, fitness "
            f"{best.fitness:.6f} searched on and {unseen:.6f} on unseen tasks; {1 - outcomes['miss'] / n:.1%} not "
            f"evaluated; {n / seconds:,.0f} programs per second, {n / busy:,.0f} per second of processor time",
            flush=True,
        )
    print(f"median {np.median(needed):,.0f} programs; {np.isfinite(needed).sum()} of {len(needed)} seeds found it")


def compare(first: int, seeds: int, programs: int) -> None:
    """The same searches with and without the functional cache: same seeds, in turn, none stopped early."""
    ratios = []
    for seed in range(first, first + seeds):
        runs = []
        for hasher in (Hasher, Distinct):
            Counting.done = 0
            with tempfile.TemporaryDirectory() as folder, mock.patch("automl.engine.looping.Hasher", hasher):
                began, busy = time.perf_counter(), time.process_time()
                study = engine(seed, programs, folder, Counting(task_seed=seed), None)
                seconds, busy = time.perf_counter() - began, time.process_time() - busy
                trials = [(trial.outcome, trial.fitness) for trial in study.trials()]
                study.close()
            misses, best = sum(name == "miss" for name, _ in trials), max(fitness for _, fitness in trials)
            runs.append((Counting.done / programs, seconds, busy, 1 - misses / programs, best))
        (steps, seconds, busy, hits, best), (all_steps, all_seconds, all_busy, _, same) = runs
        assert best == same, "the cache changed what was found"
        ratios.append((all_steps / steps, all_seconds / seconds, all_busy / busy))
        print(
            f"seed {seed}: {hits:.1%} not evaluated; training steps per program {steps:.0f} and {all_steps:.0f} "
            f"({ratios[-1][0]:.2f} times more without the cache); wall time {seconds:.1f} and {all_seconds:.1f} s "
            f"({ratios[-1][1]:.2f} times), processor time {busy:.1f} and {all_busy:.1f} s ({ratios[-1][2]:.2f} times); "
            f"best fitness {best:.6f} in both",
            flush=True,
        )
    steps, wall, busy = np.median(ratios, axis=0)
    print(f"medians without the cache: {steps:.2f} times the training steps, {wall:.2f} the wall time, {busy:.2f} "
          "the processor time")  # fmt: skip


def whole_engine(seed: int, programs: int) -> None:
    """Runs `automl.search` in this process, rows in SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        space = AutoMLZeroLinear()
        settings = {"population": POPULATION, "tournament": TOURNAMENT}
        for name, trials in (("warm-up", 2 * POPULATION), ("measured", programs)):
            began, busy = time.perf_counter(), time.process_time()
            study = automl.search(
                space,
                evaluator=ProgramTasks(task_seed=seed),
                strategy="regularized_evolution",
                settings=settings,
                trials=trials,
                baseline=False,
                finalists=1,
                seed=seed,
                namespace=name,
                storage=f"sqlite:///{folder}/programs.db",
            )
            seconds, busy = time.perf_counter() - began, time.process_time() - busy
        outcomes = study.report().json()["outcomes"]
        print(f"{programs / seconds:,.0f} programs per second ({programs / busy:,.0f} per second of processor time)")
        print(f"outcomes: {outcomes}")


def descent(rate: float) -> dict[str, list[str]]:
    """Linear (or, with probabilities, logistic) regression by gradient descent."""
    return {
        "setup": [f"s2 = {rate}"],
        "predict": ["s1 = dot(v0, v1)"],
        "learn": ["s3 = s0 - s1", "s3 = s2 * s3", "v2 = s3 * v0", "v1 = v1 + v2"],
    }


def improve(space: ProgramSpace, seed: int, programs: int, task: str | None = None) -> None:
    """Starts from gradient descent on a linear model and compares what is found with its best learning rate."""
    settings = space.defaults.evaluator_settings
    evaluator = ProgramTasks(**{**settings, "task": task or settings["task"]})
    rates = (0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
    codes = [space.text.read_program(descent(rate)) for rate in rates]
    searched = evaluator.rate(space.language, codes, [0] * len(codes))[0]
    best = int(searched.argmax())
    unseen = evaluator.rate(space.language, [codes[best]], [0], "test")[0][0]
    print(f"by hand, learning rate {rates[best]}: {searched[best]:.4f} searched on, {unseen:.4f} on unseen problems")
    with tempfile.TemporaryDirectory() as folder:
        study = automl.search(
            space,
            evaluator=evaluator,
            settings={"population": POPULATION, "tournament": TOURNAMENT},
            trials=programs,
            enqueue=[descent(0.05)] * 25,  # one alone could die of age before it has children
            seed=seed,
            storage=f"sqlite:///{folder}/programs.db",
        )
        print(study.report())
        print("\n".join(space.explanation(study.best.candidate)))
        found = evaluator.rate(space.language, [space.code(study.best.candidate)], [1], "test")[0][0]
    print(f"found: {study.best.fitness:.4f} searched on, {found:.4f} on unseen problems; by hand {unseen:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", choices=["pieces", "find", "find-in-memory", "compare", "search", "two-layer", "digits", "fashion"]
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--programs", type=int, default=8_000_000)
    given = parser.parse_args()
    if given.what == "pieces":
        pieces()
    elif given.what == "find":
        find_by_engine(given.first_seed, given.seeds, given.programs)
    elif given.what == "find-in-memory":
        show_find(given.first_seed, given.seeds, given.programs)
    elif given.what == "compare":
        compare(given.first_seed, given.seeds, given.programs)
    elif given.what == "search":
        whole_engine(given.first_seed, given.programs)
    else:
        space = AutoMLZeroTwoLayer() if given.what == "two-layer" else AutoMLZeroDigits()
        improve(space, given.first_seed, given.programs, "fashion-pairs" if given.what == "fashion" else None)


if __name__ == "__main__":
    main()
