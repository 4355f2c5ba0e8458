"""What was paid keeps its worth: evaluations are served after the functional hash has changed, and begun from.

    python benchmarks/worth.py kept --before CHECKOUT
    python benchmarks/worth.py rows [--rows 100000] [--storage URL]
    python benchmarks/worth.py beginnings [--runs 20]

`kept` lets an older release search five spaces, takes each database through `automl db upgrade` and `automl cache
rekey`, and searches again. CHECKOUT is a folder with that release (`git worktree add ../before COMMIT`); it runs with
this Python. A row says how many of the paid seconds stand under new keys, and what searching again evaluated. That may
be more than nothing where everything was kept: where a class has split, a trial that was served another function's
figure now has to pay for its own.

`rows` fills a database with evaluations of `nasbench201` under an older hash's keys, each encoding a class of its own,
and measures `automl.rekey` beside the limit of 60 s for 100,000 rows. AUTOML_DATA names the folder with the tables.

`beginnings` searches NAS-Bench-201 on CIFAR-100 with 30 new evaluations: from nothing, from 100 random results of
CIFAR-10, and from 100 random results of CIFAR-100 itself. A column is the mean test accuracy of the best by one
validation seed after so many new evaluations, with half the width of its 95 % interval over runs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from cells201 import Cells

import automl
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Completion
from automl.cache.store import EquivalenceCache
from automl.engine.identity import context_of
from automl.hashing import HASHER_VERSION, Hasher
from automl.setup.parts import assemble
from automl.setup.rekeying import stored_as
from automl.storage import opening
from automl.storage.engine import Database
from automl.storage.sessions import Session
from automl.storage.spaces import space_id
from automl.storage.studies import StudyStore

LIMIT_SECONDS = 60.0
REPLICATES = 7
OWN = Path(__file__).resolve().parents[1] / "tests" / "data" / "version_1" / "own_space.py"
SEARCHES: dict[str, dict[str, Any]] = {
    "nasbench201": {"space": "nasbench201", "trials": 400, "seed": 1, "replicates": 2},
    "digits-cells": {"space": "digits-cells", "trials": 24, "seed": 2, "baseline": False, "settings": {"epochs": 2}},
    "automl-zero-linear": {"space": "automl-zero-linear", "trials": 2000, "seed": 3, "baseline": False},
    "activation": {"space": "activation", "trials": 30, "seed": 4, "baseline": False, "settings": {"epochs": 1}},
    "own_space.py:Tower": {
        "space": "own_space.py:Tower",
        "evaluator": "own_space.py:scored",
        "objective": "score",
        "trials": 80,
        "seed": 5,
        "replicates": 2,
        "audit_probability": 0.3,
    },
}
SEARCH = "import automl, json, sys; automl.search(**json.loads(sys.argv[1])).close()"
WIDTHS = (20, 12, 10, 8, 16, 7, 6, 16, 9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("kept")
    one.add_argument("--before", type=Path, required=True, help="a checkout of the older release")
    other = commands.add_parser("rows")
    other.add_argument("--rows", type=int, default=100_000)
    other.add_argument("--storage", help="an empty database; default: a new SQLite file")
    third = commands.add_parser("beginnings")
    third.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    if given.command == "beginnings":
        beginnings(given.runs)
    elif given.command == "kept":
        kept(given.before.resolve())
    else:
        rows(given.rows, given.storage)


def line(*cells: object) -> None:
    print("  ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


# --- paid seconds that are kept ---------------------------------------------------------------------------------------


def kept(before: Path) -> None:
    """Prints a row for each space."""
    line("space", "evaluations", "seconds", "kept", "classes", "merged", "split", "evaluated again", "rekey s")
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        shutil.copy(OWN, name)
        for number, (space, given) in enumerate(SEARCHES.items()):
            url = f"sqlite:///{number}.db"
            search({**given, "study": "before", "storage": url, "workers": 0}, before)
            opening.upgrade(url)
            began = time.perf_counter()
            report = automl.rekey(url)
            seconds = time.perf_counter() - began
            paid = report.seconds + sum(one.seconds for one in report.kept)
            evaluated = finished(url)
            search({**given, "study": "again", "storage": url, "workers": 0}, Path(automl.__file__).parents[1])
            line(
                space,
                report.evaluations + sum(one.evaluations for one in report.kept),
                f"{paid:.2f}",
                f"{report.seconds / paid:.1%}" if paid else "–",
                f"{sum(one.classes for one in report.contexts)} → {sum(one.classes_now for one in report.contexts)}",
                sum(one.merged for one in report.contexts),
                sum(one.split for one in report.contexts),
                finished(url) - evaluated,
                f"{seconds:.1f}",
            )
            for one in report.kept:
                print(f"  not kept: {one.evaluations} of {one.context} {one.space}: {one.why}")


def search(given: dict[str, Any], code: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(code)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", SEARCH, json.dumps(given)], env=environment, check=True)


def finished(url: str) -> int:
    """Returns how many evaluations were made, copies under newer keys not counted twice."""
    from automl.cache.maintenance import stats

    with Database(url) as database:
        return sum(one.replicates + one.failed + one.audits for one in stats(database).contexts)


# --- beginnings -------------------------------------------------------------------------------------------------------

STRATEGIES: dict[str, dict[str, Any]] = {
    "surrogate": {},
    "regularized_evolution": {"settings": {"population": 20, "tournament": 5}},
}
AFTER = (0, 5, 10, 15, 20, 30)
KNOWN = 100


def beginnings(runs: int) -> None:
    """Prints a row for each strategy and beginning."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    cells = Cells()
    for seed in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            for way, data in (("nothing", None), ("CIFAR-10", "cifar10"), ("CIFAR-100", "cifar100")):
                for strategy, own in STRATEGIES.items():
                    url = f"sqlite:///{folder}/{way}-{strategy}.db"
                    if data:
                        old = {"strategy": "random", "seed": 1000 + seed, "evaluations": KNOWN, "study": "old"}
                        begun({**old, "storage": url, "settings": {"dataset": data}})
                    settings = {"dataset": "cifar100", **own.get("settings", {})}
                    new = {"strategy": strategy, "seed": seed, "evaluations": AFTER[-1], "study": "new"}
                    new |= {"storage": url, "settings": settings, "begin_from": "context" if data else "none"}
                    found.setdefault((strategy, way), []).append(figures(begun(new), cells))
    print(f"{runs} runs; | strategy | begins from | {' | '.join(map(str, AFTER))} |")
    for (strategy, way), rows in found.items():
        values = np.array(rows)
        drawn = np.random.default_rng(0).integers(runs, size=(2000, runs))
        low, high = np.nanpercentile(values[drawn].mean(axis=1), [2.5, 97.5], axis=0)
        texts = [
            "–" if np.isnan(mean) else f"{mean:.2f} ± {half:.2f}"
            for mean, half in zip(values.mean(axis=0), (high - low) / 2, strict=True)
        ]
        print(f"| {strategy} | {way} | {' | '.join(texts)} |")


