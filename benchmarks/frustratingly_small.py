"""“NAS evaluation is frustratingly hard” (Yang, Esperança and Carlucci, ICLR 2020) in small, on the space of DARTS.

    python benchmarks/frustratingly_small.py --until 600   # seconds of this run; it goes on where it stopped
    python benchmarks/frustratingly_small.py --report      # the table of what is there

Four ways to search (random, evolution, differentiable, rating by the same relaxed network), three protocols of training
(plain; with tricks; with tricks and twice the epochs), searches with 4 cells, all tested with 8 cells too. What was cut
so that a seed takes about 25 minutes of one core (estimated from its first row): 600 training, 500 validation and
1,000 test images of Fashion-MNIST at 14x14 pixels, 4 channels, 3 (6) epochs, 5 evaluations a search, 5 random
architectures. Finished rows are appended to benchmarks/frustratingly_small.jsonl, one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

import automl
from automl.cache.store import EquivalenceCache
from automl.data import load
from automl.evaluators.base import BY_SEARCH, Evaluator
from automl.evidence import difference, relative_improvement
from automl.evidence.ablation import paired_difference, share_of_protocol
from automl.evidence.ranks import agreement_between
from automl.jsontext import stored
from search_spaces.nas.darts import DARTS
from search_spaces.nas.darts_choice import OPTIONS, SOURCES
from workers.networks.classification import Classification
from workers.supernets.differentiable import RELAXATION, RelaxationArtefact
from workers.supernets.relaxation_settings import RelaxationSettings

ROWS = Path(__file__).with_suffix(".jsonl")
EVALUATIONS, SAMPLE, TESTS, RATED = 5, 5, 2, 30
SPACE = {"layers": 4, "channels": 4, "resolution": 14}
DEEP = {"layers": 8}
RELAXED = {"epochs": 4, "batch_size": 50, "learning_rate": 0.1, "architecture_rate": 0.05}
PLAIN = {
    "epochs": 3,
    "batch_size": 50,
    "learning_rate": 0.1,
    "schedule": "constant",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "auxiliary": 0.0,
}
TRICKS = {
    "epochs": 3,
    "batch_size": 50,
    "learning_rate": 0.1,
    "gradient_clip": 5.0,
    "drop_path": 0.1,
    "augment": {"flip": True, "cutout": 4},
}
PROTOCOLS = {"plain": PLAIN, "tricks": TRICKS, "tricks, twice as long": {**TRICKS, "epochs": 6}}
METHODS = ("random", "evolution", "differentiable", "rating")


def small(task):
    """Returns the first examples of each part, averaged over 2x2 pixels."""

    def cut(part, most):
        images, labels = part
        return images[:most].reshape(-1, 1, 14, 2, 14, 2).mean((3, 5)).astype(np.float32), labels[:most]

    return automl.Task(cut(task.train, 600), cut(task.validation, 500), cut(task.test, 1000), name="fashion-14")


@dataclass(frozen=True)
class RelaxedRating(Evaluator):
    """Accuracy of a genotype with the weights of the relaxed network, each batch with its own statistics."""

    name = "relaxed-rating"
    metrics: ClassVar = {"accuracy": "maximize"}
    equality = "candidate"
    has_test_part = False

    task: automl.Task
    training: dict[str, Any]
    number: int
    space: Any = field(default=None, repr=False, metadata={BY_SEARCH: True})

    def for_space(self, space):
        return RelaxedRating(self.task, self.training, self.number, space)

    def artefacts(self, replicate=0):
        return (RelaxationArtefact(self.space, self.task, RelaxationSettings(**self.training), self.number),)

    def probe(self):
        return Classification(self.task).probe()

    def evaluate(self, work, how):
        held = self.space.load()
        network = held.relaxed()
        tensors = how.artefact(RELAXATION).tensors()
        network.load_state_dict(
            {name.removeprefix("module."): one for name, one in tensors.items() if name.startswith("module.")}
        )
        weights = {name: torch.from_numpy(one) for name, one in chosen(stored(work.candidate)).items()}
        inputs, labels = (torch.from_numpy(one) for one in self.task.validation)
        with torch.no_grad():
            logits = torch.cat([network.train()(some, weights) for some in inputs.split(250)])
        return {"accuracy": float((logits.argmax(1) == labels).float().mean())}


def chosen(genotype):
    """Returns the weights of a relaxed network that are a genotype: 1 for what it has, 0 for everything else."""
    found = {}
    for name in ("normal", "reduce"):
        found[name] = np.zeros((len(SOURCES), len(OPTIONS)), dtype=np.float32)
        for node, pair in enumerate(genotype[name]):
            for operation, source in pair:
                found[name][SOURCES.index((node, source)), OPTIONS.index(operation)] = 1.0
    return found


def searched(folder, task, seed, protocol, method):
    """Searches, tests with 4 and with 8 cells, and returns one row."""
    trainer = Classification(task, **PROTOCOLS[protocol])
    given = {
        "evaluator": trainer,
        "study": f"{method}-{protocol.replace(', ', '-').replace(' ', '-')}-{seed}",
        "storage": f"sqlite:///{folder}/small.db",
        "seed": seed,
        "trials": EVALUATIONS,
        "strategy": method if method in ("random", "differentiable") else "regularized_evolution",
        "sample": SAMPLE,
        "confirm": 1,
        "finalists": 1,
        "test_seeds": TESTS,
        "baseline": method == "random",
        "workers": 0,
        "progress": False,
    }
    if method == "evolution":
        given["settings"] = {"strategy.population": 2, "strategy.tournament": 2}
    if method == "differentiable":
        given["settings"] = {f"strategy.{name}": value for name, value in RELAXED.items()}
    if method == "rating":
        given |= {
            "evaluator": RelaxedRating(task, RELAXED, seed),
            "final": trainer,
            "strategy": "random",
            "trials": RATED,
            "trained": EVALUATIONS,
        }
    begun = time.process_time()
    study = automl.search(DARTS(**SPACE), **given)
    study.ablate([], {"network": DEEP}, workers=0, progress=False)
    report = study.report().json()
    row = {
        "seed": seed,
        "protocol": protocol,
        "method": method,
        "processor_seconds": round(time.process_time() - begun, 1),
        "artefact_seconds": round(sum(one["seconds"] for one in report["artefacts"]), 1),
        "cells": {"4": figures(study, "test"), "8": figures(study, "ablation")},
    }
    study.close()
    return row


def figures(study, kind):
    """Returns the test figures of the winner and of the random sample, by candidate and seed."""
    child = [one for one in study.store.phase_studies(study.record_id) if one.kind == kind][-1]
    found = {"winner": [], "sample": {}}
    for trial in study.store.by_number(child.id):
        values = values_of(study, trial)
        if trial.origin == "search winner":
            found["winner"] = values
        elif trial.origin == "random sample":
            found["sample"][trial.candidate] = values
    return found


def values_of(study, trial):
    cache = EquivalenceCache(study.database, namespace="default")
    results = cache.replicates(trial.context, [trial.key]).get(trial.key, [])[: trial.replicates]
    return [one.metrics["accuracy"] for one in results if one.metrics]


def run(seconds, folder, seeds):
    torch.set_num_threads(1)
    task, begun = small(load("fashion-mnist-6k")), time.monotonic()
    done = {(row["seed"], row["protocol"], row["method"]) for row in rows()}
    for seed in range(seeds):
        for protocol in PROTOCOLS:
            for method in METHODS:
                if (seed, protocol, method) in done:
                    continue
                if time.monotonic() - begun > seconds:
                    print(f"{seconds} s are over; the same command goes on")
                    return
                row = searched(folder, task, seed, protocol, method)
                with ROWS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


def rows():
    return [json.loads(line) for line in ROWS.open(encoding="utf-8")] if ROWS.exists() else []


def shown(estimate, scale=100.0):
    if estimate.value is None:
        return "–"
    if estimate.low is None:
        return f"{scale * estimate.value:+.1f}"
    return f"{scale * estimate.value:+.1f} [{scale * estimate.low:+.1f}, {scale * estimate.high:+.1f}]"


def report(wanted):
    found = rows()
    of = {(row["seed"], row["protocol"], row["method"]): row for row in found}
    seeds = sorted({row["seed"] for row in found})
    print(f"{len(found)} of {wanted * len(PROTOCOLS) * len(METHODS)} rows; accuracies in per cent\n")
    print("| protocol | method | test, 4 cells | RI % | gain over random | test, 8 cells | CPU s | of them before |")
    print("|---|---|---|---|---|---|---|---|")
    for protocol in PROTOCOLS:
        for method in METHODS:
            mine = [of[seed, protocol, method] for seed in seeds if (seed, protocol, method) in of]
            both = [(row, of.get((row["seed"], protocol, "random"))) for row in mine]
            both = [(row, other) for row, other in both if other is not None]
            if not both:
                continue
            winners = [row["cells"]["4"]["winner"] for row, _ in both]
            samples = [list(other["cells"]["4"]["sample"].values()) for _, other in both]
            rivals = [other["cells"]["4"]["winner"] for _, other in both]
            gain = "–" if method == "random" else shown(difference(winners, rivals))
            deep = np.mean([np.mean(row["cells"]["8"]["winner"]) for row, _ in both])
            spent = sum(row["processor_seconds"] for row in mine) / len(mine)
            before = sum(row["artefact_seconds"] for row in mine) / len(mine)
            print(
                f"| {protocol} | {method} | {100 * np.mean([np.mean(one) for one in winners]):.1f} | "
                f"{shown(relative_improvement(winners, samples), 1.0)} | {gain} | {100 * deep:.1f} | {spent:.0f} | "
                f"{before:.0f} |"
            )
    print(
        "\n| protocol | random sample | it adds to the plain one | protocol's share of the best winner | τ of 4 and 8 |"
    )
    print("|---|---|---|---|---|")
    for protocol in PROTOCOLS:
        held = [seed for seed in seeds if (seed, protocol, "random") in of and (seed, "plain", "random") in of]
        if not held:
            continue
        sample, plain, deep, tops = {}, {}, {}, []
        for seed in held:
            row, base = of[seed, protocol, "random"], of[seed, "plain", "random"]
            sample |= row["cells"]["4"]["sample"]
            deep |= row["cells"]["8"]["sample"]
            plain |= base["cells"]["4"]["sample"]
            every = [of[seed, protocol, method] for method in METHODS if (seed, protocol, method) in of]
            tops += max((one["cells"]["4"]["winner"] for one in every), key=np.mean)
        tau = agreement_between(*({name: np.mean(one) for name, one in each.items()} for each in (sample, deep))).tau
        adds = "–" if protocol == "plain" else shown(paired_difference(sample, plain))
        share = "–" if protocol == "plain" else shown(share_of_protocol(tops, sample, plain, 1.0)) + " %"
        print(
            f"| {protocol} | {100 * np.mean([np.mean(one) for one in sample.values()]):.1f} | {adds} | {share} | "
            f"{'–' if tau is None else f'{tau:.2f}'} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--until", type=float, default=1200.0, help="seconds after which no further row is begun")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "frustratingly-small"))
    asked = parser.parse_args()
    if asked.report:
        report(asked.seeds)
    else:
        Path(asked.folder).mkdir(parents=True, exist_ok=True)
        run(asked.until, asked.folder, asked.seeds)
        report(asked.seeds)
