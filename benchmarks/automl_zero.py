"""How fast programs are proposed, hashed and evaluated, and how many it takes to find linear regression.

    python benchmarks/automl_zero.py pieces
    python benchmarks/automl_zero.py find --seeds 10 [--without-cache] [--programs 8000000]

The setting is that of the published demo (10 tasks of 4 features, 100 training and 100 validation examples, six
operations, sizes 10/2/8, population 1,000, tournament 10). `find` holds everything in memory: it measures the search,
not the storage. As in the demo, the population is drawn afresh (with fresh tasks) whenever 200 million training steps
have been done, until the best program rates above 0.9999 on 100 unseen tasks.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np

from automl.evaluator import Evaluation, Work
from automl.hashing import Hasher
from automl.jsontext import parse
from search_spaces.algorithms.program_spaces import AutoMLZeroLinear
from workers.programs import ProgramTasks

POPULATION, TOURNAMENT, BLOCK = 1000, 10, 250
STEPS_PER_POPULATION = 200_000_000
SUFFICIENT = 0.9999


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


def find(seed: int, most: int, cache: bool) -> Found:
    """Searches until a program is good enough on unseen tasks, or `most` programs have been proposed."""
    space, rng, found = AutoMLZeroLinear(), np.random.default_rng(seed), Found()
    began = time.perf_counter()
    while found.programs < most and found.unseen <= SUFFICIENT:
        found.populations += 1
        one_population(space, ProgramTasks(task_seed=seed * 1000 + found.populations), rng, found, most, cache)
    found.seconds = time.perf_counter() - began
    return found


def one_population(
    space: AutoMLZeroLinear, evaluator: ProgramTasks, rng: np.random.Generator, found: Found, most: int, cache: bool
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
        if cache:
            keys = [item.key for item in hasher.hash_many([(space.behaviour(child), {}) for child in children])]
        else:
            keys = [number.to_bytes(16, "big") for number in range(found.programs, found.programs + BLOCK)]
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
        if not cache:
            known.clear()
        members = (members + children)[-POPULATION:]
        fitness = np.concatenate([fitness, rated])[-POPULATION:]
        found.programs += BLOCK
        found.hits += BLOCK - len(new)
        if found.unseen > SUFFICIENT:
            break
    found.steps += steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pieces", "find"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--programs", type=int, default=8_000_000)
    parser.add_argument("--without-cache", action="store_true")
    given = parser.parse_args()
    if given.what == "pieces":
        pieces()
        return
    needed = []
    space = AutoMLZeroLinear()
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        found = find(seed, given.programs, not given.without_cache)
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
            print("   ", space.describe(space.decode(space.text.write_program(_decoded(found.code)))), flush=True)
    print(f"median {np.median(needed):,.0f} programs; {np.isfinite(needed).sum()} of {len(needed)} seeds found it")


def _decoded(code: bytes):  # type: ignore[no-untyped-def]
    from automl.programs.code import decode

    return decode(code)


if __name__ == "__main__":
    main()
