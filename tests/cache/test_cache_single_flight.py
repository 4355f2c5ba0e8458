"""Of all processes exactly one evaluates a replicate: eight at once, on both databases, some of them killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from automl.cache.store import EquivalenceCache
from automl.storage.engine import Database
from automl.storage.sessions import Session

PROPOSER = Path(__file__).with_name("proposer.py")


def start(url: str, log: Path, number: int, proposals: int, classes: int, replicates: int = 1) -> subprocess.Popen[str]:
    arguments = [url, str(number), str(proposals), str(classes), str(replicates)]
    return subprocess.Popen(
        [sys.executable, str(PROPOSER), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EVALUATED": str(log)},
    )


def go(log: Path, processes: list[subprocess.Popen[str]]) -> None:
    """Lets all begin at once, when all are ready."""
    while len(list(log.parent.glob("ready-*"))) < len(processes):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.02)
    log.with_name("go").touch()


def finish(process: subprocess.Popen[str]) -> int:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return int(json.loads(output)["answered"])


def evaluations(log: Path) -> list[tuple[str, int, int, int]]:
    rows = [line.split() for line in log.read_text().splitlines()]
    return [(key, int(replicate), int(seed), int(attempt)) for key, replicate, seed, attempt, _ in rows]


@pytest.mark.parametrize(("count", "proposals", "replicates"), [(8, 2000, 1), (3, 1000, 2)])
def test_many_processes_evaluate_each_replicate_once(
    any_url: str, tmp_path: Path, count: int, proposals: int, replicates: int
) -> None:
    """Such as eight times 2,000 proposals over 200 classes: no duplicate, none lost, no error."""
    log = tmp_path / "evaluated"
    Database(any_url).close()
    processes = [start(any_url, log, number, proposals, 200, replicates) for number in range(count)]
    go(log, processes)
    assert [finish(process) for process in processes] == [proposals] * count
    done = evaluations(log)
    assert len(done) == len({(key, replicate) for key, replicate, _, _ in done}) == 200 * replicates
    assert {attempt for *_, attempt in done} == {1}
    workers = Counter(line.split()[4] for line in log.read_text().splitlines())
    assert len(workers) > count // 2, "a few processes did everything: nothing was shared"
    with Database(any_url) as database, Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context({"task": "shared"})
        stored = cache.replicates(context, [bytes.fromhex(key) for key, *_ in done])
        assert len(stored) == 200
        assert all(len(results) == replicates for results in stored.values())
        assert all(seed == cache.seed(context, bytes.fromhex(key), replicate) for key, replicate, seed, _ in done)


def test_the_living_finish_what_the_killed_had_claimed(any_url: str, tmp_path: Path) -> None:
    """Three of five are killed with SIGKILL at work; what they had stored stands, what they held is done by others."""
    log = tmp_path / "evaluated"
    Database(any_url).close()
    processes = [start(any_url, log, number, 250, 3000) for number in range(5)]
    go(log, processes)
    while not log.exists() or log.stat().st_size < 4000:
        time.sleep(0.02)
    for process in processes[:3]:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert [finish(process) for process in processes[3:]] == [250, 250]
    again = Counter((key, replicate) for key, replicate, *_ in evaluations(log))
    repeated = {place for place, count in again.items() if count > 1}
    # Written to the log, but killed before the result was stored: at most one for each of the killed.
    assert len(repeated) <= 3
    for key, replicate, _, attempt in evaluations(log):
        assert attempt == 1 or (attempt == 2 and again[(key, replicate)] <= 2)
