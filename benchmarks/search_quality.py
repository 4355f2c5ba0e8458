"""Search quality: how good the winner is after so many evaluations, for our strategies and for those of the literature.

One trial in flight, where the name says nothing else. The fitness of a class is one random validation seed of the
encoding that was evaluated (one for the whole search), and whoever meets the class again gets it for nothing. "exact":
two candidates are one class only where their encodings are equal. Three protocols that look alike:

- value: the winner is the best by its one validation value, as in every search of ours; its test figure counts.
- posterior: the best by what the surrogate expects; other searchers have none.
- confirmed: of the evaluations the last five are further validation seeds of the leaders, by what the surrogate expects
  or by value; the best mean of two wins (`--winner-by both` and `--winner-by replicates`).
- mean validation: the best of those evaluated by the mean over all validation seeds, which no searcher saw.
- test: the best test figure among those evaluated. Never sound; papers report it.

Levels are those of regularized evolution with the cache at 300 evaluations in the same command, picked by value. A
level counts as reached at the first checkpoint where the 95 % interval of the mean contains it or lies above.
Hyper-parameters of the surrogate were looked at on CIFAR-10 and Cora. Finished runs are kept in a file, and a later
call goes on; `--print` prints what is kept.

    nice python benchmarks/search_quality.py [--repeats 40] [--only NAME …] [--data NAME …] [--out FILE.jsonl]
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from quality_benches import BENCHES, LOOKED_AT, Bench
from quality_rivals import Ranked, ensemble, linear, single, weak

from automl.strategies.base import Proposal, Strategy, Told
from automl.strategies.evolution import RegularizedEvolution
from automl.strategies.local_search import LocalSearch
from automl.strategies.optuna_samplers import OptunaSampler
from automl.strategies.random import Random
from automl.strategies.surrogate import Surrogate

CHECKPOINTS = (10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 75, 80, 90, 100, 125, 150, 200, 250, 300)
SHOWN = (25, 50, 75, 100, 150, 200, 300)
PATIENCE = 300
"""Trials in a row that met nothing new, after which a search is over and its winner stands."""

KEPT = Path(__file__).parent / "search_quality.jsonl.gz"
"""Finished runs: those of the table in the documentation, and what is run after them."""

LEVEL = ("regularized evolution", 300)
PROTOCOLS = ("value", "posterior", "confirmed", "mean", "test")

CONFIRMED = 5
"""Leaders that are evaluated again, each once, at the expense of as many evaluations."""

RIVALS: dict[str, tuple[Callable[[], Strategy], int, bool]] = {
    "random": (Random, 300, True),
    "random, exact": (Random, 300, False),
    "regularized evolution": (RegularizedEvolution, 300, True),
    "regularized evolution, exact": (RegularizedEvolution, 300, False),
    "evolution, population 20": (lambda: RegularizedEvolution(population=20, tournament=5), 300, True),
    "local search": (LocalSearch, 300, True),
    "local search, exact": (LocalSearch, 300, False),
    "surrogate": (Surrogate, 150, True),
    "surrogate, exact": (Surrogate, 150, False),
    "surrogate, fields": (lambda: Surrogate(features=False), 150, True),
    "surrogate, fields, exact": (lambda: Surrogate(features=False), 150, False),
    "surrogate, pool 300": (lambda: Surrogate(hashed=300, kept=4000), 150, True),
    "linear": (lambda: Ranked(linear), 150, True),
    "linear, exact": (lambda: Ranked(linear), 150, False),
    "npenas-like": (lambda: Ranked(single, first=20, batch=10), 150, True),
    "weaknas-like": (lambda: Ranked(weak, first=20, batch=10), 150, True),
    "bananas-like": (lambda: Ranked(ensemble, "paths", first=20, batch=10), 150, True),
    "optuna tpe": (OptunaSampler, 150, True),
    "optuna tpe, exact": (OptunaSampler, 150, False),
    "optuna gp": (lambda: OptunaSampler("gp"), 100, True),
    "surrogate, window 4": (Surrogate, 150, True),
    "surrogate, window 16": (Surrogate, 150, True),
    "surrogate, window 32": (Surrogate, 150, True),
}
"""How each is made, how many evaluations it runs for, and whether equal functions are one class."""

WINDOWS = {name: int(name.rpartition("window ")[2]) for name in RIVALS if "window" in name}
"""Trials under way at once, where it is not one."""

SLOW = (
    *WINDOWS,
    "surrogate, pool 300",
    "optuna gp",
    "optuna tpe",
    "optuna tpe, exact",
    "bananas-like",
    "npenas-like",
    "weaknas-like",
)
"""Only where `--only` names them."""


def searched(bench: Bench, name: str, seed: int) -> dict[str, object]:
    """Runs one search; returns its figures at the checkpoints."""
    make, evaluations, bench.functional = RIVALS[name]
    strategy, rng = make(), np.random.default_rng(seed)
    began = time.process_time()
    if strategy.wants:
        strategy.bind(bench.space, hashes=bench)
    else:
        strategy.bind(bench.space)
    known: dict[bytes, float | None] = {}
    best, best_met = bench.best(), set[bytes]()
    met_at: list[int] = []
    rows: list[tuple[float, float, float]] = []  # value, mean validation and test of each evaluation
    others: list[list[float]] = []  # validation figures of other seeds
    evaluation_of: dict[int, int] = {}
    found: dict[str, list[float]] = {protocol: [] for protocol in PROTOCOLS}
    number = last = 0
    under_way: list[tuple[int, Proposal, float | None, bool]] = []
    while len(known) < evaluations and number - last < PATIENCE:
        strategy.pending = [proposal for _, proposal, _, _ in under_way]
        asked = strategy.ask(1, rng)
        if not asked:
            break
        (key,) = bench.keys([asked[0].candidate])
        met = key in known
        if not met:
            last = number
            seeds, test = bench.figures(asked[0].candidate)
            best_met.update(best.intersection(bench.functions([asked[0].candidate])) if best else ())
            known[key] = float(seeds[int(rng.integers(len(seeds)))]) if len(seeds) else None
            if len(seeds):
                evaluation_of[number] = len(rows)
                rows.append((known[key], float(np.mean(seeds)), test))
                others.append([float(one) for one in seeds if float(one) != known[key]])
        under_way.append((number, asked[0], known[key], met))
        number += 1
        if len(under_way) == WINDOWS.get(name, 1):
            of, proposal, value, duplicate = under_way.pop(0)
            metrics = {} if value is None else {"accuracy": value}
            strategy.tell([Told(of, proposal.candidate, value, metrics, duplicate, 1.0, proposal.parents)])
        if not met and len(known) in CHECKPOINTS and rows:
            picked(found, rows, strategy, evaluation_of)
        if not met and len(known) + CONFIRMED in CHECKPOINTS and rows and any(others):
            found["confirmed"].append(confirmed(rows, others, strategy, evaluation_of, seed))
        if not met and len(known) in CHECKPOINTS and rows:
            met_at.append(len(best_met))
    wanted = sum(one <= evaluations for one in CHECKPOINTS)
    for values in found.values():
        values += values[-1:] * (wanted - len(values)) if values else []
    return {
        "bench": bench.name,
        "rival": name,
        "seed": seed,
        "trials": number,
        "evaluations": len(known),
        "seconds": round(time.process_time() - began, 3),
        **({"best_five": met_at + met_at[-1:] * (wanted - len(met_at))} if best and met_at else {}),
        **{protocol: [round(one, 7) for one in values] for protocol, values in found.items() if values},
    }


def picked(
    found: dict[str, list[float]],
    rows: Sequence[tuple[float, float, float]],
    strategy: Strategy,
    evaluation_of: dict[int, int],
) -> None:
    """Adds the test figure of each protocol's winner."""
    values, means, tests = (np.array(column) for column in zip(*rows, strict=True))
    found["value"].append(tests[values.argmax()])
    found["mean"].append(tests[means.argmax()])
    found["test"].append(tests.max())
    if isinstance(strategy, Surrogate):
        # with a window, what was told so far; before anything was, the value has to do
        leaders = [evaluation_of[number] for number, _ in strategy.expected() if number in evaluation_of]
        found["posterior"].append(tests[leaders[0] if leaders else values.argmax()])


