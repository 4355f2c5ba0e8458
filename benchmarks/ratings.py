"""What ratings are worth on small data: trained truth against supernets, counts, untrained scores and short trainings.

    python benchmarks/ratings.py digits --until 600        # seconds of this run; it goes on where it stopped
    python benchmarks/ratings.py mnist-1d --report         # the table of what is there

Finished rows are appended to benchmarks/ratings_NAME.jsonl, one JSON object a line, behind one line with the settings.
Architectures come in an order drawn once, each with everything that is trained of it, so a table of the first fifty is
a table of fifty. Nothing may be tuned on `mnist-1d` and `fashion`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from automl.evaluators.base import Evaluation, Work
from automl.evidence.ranks import rank_agreement
from automl.evidence.ratings import rating_worth
from automl.setup.targets import reference_to
from search_spaces.nas.hytra import HyTra, HyTra1D
from workers.networks.classification import Classification
from workers.networks.zero_cost import ZeroCost
from workers.supernets.evaluators import WholeRating

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One table: space, data, how many architectures are trained, and for how long."""

    space: object
    task: str
    architectures: int
    seeds: int
    epochs: int
    supernet: dict = field(default_factory=dict)


CASES = {
    "digits": Case(HyTra(resolution=8), "digits", 60, 2, 20, {"epochs": 15, "calibration": 500, "images": 450}),
    "mnist-1d": Case(HyTra1D(), "mnist-1d", 200, 2, 4, {"epochs": 6, "calibration": 500, "images": 500}),
    "fashion": Case(HyTra(), "fashion-mnist-6k", 100, 2, 4, {"epochs": 3, "calibration": 500, "images": 500}),
}
EQUAL_SECONDS = 6
"""So many epochs of a supernet of whole paths cost the processor seconds of one of bootstrapping in all blocks."""
RATERS = {
    "bootstrap": {},
    "standardised": {"weights": "standardised"},
    "single path": {"trainer": "single_path"},
    "no ensemble": {"ensemble": False},
    "random weights": {"epochs": 0},
    "random labels": {"trainer": "random_labels"},
}
LAST = "random labels"
"""The rater that is made when all architectures are trained."""

SUPERNETS = {"bootstrap": 2, "standardised": 2}
"""Supernets of each rater; one of all others."""


