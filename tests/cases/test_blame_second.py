"""The second try: an error that a machine might have caused is the candidate's when another process fails alike."""

import os
from pathlib import Path

import pytest
from case_parts import rows

import automl
from automl import Integer, Space

MARKS = "AUTOML_TEST_MARKS"


class S(Space):
    x = Integer(0, 5)


def begun(c):
    """Notes that an evaluation was begun, and by which process; returns those before it, of this candidate."""
    path = Path(os.environ[MARKS]) / str(c.x)
    before = path.read_text().split() if path.exists() else []
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return before


def alike(c, seed):
    begun(c)
    if c.x == 0:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    return float(c.x)


def once(c, seed):
    if not begun(c) and c.x == 0:
        raise RuntimeError("something that never happens again")
    return float(c.x)


def otherwise(c, seed):
    tries = len(begun(c))
    if c.x == 0 and tries % 2:
        raise LookupError("now it is this")
    if c.x == 0:
        raise RuntimeError("first it was that")
    return float(c.x)


def leaves(c, seed):
    begun(c)
    if c.x == 0:
        raise SystemExit("too small")
    return float(c.x)


def ends(c, seed):
    begun(c)
    if c.x == 0:
        os._exit(7)
    return float(c.x)


def quits(c, seed):
    begun(c)
    if c.x == 0:
        quit()
    return float(c.x)


POOLS = [
    pytest.param({"workers": 0}, id="inline"),
    pytest.param({"simulated_workers": 2}, id="simulated"),
    pytest.param({"workers": 1}, id="one Ray worker"),
    pytest.param({"workers": 2}, id="two Ray workers"),
]


@pytest.fixture
def searched(tmp_path, monkeypatch, request):
    monkeypatch.setenv(MARKS, str(tmp_path))

    def search(function, pool):
        if "Ray" in request.node.name:
            request.getfixturevalue("ray_session")
        evaluator = automl.FunctionEvaluator(function, code_version=f"{function.__name__} {tmp_path}")
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
    ("evaluator", "words"),
    [(alike, "RuntimeError: mat1"), (leaves, "SystemExit: too small"), (ends, "os._exit(7)"), (quits, "SystemExit")],
)
def test_twice_alike_is_the_candidates_own(searched, pool, evaluator, words):
    zero, stored, processes = searched(evaluator, pool)
    assert zero.outcome == "failed"
    assert words in zero.error
    assert "\n" not in zero.error
    assert len(set(processes)) == len(processes) == 2  # once in each of two processes
    [(state, error, seconds)] = stored
    assert state == "failed"
    assert words in error.partition("\n")[0]
    assert "Traceback (most recent call last)" in error  # kept for whoever looks for the place
    assert evaluator.__name__ in error
    assert seconds == zero.paid_seconds > 0


@pytest.mark.parametrize("pool", POOLS)
def test_what_another_process_can_do_is_done(searched, pool):
    zero, stored, processes = searched(once, pool)
    assert zero.outcome == "miss"
    assert zero.fitness == 0.0
    assert stored == []
    assert len(set(processes[:2])) == 2


@pytest.mark.parametrize("pool", [POOLS[0], POOLS[3]])
def test_twice_otherwise_is_the_machines(searched, pool):
    zero, stored, processes = searched(otherwise, pool)
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
