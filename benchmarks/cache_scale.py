"""Is the cost of a proposal the same in a database of 1,000 trials and of 1,000,000?

    python benchmarks/cache_scale.py [--trials 1000000] [--new 0.5]
    python benchmarks/cache_scale.py --search automl-zero-linear [--trials 1000000]
    python benchmarks/cache_scale.py --postgresql URL --classes 10000000

Fills one SQLite file through the engine's own line (claim, complete, record: durable, synchronous=FULL) and measures at
1,000, 10,000, 100,000 and 1,000,000 trials what one proposal costs in batches of 1,000, and one alone. Beside it stands
the ratio to the first row, taken in the same run. The share of proposals that are new classes stays the same.

The second form runs a whole search of that space (a space whose evaluations cost next to nothing) in this process, and
prints what a trial cost at each size, what the end of the study and its report took, and the memory.

The third form fills an empty PostgreSQL database with finished classes on the server, then looks keys up.
"""

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import xxhash

import automl
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Completion
from automl.cache.store import EquivalenceCache
from automl.observers import Observer
from automl.storage.engine import Database
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore

BATCH = 1000
WIDTHS = (10, 10, 10, 10, 10, 6, 10, 6, 8, 6)
CONTEXT = {"benchmark": "cache_scale"}


class Line:
    """A study that proposes, claims, completes and records, with an evaluator that costs nothing."""

    def __init__(self, database: Database, session: Session, new: float):
        self.cache = EquivalenceCache(database, session=session)
        self.store = StudyStore(database)
        self.study: StudyRecord = self.store.create("scale", "search", {})
        self.context = self.cache.context(CONTEXT)
        self.new = new
        self.rng = random.Random(1)
        self.trials = 0
        self.classes = 0

    def key(self) -> bytes:
        if self.classes == 0 or self.rng.random() < self.new:
            self.classes += 1
            return key_of(self.classes - 1)
        return key_of(self.rng.randrange(self.classes))

    def turn(self, size: int) -> tuple[float, float, float]:
        """Proposes so many trials; returns the seconds of resolving, completing and recording them."""
        requests = [
            (
                number,
                self.key(),
                json.dumps({"cell": f"candidate number {number}", "width": number % 64}),
                ReplicatePlan(),
            )
            for number in range(self.trials, self.trials + size)
        ]
        marks = [time.perf_counter()]
        answers = self.cache.resolve_many(self.context, self.study.id, requests, None)
        marks.append(time.perf_counter())
        claims = [claim for one in answers for claim in one.claims]
        ended = Completion(metrics={"accuracy": 0.5, "loss": 0.7})
        self.cache.finish_many(self.context, [(claim, ended) for claim in claims])
        marks.append(time.perf_counter())
        claimed = {claim.number for claim in claims}
        records = [
            TrialRecord(
                number=number,
                candidate=candidate,
                key=key,
                context=self.context,
                outcome="miss" if number in claimed else "hit",
                fitness=0.5,
                metrics={"accuracy": 0.5, "loss": 0.7},
                replicates=1,
                origin="mutation",
                parents=(max(0, number - 1),),
                position=number,
            )
            for number, key, candidate, _ in requests
        ]
        marks.append(time.perf_counter())
        self.store.append_trials(self.study.id, records)
        marks.append(time.perf_counter())
        self.trials += size
        return marks[1] - marks[0], marks[2] - marks[1], marks[4] - marks[3]


def processor_seconds() -> float:
    """Returns what this process has used: what the wall clock would show on an idle machine with a fast disk."""
    times = psutil.Process().cpu_times()
    return times.user + times.system


def key_of(number: int) -> bytes:
    return xxhash.xxh3_128_digest(number.to_bytes(8, "little"))


def flatness(trials: int, new: float) -> None:
    with tempfile.TemporaryDirectory(prefix="automl-scale-") as folder:
        path = Path(folder) / "scale.db"
        with Database(f"sqlite:///{path}") as database, Session(database) as session:
            line = Line(database, session, new)
            print(f"SQLite, WAL, synchronous=FULL; {new:.0%} of proposals are new classes; medians")
            print(f"{'trials':>10} {'µs a proposal, in batches of 1,000':^68} {'alone':>15} {'file':>8} {'memory':>8}")
            names = ("", "resolve", "complete", "record", "together", "ratio", "processor", "ratio", "µs", "ratio")
            print(" ".join(f"{name:>{width}}" for name, width in zip(names, WIDTHS, strict=True)))
            first: tuple[float, float, float] | None = None
            size = 1000
            while size <= trials:
                while line.trials < size:
                    line.turn(min(BATCH, size - line.trials))
                before = processor_seconds()
                parts = [line.turn(BATCH) for _ in range(15)]
                processor = (processor_seconds() - before) / len(parts) / BATCH * 1e6
                medians = [statistics.median(part[place] for part in parts) / BATCH * 1e6 for place in range(3)]
                together = statistics.median(sum(part) for part in parts) / BATCH * 1e6
                alone = statistics.median(sum(line.turn(1)) for _ in range(100)) * 1e6
                first = first or (together, processor, alone)
                memory = psutil.Process().memory_info().rss / 1e6
                print(
                    f"{size:>10,} {medians[0]:>10.1f} {medians[1]:>10.1f} {medians[2]:>10.1f} {together:>10.1f} "
                    f"{together / first[0]:>6.2f} {processor:>10.1f} {processor / first[1]:>6.2f} "
                    f"{alone:>8.0f} {alone / first[2]:>6.2f} "
                    f"{path.stat().st_size / 1e6:>6.0f}MB {memory:>6.0f}MB",
                    flush=True,
                )
                size *= 10