def begun(given: dict[str, Any]) -> list[tuple[float, str, bool]]:
    """Searches, and returns validation, cell and whether it is a new evaluation, of each trial."""
    quick = {"baseline": False, "finalists": 3, "confirm": 1, "sample": 2, "workers": 0, "progress": False, "window": 1}
    study = automl.search("nasbench201", **{**quick, **given})
    rows = [(one.fitness, json.loads(one.candidate), one.outcome == "miss") for one in study.trials()]
    study.close()
    return rows


def figures(rows: list[tuple[float, str, bool]], cells: Cells) -> list[float]:
    """Returns the test accuracy of the best by validation after so many new evaluations; NaN where there is none."""
    best, test, new = -np.inf, np.nan, 0
    after = {0: np.nan}
    for value, cell, counts in rows:
        if value > best:
            best, test = value, cells.test["CIFAR-100"][cells.number[cell]]
        new += counts
        after[new] = test
    return [float(after.get(count, test)) for count in AFTER]


# --- speed ------------------------------------------------------------------------------------------------------------


def rows(count: int, storage: str | None) -> None:
    """Prints what new keys for so many rows take, beside the limit."""
    with tempfile.TemporaryDirectory() as name:
        url = storage or f"sqlite:///{name}/rows.db"
        made = fill(url, count)
        began, processor = time.perf_counter(), time.process_time()
        report = automl.rekey(url)
        wall, used = time.perf_counter() - began, time.process_time() - processor
        [done] = report.contexts
        limit = LIMIT_SECONDS * made / 100_000
        print(f"{made:,} rows of nasbench201, {done.classes:,} classes before and {done.classes_now:,} now")
        print(f"new keys: {wall:.1f} s ({used:.1f} s of processor), {wall / limit:.2f} of the limit of {limit:.0f} s")
        began = time.perf_counter()
        automl.rekey(url)
        print(f"called again, with nothing to do: {time.perf_counter() - began:.2f} s")


def fill(url: str, count: int) -> int:
    """Stores evaluations under keys of version 0, which takes every encoding for a function of its own."""
    parts = assemble("nasbench201")
    hasher = Hasher(parts.evaluator.probe())
    description = context_of(hasher, parts.described, "validation")
    description["hasher"] = {**description["hasher"], "version": "0"}
    assert HASHER_VERSION != "0"
    rng, texts = np.random.default_rng(0), dict[str, None]()
    while len(texts) * REPLICATES < count and len(texts) < 15_625:
        texts |= dict.fromkeys(one.json for one in parts.space.sample_many(2000, rng))
    asked = list(texts)[: -(-count // REPLICATES)]
    made = 0
    with closing(Database(url)) as database, Session(database) as session:
        number = database.write(lambda connection: space_id(connection, stored_as(parts.reference)))
        cache = EquivalenceCache(database, session=session, space=number)
        context, store = cache.context(description), StudyStore(database)
        study = store.create("filled", "search", {"hasher": description["hasher"]})
        store.finish(study.id)
        for start in range(0, len(asked), 200):
            requests = [
                (place, xxhash.xxh3_128_digest(text.encode()), text, ReplicatePlan(replicates=REPLICATES))
                for place, text in enumerate(asked[start : start + 200], start)
            ]
            claims = [one for found in cache.resolve_many(context, study.id, requests, None) for one in found.claims]
            ended = Completion(metrics={"accuracy": 93.5, "loss": 0.25}, seconds=12.5)
            cache.finish_many(context, [(claim, ended) for claim in claims])
            made += len(claims)
    return made


if __name__ == "__main__":
    main()
