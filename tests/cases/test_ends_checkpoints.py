"""States that evaluations leave belong to the studies that use them: no end of another study takes them away."""

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import automl
from automl.behaviour import Configuration
from automl.evaluators import checkpoints
from automl.evaluators.base import Fidelity
from automl.evaluators.checkpoints import Checkpoint, used

STEPS = 9
STEPS_DONE = "AUTOML_TEST_STEPS"


class Line(automl.Space):
    x = automl.Integer(0, 40)

    def behaviour(self, candidate):
        return Configuration(candidate.x)


@dataclass(frozen=True)
class Stepping(automl.Evaluator):
    """Nine steps, each a line on disk; a cheaper fidelity leaves how many it has done."""

    name: ClassVar[str] = "stepping"
    metrics: ClassVar[dict[str, str]] = {"score": "maximize"}
    resumable: ClassVar[bool] = True

    def approximations(self):
        return [Fidelity(1 / 9, {"steps": 1}), Fidelity(1 / 3, {"steps": 3})]

    def evaluate(self, work, how):
        begun = int((how.checkpoint.read() if how.checkpoint else None) or b"0")
        until = how.fidelity.get("steps", STEPS)
        with open(os.environ[STEPS_DONE], "a") as file:
            file.writelines(f"{work.candidate} {how.part} {how.replicate} {step}\n" for step in range(begun, until))
        if how.checkpoint:
            how.checkpoint.write(str(until).encode())
        return {"score": work.behaviour.value + until / STEPS + how.seed % 100 / 1e4}


@pytest.fixture
def search(tmp_path, monkeypatch):
    monkeypatch.setenv(STEPS_DONE, str(tmp_path / "steps"))
    opened = []

    def run(name, **given):
        common = {
            "evaluator": Stepping(),
            "strategy": "successive_halving",
            "trials": 30,
            "window": 4,
            "workers": 0,
            "baseline": False,
            "finalists": 1,
            "confirm": 1,
            "test_seeds": 1,
            "study": name,
            "storage": f"sqlite:///{tmp_path / 'a.db'}",
            "checkpoints": str(tmp_path / "states"),
        }
        opened.append(automl.search(Line(), **{**common, **given}))
        return opened[-1]

    yield run
    for study in opened:
        study.close()


def states(tmp_path):
    """Returns the files with states; the marks of studies begin with a dot."""
    return [one for one in (tmp_path / "states").glob("*/*") if not one.name.startswith(".")]


def steps(tmp_path):
    lines = (tmp_path / "steps").read_text().splitlines()
    return Counter(line for line in lines if " validation " in line)


def stopping(number):
    def stop(study, trial):
        if trial.position == number:
            signal.raise_signal(signal.SIGINT)

    return [stop]


def killing(number):
    def kill(study, trial):
        if trial.position == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return [kill]


def in_a_child(work):
    """Runs `work` in a process of its own and returns how that ended."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def broken_off(search, how):
    """Leaves a study in the middle, with states that it will want."""
    if how == "stopped":
        with pytest.raises(automl.Stopped):
            search("first", callbacks=stopping(12))
    else:
        assert in_a_child(lambda: search("first", callbacks=killing(12))) == -signal.SIGKILL


@pytest.mark.parametrize("other", [{}, {"strategy": "random", "seed": 5}, {"storage": "other.db"}], ids=str)
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_study_that_is_broken_off_finds_its_states_whoever_ended_meanwhile(search, tmp_path, how, other):
    broken_off(search, how)
    mine = {one: one.read_bytes() for one in states(tmp_path)}
    assert mine
    if "storage" in other:
        other = {"storage": f"sqlite:///{tmp_path / other['storage']}"}
    search("second", **{"trials": 8, "seed": 3, **other})
    assert mine.keys() <= set(states(tmp_path))
    search("first")
    if not other.keys() - {"trials"}:  # one cache and the same fidelities: no step is done twice
        assert set(steps(tmp_path).values()) == {1}
    assert not (tmp_path / "states").exists()  # nobody has use for them any more


def test_the_time_of_a_search_was_over_and_a_larger_one_goes_on_from_its_states(tmp_path):
    folder = tmp_path / "states" / "group"
    with used(str(folder), "one") as use:
        Checkpoint(folder / "state").write(b"3")
        use.keep()
    with used(str(folder), "another"):
        pass
    assert (folder / "state").read_bytes() == b"3"
    with used(str(folder), "one"):
        pass
    assert not folder.parent.exists()


def test_two_at_a_time_in_any_order(tmp_path):
    folder = tmp_path / "group"
    first, second, third = (used(str(folder), name) for name in ("first", "second", "third"))
    first.__enter__()
    second.__enter__()
    Checkpoint(folder / "state").write(b"1")
    first.__exit__(None, None, None)
    third.__enter__()
    assert (folder / "state").exists()
    third.__exit__(None, None, None)
    assert (folder / "state").exists()
    second.__exit__(None, None, None)
    assert not folder.exists()


def test_a_study_that_nobody_goes_on_with_holds_its_states_for_a_month(tmp_path, monkeypatch):
    folder = tmp_path / "group"
    killed = in_a_child(lambda: used(str(folder), "killed").__enter__() and os.kill(os.getpid(), signal.SIGKILL))
    assert killed == -signal.SIGKILL
    Checkpoint(folder / "state").write(b"1")
    [mark] = folder.glob(".used-*")
    week, months = time.time() - 7 * 86400, time.time() - 1.1 * checkpoints.UNFINISHED_SECONDS
    for age, stays in ((week, True), (months, False)):
        os.utime(mark, (age, age))
        with used(str(folder), "another"):
            pass
        assert folder.exists() is stays


def test_one_that_lives_holds_them_however_long_it_takes(tmp_path):
    folder = tmp_path / "group"
    with used(str(folder), "slow"):
        Checkpoint(folder / "state").write(b"1")
        [mark] = folder.glob(".used-*")
        os.utime(mark, (0, 0))
        with used(str(folder), "quick"):
            pass
        assert (folder / "state").exists()
    assert not folder.exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"process": 3}', b'{"process": {"host": "h"}}', b"\xff"])
def test_a_mark_that_cannot_be_read_counts_by_its_age(tmp_path, damage):
    folder = tmp_path / "group"
    Checkpoint(folder / "state").write(b"1")
    mark = folder / ".used-0123456789abcdef"
    for age, stays in ((time.time(), True), (0.0, False)):
        Path(mark).write_bytes(damage)
        os.utime(mark, (age, age))
        with used(str(folder), "another"):
            pass
        assert folder.exists() is stays


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_evaluated(search, tmp_path):
    (tmp_path / "states").write_text("a file where the folder belongs")
    said = r"checkpoints cannot be written to .*states: File exists; name another"
    with pytest.raises(automl.InvalidInput, match=said):
        search("first")
