"""Candidates that time, memory or the machine kept from being probed get no final key, and are tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rekey_parts import OLD, context_now, described, fill, key_of, rekeyed, rows, space_file, stored

from automl.hashing import Hasher
from automl.isolation.machine import may_pass
from automl.jsontext import canonical
from automl.setup.targets import resolve
from automl.storage.candidates import digest
from automl.storage.engine import Database
from automl.storage.records import TrialRecord
from automl.storage.studies import StudyStore

SPACE = '''
import os, pathlib, signal, time
import automl
from automl.behaviour import Function


def fail():
    trouble = pathlib.Path(__file__).with_name("trouble")
    if trouble.exists():
        exec(trouble.read_text())


class Line(automl.Space):
    """Functions; what stands in a file beside this one happens where the first of them runs."""

    x = automl.Integer(0, 9)

    def behaviour(self, candidate):
        def call(values):
            if candidate.x == 0:
                fail()
            return (candidate.x // 2 + 1) * values

        return Function(call)
'''

TROUBLES = {
    "hashing took longer than 3 s": "time.sleep(600)",
    "hashing it ended the process": "os.kill(os.getpid(), signal.SIGKILL)",
    "MemoryError": "raise MemoryError('no room')",
    "DefaultCPUAllocator": "raise RuntimeError('DefaultCPUAllocator: not enough memory: you tried to allocate 8 TB')",
    "PermissionError": "raise PermissionError(13, 'Permission denied')",
}
"""How the sentence begins, and what happens."""


@pytest.fixture
def target(tmp_path: Path) -> str:
    """Another space than in the other tests of new keys: one with code of its own."""
    space_file(tmp_path, SPACE)
    return f"{tmp_path}/pair.py:Line"


def line(x: int) -> str:
    return canonical({"x": x})


def new_keys(database: Database) -> dict[bytes, bytes]:
    return {row.candidate: row.key for row in rows(database, context_now(database))}


@pytest.mark.parametrize("said", TROUBLES)
def test_it_is_kept_counted_and_named_and_the_next_call_tries_again(
    said: str, database: Database, target: str, tmp_path: Path
) -> None:
    fill(database, stored(target), [(key_of(n), line(n), n / 8) for n in range(4)])
    trouble = tmp_path / "trouble"
    trouble.write_text(TROUBLES[said])
    found = rekeyed(database, hash_timeout=3)
    [kept] = found.kept
    assert (kept.evaluations, found.evaluations, found.by_json) == (1, 3, {})
    assert f"1 of their candidates have no new key, the first for this reason: {said}"[:60] in kept.why
    assert said in kept.why
    assert "the next call tries again" in found.sentences()[1]
    assert set(new_keys(database)) == {digest(line(n)) for n in (1, 2, 3)}
    trouble.unlink()
    found = rekeyed(database)
    assert (found.kept, found.evaluations) == ([], 1)
    keys = new_keys(database)
    assert keys[digest(line(0))] == keys[digest(line(1))] != keys[digest(line(2))]


def by_json(target: str, x: int, source: str = "") -> bytes:
    space, _ = resolve(target)
    kind = space.behaviour(space.decode({"x": x})).kind
    return Hasher(space_source=source).by_json(kind, line(x), {}, "").key


@pytest.mark.parametrize("with_source", [False, True])
def test_one_that_was_keyed_by_its_json_before_is_keyed_so_again_and_a_study_goes_on(
    with_source: bool, database: Database, target: str, tmp_path: Path
) -> None:
    """It never returns: a search of today would do the same, and no call ever could do better."""
    source = resolve(target)[1].code.digest
    before = by_json(target, 0, source if with_source else "")
    (tmp_path / "trouble").write_text(TROUBLES["MemoryError"])
    store = StudyStore(database)
    settings = {"space": resolve(target)[1].identity(), "hasher": described(OLD)["hasher"]}
    record = store.create("old", "search", settings)
    context = fill(database, stored(target), [(before, line(0), 0.5), (key_of(1), line(1), 0.25)], study=record.id)
    trials = [(before, 0), (key_of(1), 1)]
    store.append_trials(record.id, [trial(n, key, context, x) for n, (key, x) in enumerate(trials)])
    found = rekeyed(database)
    assert found.kept == []
    assert list(found.by_json.values()) == [1]
    assert "candidates keyed by their JSON: 1, because the function cannot be run" in found.sentences()[-1]
    assert new_keys(database)[digest(line(0))] == by_json(target, 0, source)
    assert [one.why for one in found.studies] == [""]


def test_a_study_with_one_that_was_probed_before_waits_for_it(database: Database, target: str, tmp_path: Path) -> None:
    (tmp_path / "trouble").write_text(TROUBLES["MemoryError"])
    store = StudyStore(database)
    settings = {"space": resolve(target)[1].identity(), "hasher": described(OLD)["hasher"]}
    record = store.create("old", "search", settings)
    context = fill(database, stored(target), [(key_of(0), line(0), 0.5)], study=record.id)
    store.append_trials(record.id, [trial(0, key_of(0), context, 0)])
    [done] = rekeyed(database).studies
    assert "one of its candidates has no new key: the function cannot be run" in done.why
    (tmp_path / "trouble").unlink()
    assert [one.why for one in rekeyed(database).studies] == [""]


def trial(number: int, key: bytes, context: int, x: int) -> TrialRecord:
    more: Any = {"position": number}
    return TrialRecord(number, line(x), key, context, "miss", 0.5, {"score": 0.5}, 1, **more)


def test_what_a_candidate_does_of_its_own_does_not_pass() -> None:
    assert not may_pass(
        "the module cannot be run on the probe: RuntimeError: mat1 and mat2 shapes cannot be multiplied"
    )
    assert not may_pass("operation 'swish' is not known to the hash")