def confirmed(
    rows: Sequence[tuple[float, float, float]],
    others: Sequence[Sequence[float]],
    strategy: Strategy,
    evaluation_of: dict[int, int],
    seed: int,
) -> float:
    """Returns the test figure of the leader with the best mean of two validation seeds."""
    rng = np.random.default_rng([seed, len(rows)])  # the search's own generator must not see it
    values = np.array([row[0] for row in rows])
    leaders = np.argsort(-values, kind="stable")[:CONFIRMED].tolist()
    if isinstance(strategy, Surrogate):
        expected = [evaluation_of[number] for number, _ in strategy.expected() if number in evaluation_of]
        leaders = expected[:CONFIRMED] or leaders
    again = [float(rng.choice(others[place])) if others[place] else values[place] for place in leaders]
    best = int(np.argmax(values[leaders] + np.array(again)))
    return rows[leaders[best]][2]


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Returns a mean over runs with its 95 % interval, by a bootstrap over runs."""
    drawn = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def reached(runs: np.ndarray, level: float) -> str:
    """Returns the first checkpoint at which the mean's interval contains the level or lies above it."""
    for place, count in enumerate(CHECKPOINTS[: runs.shape[1]]):
        if interval(runs[:, place])[2] >= level:
            return f"{count}"
    return f"> {CHECKPOINTS[runs.shape[1] - 1]}"


