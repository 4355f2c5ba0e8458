"""The second try: an error that a machine might have caused is the candidate's when another process fails alike."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from case_parts import rows

import automl
from automl import Evaluator, Integer, Space


class S(Space):
    x = Integer(0, 5)


@dataclass(frozen=True)
class Trying(Evaluator):
    """Notes every evaluation that is begun, with the process that runs it; candidate 0 fails in one of several ways."""

    name: ClassVar[str] = "trying"
    metrics: ClassVar[Mapping[str, str]] = {"fitness": "maximize"}
    folder: str
    way: str

    def evaluate(self, work, how):
        x = work.behaviour.value["x"]
        path = Path(self.folder) / str(x)
        before = path.read_text().split() if path.exists() else []
        with path.open("a") as file:
            file.write(f"{os.getpid()}\n")
        if x == 0:
            WAYS[self.way](before)
        return {"fitness": float(x)}


def alike(before):
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def once(before):
    if not before:
        raise RuntimeError("something that never happens again")


def otherwise(before):
    if len(before) % 2:
        raise LookupError("now it is this")
    raise RuntimeError("first it was that")


def leaves(before):
    raise SystemExit("too small")


def ends(before):
    os._exit(7)


def quits(before):
    quit()


WAYS = {one.__name__: one for one in (alike, once, otherwise, leaves, ends, quits)}

POOLS = [
    pytest.param({"workers": 0}, id="inline"),
    pytest.param({"simulated_workers": 2}, id="simulated"),
    pytest.param({"workers": 1}, id="one Ray worker"),
    pytest.param({"workers": 2}, id="two Ray workers"),
]


@pytest.fixture
def searched(tmp_path, request):
    def search(way, pool):
        if "Ray" in request.node.name:
            request.getfixturevalue("ray_session")
        evaluator = Trying(str(tmp_path), way)
        study = automl.search(
            S(), evaluator=evaluator, trials=8,
            enqueue=[{"x": 0}, {"x": 1}], baseline=False, finalists=1, sample=2, confirm=1, test_seeds=1, window=2,
            storage=f"sqlite:///{tmp_path}/a.db", **pool,
        )  # fmt: skip
        zero = next(trial for trial in study.trials() if trial.candidate == '{"x":0}')
        others = [trial for trial in study.trials() if trial.candidate != '{"x":0}']
        assert all(trial.outcome != "failed" for trial in others)
        study.close()
        state = rows(
            tmp_path / "a.db", "select state, error, seconds from evaluation where error <> '' or state <> 'done'"
        )
        processes = (tmp_path / "0").read_text().split()
        return zero, state, processes

    return search


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("alike", "RuntimeError: mat1"),
        ("leaves", "SystemExit: too small"),
        ("ends", "os._exit(7)"),
        ("quits", "SystemExit"),
    ],
)
def test_twice_alike_is_the_candidates_own(searched, pool, way, words):
    zero, stored, processes = searched(way, pool)
    assert zero.outcome == "failed"
    assert words in zero.error
    assert "\n" not in zero.error
    assert len(set(processes)) == len(processes) == 2  # once in each of two processes
    [(state, error, seconds)] = stored
    assert state == "failed"
    assert words in error.partition("\n")[0]
    assert "Traceback (most recent call last)" in error  # kept for whoever looks for the place
    assert f"in {way}" in error
    assert seconds == zero.paid_seconds > 0


@pytest.mark.parametrize("pool", POOLS)
def test_what_another_process_can_do_is_done(searched, pool):
    zero, stored, processes = searched("once", pool)
    assert zero.outcome == "miss"
    assert zero.fitness == 0.0
    assert stored == []
    assert len(set(processes[:2])) == 2


@pytest.mark.parametrize("pool", [POOLS[0], POOLS[3]])
def test_twice_otherwise_is_the_machines(searched, pool):
    zero, stored, processes = searched("otherwise", pool)
    assert zero.outcome == "failed"
    assert "first it was that" in zero.error
    assert "in a second process: LookupError: now it is this" in zero.error
    assert [state for state, _, _ in stored] == ["lost"]
    assert len(processes) == 2 * 3  # it is tried again twice, each time in two processes


def test_what_cannot_be_sent_to_another_process_stays_unclear_and_is_tried_once(tmp_path, monkeypatch):
    import threading

    lock, calls = threading.Lock(), []

    def held(c):
        with lock:
            calls.append(c.x)
        raise RuntimeError("nobody knows")

    study = automl.search(
        S(), evaluator=automl.FunctionEvaluator(held, code_version="1"), trials=4, workers=0, baseline=False,
        enqueue=[{"x": 3}], storage=f"sqlite:///{tmp_path}/a.db",
    )  # fmt: skip
    first = next(study.trials())
    assert "no second process could try" in first.error
    assert calls.count(3) == 1
    study.close()
    assert rows(tmp_path / "a.db", "select count(*) from evaluation where state = 'failed'") == [(0,)]