def chosen(case):
    """Architectures in equal numbers for each scale in which they end, as far as there are so many; then others."""
    every = list(case.space.candidates())
    every = [every[place] for place in np.random.default_rng(0).permutation(len(every))]
    ends = [case.space.state(candidate.value[-1]) for candidate in every]
    share, taken = -(-case.architectures // len(set(ends))), defaultdict(int)
    first, rest = [], []
    for candidate, end in zip(every, ends, strict=True):
        taken[end] += 1
        (first if taken[end] <= share else rest).append(candidate)
    kept = [*first, *rest][: case.architectures]
    return [kept[place] for place in np.random.default_rng(1).permutation(len(kept))]


def work_of(space, candidate):
    return Work(space.behaviour(candidate), space.training(candidate), candidate.json)


def settings_of(case):
    """What the rows depend on beside the code."""
    return {"task": case.task, "epochs": case.epochs, "supernet": case.supernet, "equal_seconds": EQUAL_SECONDS}


def raters(case):
    """Yields (name, evaluator): raters by supernets, the one that is judged first."""
    reference = reference_to(case.space)
    for name, changes in RATERS.items():
        given = {**case.supernet, **changes}
        if name in ("single path", "random labels"):
            given["epochs"] = EQUAL_SECONDS * case.supernet["epochs"]
        yield name, WholeRating(task=case.task, **given).for_space(reference)


def jobs(case):
    """Yields (what, name, seed, candidate, evaluator, metric): ratings by supernets, then each architecture's own."""
    candidates = chosen(case)
    made = dict(raters(case))
    last = made.pop(LAST)
    for name, evaluator in made.items():
        for seed in range(SUPERNETS.get(name, 1)):
            yield from (("rating", name, seed, one, evaluator, "rating") for one in candidates)
    truth = Classification(task=case.task, epochs=case.epochs)
    for one in candidates:
        yield "scores", "zero-cost", 0, one, ZeroCost(task=case.task), None
        yield "rating", "two epochs", 0, one, Classification(task=case.task, epochs=2), "accuracy"
        yield from (("truth", "truth", seed, one, truth, None) for seed in range(case.seeds))
    yield from (("rating", LAST, 0, one, last, "rating") for one in candidates)


def run(name, seconds):
    case, file = CASES[name], HERE / f"ratings_{name.replace('-', '_')}.jsonl"
    rows, settings = rows_of(file), {"what": "settings", **settings_of(case)}
    if not rows:
        append(file, settings)
    elif rows[0] != settings:
        sys.exit(f"{file.name} was made with {rows[0]}, and the settings are {settings}; move the file away")
    done = {(row["name"], row["seed"], row["candidate"]) for row in rows[1:]}
    begun = time.monotonic()
    for what, label, seed, candidate, evaluator, metric in jobs(case):
        if (label, seed, candidate.json) in done:
            continue
        if time.monotonic() - begun > seconds:
            print(f"{seconds} s are over; the same command goes on")
            return
        started = time.process_time()
        metrics = evaluator.evaluate(work_of(case.space, candidate), Evaluation(seed=seed, replicate=seed))
        row = {
            "what": what,
            "name": label,
            "seed": seed,
            "candidate": candidate.json,
            "value": metrics[metric] if metric else metrics,
            "processor_seconds": round(time.process_time() - started, 4),
        }
        append(file, row)


def append(file, row):
    with file.open("a", encoding="utf-8") as rows:
        rows.write(json.dumps(row) + "\n")


def rows_of(file):
    return [json.loads(line) for line in file.open(encoding="utf-8")] if file.exists() else []


def report(name, metric):
    case, rows = CASES[name], rows_of(HERE / f"ratings_{name.replace('-', '_')}.jsonl")[1:]
    values, seconds = defaultdict(lambda: defaultdict(dict)), defaultdict(float)
    for row in rows:
        seconds[row["name"]] += row["processor_seconds"]
        if row["what"] == "scores":
            for score, value in row["value"].items():
                values[score][row["candidate"]][0] = value
        elif row["what"] == "truth":
            figure = -row["value"]["loss"] if metric == "loss" else row["value"][metric]
            values["truth"][row["candidate"]][row["seed"]] = figure
        else:
            values[row["name"]][row["candidate"]][row["seed"]] = row["value"]
    seconds["standardised"] = seconds["bootstrap"]  # the same supernets
    truth = values.pop("truth", {})
    between(case, values)
    seeds = max((len(one) for one in truth.values()), default=0)
    known = [one for one in truth if len(truth[one]) == seeds]
    if len(known) < 8:
        print(f"{name}: {len(known)} architectures are trained; go on")
        return
    candidates = [case.space.decode(json.loads(one)) for one in known]
    costs = [case.space.costs(one) for one in candidates]
    counts = {count: [one[count] for one in costs] for count in ("parameters", "macs")}
    counts["convolutions"] = [sum(entry.startswith("conv") for entry in one.value) for one in candidates]
    counts["place of halving"] = [
        float(np.mean([case.space._place(case.space.state(entry)) for entry in one.value])) for one in candidates
    ]
    for count in counts:
        values.pop(count, None)
    complete = {label: found for label, found in values.items() if all(one in found for one in known)}
    main = "bootstrap"
    if main not in complete:
        print(f"{name}: the bootstrap rating is not complete")
        return
    others = {
        label: [np.mean(list(found[one].values())) for one in known]
        for label, found in complete.items()
        if label != main
    }
    truths = [list(truth[one].values()) for one in known]
    worth = rating_worth(truths, [list(complete[main][one].values()) for one in known], counts, others)
    print(f"### {name}: {len(known)} architectures, {seeds} seeds of {case.epochs} epochs, by {metric}\n")
    print("| score | Spearman | Kendall | rating ahead by | given the counts | processor seconds |")
    print("|---|---|---|---|---|---|")
    for row in worth.rows:
        label = main if row.name == "rating" else row.name
        cost = seconds.get(label, seconds["zero-cost"] if row.kind == "other" else 0)
        cells = [label, *map(shown, (row.rho, row.tau, row.ahead, row.partial)), f"{cost:.0f}"]
        print(f"| {' | '.join(cells)} |")
    print(
        f"\nTruth: {seconds['truth']:.0f} processor seconds; two seeds agree with rho {number(worth.seeds)}, ", end=""
    )
    print(f"ceiling {number(worth.ceiling)}. Two supernets agree with rho {number(worth.supernets)}.\n")
    print("\n".join(worth.verdict))
    as_a_search(truth, known, complete, seconds)


def between(case, values):
    """Prints what needs no truth: how two supernets agree over all rated architectures, and each with the counts."""
    rated = {name: found for name, found in values.items() if name in RATERS}
    everything = [one for one in rated.get("bootstrap", {}) if all(one in found for found in rated.values())]
    if len(everything) < 8:
        return
    costs = [case.space.costs(case.space.decode(json.loads(one))) for one in everything]
    print(f"Over {len(everything)} rated architectures, Spearman:\n")
    print("| rater | two supernets | with parameters | with MACs | with single path |")
    print("|---|---|---|---|---|")
    for name, found in rated.items():
        first = [found[one][0] for one in everything]
        others = [[found[one][1] for one in everything]] if name in SUPERNETS else [None]
        others += [[one[count] for one in costs] for count in ("parameters", "macs")]
        others += [[rated["single path"][one][0] for one in everything] if "single path" in rated else None]
        cells = [number(None if other is None else rank_agreement(first, other).rho) for other in others]
        print(f"| {name} | {' | '.join(cells)} |")
    print()


def as_a_search(truth, known, complete, seconds):
    """Prints what the top five of each rater reach beside random search at equal seconds, its making charged.

    Both choose by the first seed of the truth and are measured by the second. Random search draws from the same
    architectures, 4,000 times; its share is that of draws which end lower, those that end equal counting half.
    """
    training = seconds["truth"] / max(1, sum(len(one) for one in truth.values()))
    first, second = (np.array([truth[one][seed] for one in known]) for seed in (0, 1))
    print(f"\nTop five against random search at equal seconds (a training takes {training:.1f} s)\n")
    print("| rater | seconds of rating | top five reach | random search gets | reaches | beaten in |")
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for name, found in complete.items():
        supernets = max(len(one) for one in found.values())
        for seed in range(supernets):
            spent = seconds.get(name, seconds["zero-cost"]) / supernets
            rated = np.array([found[one][seed] for one in known])
            top = np.argsort(-rated, kind="stable")[:5]
            reached = second[top[np.argmax(first[top])]]
            count = min(len(known), 5 + int(np.ceil(spent / training)))
            draws = np.array([rng.permutation(len(known))[:count] for _ in range(4000)])
            best = draws[np.arange(len(draws)), first[draws].argmax(1)]
            share = (second[best] < reached).mean() + (second[best] == reached).mean() / 2
            label = name if supernets == 1 else f"{name}, supernet {seed}"
            print(f"| {label} | {spent:.0f} | {reached:.3f} | {count} | {second[best].mean():.3f} | {share:.0%} |")


def number(value):
    return "-" if value is None else f"{value:.2f}"


def shown(one):
    if one is None or one.value is None:
        return "-"
    return f"{one.value:.2f}" if one.low is None else f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--until", type=float, default=600, help="seconds of this run")
    parser.add_argument("--metric", choices=("accuracy", "loss"), default="accuracy", help="of the truth")
    parser.add_argument("--report", action="store_true", help="only print the table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.report:
        run(given.case, given.until)
    report(given.case, given.metric)


if __name__ == "__main__":
    sys.exit(main())