def first_at(runs: np.ndarray, level: float) -> str:
    """Returns the first checkpoint at which the mean itself is at the level."""
    for place, count in enumerate(CHECKPOINTS[: runs.shape[1]]):
        if runs[:, place].mean() >= level:
            return f"{count}"
    return f"> {CHECKPOINTS[runs.shape[1] - 1]}"


def table(rows: Sequence[dict], data: str) -> None:
    """Prints one table's figures."""
    by_rival: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        if row["bench"] == data:
            by_rival[row["rival"]].append(row)
    if not by_rival:
        return
    digits = 5 if data in ("protein_structure", "slice_localization") else 2
    level = None
    if LEVEL[0] in by_rival:
        place = CHECKPOINTS.index(LEVEL[1])
        level = float(np.mean([row["value"][place] for row in by_rival[LEVEL[0]]]))
    looked = ", looked at" if data in LOOKED_AT else ""
    print(f"\n{data}{looked}; level {level if level is None else round(level, digits + 1)}")
    print(f"| searcher | pick | runs | {' | '.join(map(str, SHOWN))} | reached: interval | mean | trials | s a run |")
    print("|---" * (len(SHOWN) + 7) + "|")
    for name in RIVALS:
        for protocol in PROTOCOLS:
            several = [row for row in by_rival.get(name, []) if protocol in row]
            if not several:
                continue
            runs = np.array([row[protocol] for row in several])
            cells = []
            for count in SHOWN:
                place = CHECKPOINTS.index(count)
                if place >= runs.shape[1]:
                    cells.append("–")
                    continue
                value, low, high = interval(runs[:, place])
                cells.append(f"{value:.{digits}f} ± {(high - low) / 2:.{digits}f}")
            fair = level is not None and protocol in ("value", "posterior", "confirmed")
            goals = [reached(runs, level), first_at(runs, level)] if fair else ["", ""]
            seconds = np.mean([row["seconds"] for row in several])
            trials = np.mean([row["trials"] for row in several])
            print(f"| {name} | {protocol} | {len(several)} | {' | '.join(cells)} | {' | '.join(goals)} ", end="")
            print(f"| {trials:.0f} | {seconds:.2g} |")
    finders(by_rival)


def finders(by_rival: Mapping[str, Sequence[dict]]) -> None:
    """Prints how many of the best five classes by mean validation are evaluated, and how many runs evaluate all."""
    counted = {name: [row["best_five"] for row in rows if "best_five" in row] for name, rows in by_rival.items()}
    if not any(counted.values()):
        return
    print(f"\n| of the best five | runs | {' | '.join(map(str, SHOWN))} | all five at {SHOWN[3]} | at the end |")
    print("|---" * (len(SHOWN) + 4) + "|")
    for name in RIVALS:
        if not (runs := counted.get(name)):
            continue
        found = np.array(runs)
        places = [CHECKPOINTS.index(count) for count in SHOWN]
        cells = [f"{found[:, place].mean():.2f}" if place < found.shape[1] else "–" for place in places]
        shares = [f"{(found[:, place] == 5).mean():.0%}" for place in (places[3], -1)]
        print(f"| {name} | {len(found)} | {' | '.join([*cells, *shares])} |")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=40)
    arguments.add_argument("--only", nargs="+", choices=RIVALS, metavar="NAME")
    arguments.add_argument("--data", nargs="+", choices=BENCHES, default=list(BENCHES), metavar="NAME")
    arguments.add_argument("--out", type=Path, default=KEPT, help="where finished runs are kept")
    arguments.add_argument("--again", action="store_true", help="run what --only names again, though it is kept")
    arguments.add_argument("--print", action="store_true", help="only print what is kept")
    chosen = arguments.parse_args()
    opened = gzip.open if chosen.out.suffix == ".gz" else open
    rows = []
    if chosen.out.exists():
        with opened(chosen.out, "rt") as kept:
            rows = [json.loads(line) for line in kept]
    rows = list({(row["bench"], row["rival"], row["seed"]): row for row in rows}.values())  # the latest stands
    done = {(row["bench"], row["rival"], row["seed"]) for row in rows}
    if chosen.again:
        done = {one for one in done if one[1] not in (chosen.only or ())}
    names = chosen.only or [name for name in RIVALS if name not in SLOW]
    for data in chosen.data:
        bench = None
        for name in [] if chosen.print else names:
            for seed in range(chosen.repeats):
                if (data, name, seed) in done:
                    continue
                bench = bench or BENCHES[data]()
                rows = [row for row in rows if (row["bench"], row["rival"], row["seed"]) != (data, name, seed)]
                rows.append(searched(bench, name, seed))
                with opened(chosen.out, "at") as out:
                    out.write(json.dumps(rows[-1]) + "\n")
        table(rows, data)


if __name__ == "__main__":
    main()
