"""`automl cache rekey` is ended with SIGKILL wherever it is, and called by two processes at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rekey_parts import context_now, fill, key_now, key_of, pair, rows, scores, space_file, stored
from sqlalchemy import func, select

from automl.cache.store import EquivalenceCache
from automl.storage.engine import Database
from automl.storage.schema import rekeyed

ROOT = Path(__file__).resolve().parents[2]
PAIRS = [(x, y) for x in range(6) for y in range(6)]
"""36 candidates of 21 functions."""

COMMAND = "import sys; from automl.cli import main; sys.argv[1:] = ['cache', 'rekey', '--storage', sys.argv[1]]; main()"
KILLED_WHILE_IT_CHANGES = (
    "import os, signal; from automl.storage import rekeying\n"
    "rekeying.mark_moved = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n" + COMMAND
)
"""Every copy is written then, and no old row says so: the transaction is as far as it gets."""


@pytest.fixture
def database(any_url: str, tmp_path: Path) -> Any:
    with Database(any_url) as opened:
        target = space_file(tmp_path)
        fill(opened, stored(target), [(key_of(x, y), pair(x, y), x + y / 8) for x, y in PAIRS])
        yield opened


def started(url: str, code: str = COMMAND) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, url], env=environment, stdout=subprocess.PIPE)


def wait_for(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < until, "it never came to pass"
        time.sleep(0.02)


def keys_made(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(rekeyed)).scalar_one())


def all_are_there_once(database: Database) -> None:
    found = rows(database, context_now(database))
    by_class: dict[bytes, list[float]] = {}
    for row, score in zip(found, scores(found), strict=True):
        by_class.setdefault(row.key, []).append(score)
        assert row.replicate == len(by_class[row.key]) - 1
    expected: dict[bytes, list[float]] = {}
    for x, y in PAIRS:
        expected.setdefault(key_now(x, y), []).append(x + y / 8)
    assert by_class == expected
    assert keys_made(database) == 0


def old_keys_answer(database: Database) -> bool:
    found = EquivalenceCache(database).replicates(1, [key_of(x, y) for x, y in PAIRS])
    return len(found) == len(PAIRS)


def test_it_goes_on_after_sigkill_with_the_keys_that_it_has(database: Database, tmp_path: Path) -> None:
    (tmp_path / "seconds").write_text("0.15")
    process = started(database.url)
    wait_for(process, lambda: keys_made(database) > 0)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    made = keys_made(database)
    assert 0 < made < len(PAIRS)
    assert old_keys_answer(database)
    assert rows(database, context_now(database)) == []
    (tmp_path / "seconds").unlink()
    again = started(database.url)
    assert again.wait(240) == 0
    all_are_there_once(database)
    assert old_keys_answer(database)


def test_a_kill_in_the_middle_of_the_change_leaves_it_as_it_was(database: Database) -> None:
    process = started(database.url, KILLED_WHILE_IT_CHANGES)
    assert process.wait(240) == -signal.SIGKILL
    assert keys_made(database) == len(PAIRS)
    assert rows(database, context_now(database)) == []
    assert {row.moved for row in rows(database, 1)} == {None}
    assert old_keys_answer(database)
    assert started(database.url).wait(240) == 0
    all_are_there_once(database)


def test_two_processes_at_once_change_everything_once(database: Database, tmp_path: Path) -> None:
    (tmp_path / "seconds").write_text("0.05")
    both = [started(database.url) for _ in range(2)]
    assert [process.wait(240) for process in both] == [0, 0]
    all_are_there_once(database)
    said = [process.stdout.read().decode() for process in both if process.stdout is not None]
    assert sum(f"{len(PAIRS)} evaluations" in one for one in said) == 1