class Spans(Observer):
    """Notes what trials cost, over the half of a search before each power of ten."""

    def __init__(self, trials: int) -> None:
        self.sizes = [size for size in (10**power for power in range(4, 12)) if size <= trials]
        self.marks = [(0, time.perf_counter(), processor_seconds(), 0.0)]

    def turn(self, settings, trials, in_flight, evaluations) -> None:
        if settings.part == "validation" and trials:
            total = trials[-1].position + 1
            if any(size / 2 <= total <= size for size in self.sizes):
                memory = psutil.Process().memory_info().rss / 1e6
                self.marks.append((total, time.perf_counter(), processor_seconds(), memory))

    def show(self) -> None:
        print(f"{'trials':>10} {'µs a trial':>11} {'processor':>10} {'ratio':>6} {'memory':>8}")
        base = None
        for size in self.sizes:
            inside = [mark for mark in self.marks if size / 2 <= mark[0] <= size]
            (first, *began, _), (last, *ended, memory) = inside[0], inside[-1]
            wall, busy = ((end - begin) / (last - first) * 1e6 for begin, end in zip(began, ended, strict=True))
            base = base or busy
            print(f"{size:>10,} {wall:>11.1f} {busy:>10.1f} {busy / base:>6.2f} {memory:>6.0f}MB", flush=True)


def whole_search(target: str, trials: int, window: int | None) -> None:
    with tempfile.TemporaryDirectory(prefix="automl-scale-") as folder:
        spans = Spans(trials)
        storage = f"sqlite:///{folder}/scale.db"
        began, busy = time.perf_counter(), processor_seconds()
        study = automl.search(
            target, trials=trials, window=window, baseline=False, observers=[spans], storage=storage, workers=0
        )
        ended = time.perf_counter()
        print(f"{trials:,} trials of {target} in {ended - began:.0f} s, {processor_seconds() - busy:.0f} s processor")
        spans.show()
        finalists = time.perf_counter()
        study.best  # noqa: B018 - what the end of a study costs beside its test figures
        print(f"its best class is found in {time.perf_counter() - finalists:.1f} s")
        before = processor_seconds()
        text = study.report().json()
        print(f"its report takes {processor_seconds() - before:.1f} s of processor; outcomes {text['outcomes']}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        size = Path(folder, "scale.db").stat().st_size / 1e6
        print(f"memory at most {peak:.0f} MB; file {size:.0f} MB")
        study.close()


def many_classes(url: str, classes: int) -> None:
    with Database(url) as database:
        cache = EquivalenceCache(database)
        context = cache.context(CONTEXT)

        def fill(connection) -> None:
            connection.exec_driver_sql(
                "INSERT INTO evaluation (context, key, replicate, state, seed, candidate, metrics, error, seconds, "
                f"attempt, changed) SELECT {context}, decode(md5(n::text), 'hex'), 0, 'done', n, '\\x00'::bytea, "
                f"'{{\"accuracy\":0.5}}', '', 1.0, 1, 0 FROM generate_series(1, {classes}) AS n ORDER BY 2"
            )

        began = time.perf_counter()
        database.write(fill)
        print(f"{classes:,} classes written by the server in {time.perf_counter() - began:.0f} s", flush=True)
        rng = random.Random(2)
        import hashlib

        for size in (1, 32, 1000):
            seconds = []
            for _ in range(1000 if size == 1 else 200):
                numbers = [rng.randrange(1, classes + 1) for _ in range(size)]
                keys = [hashlib.md5(str(number).encode(), usedforsecurity=False).digest() for number in numbers]
                requests = [(place, key, "0", ReplicatePlan()) for place, key in enumerate(keys)]
                began = time.perf_counter()
                answers = cache.resolve_many(context, None, requests, 0)
                seconds.append(time.perf_counter() - began)
                assert all(one.results for one in answers)
            slowest = sorted(seconds)[int(len(seconds) * 0.99)] * 1e3
            print(
                f"{size:>5} keys a call: median {statistics.median(seconds) * 1e3:.2f} ms, 99 % under {slowest:.2f} ms",
                flush=True,
            )
        cache.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--new", type=float, default=0.5, help="share of proposals that are new classes")
    parser.add_argument("--search", metavar="SPACE", help="run a whole search of this space")
    parser.add_argument("--window", type=int, help="trials under way of that search")
    parser.add_argument("--postgresql", metavar="URL")
    parser.add_argument("--classes", type=int, default=10_000_000)
    given = parser.parse_args()
    if given.search:
        whole_search(given.search, given.trials, given.window)
    elif given.postgresql:
        many_classes(given.postgresql, given.classes)
    else:
        flatness(given.trials, given.new)


if __name__ == "__main__":
    main()
