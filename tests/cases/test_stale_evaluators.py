"""Evaluators of the user's own: classes without a version, with one, instances, partials, in whole searches."""

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stale_parts import from_file, from_text

import automl
from automl import Integer, InvalidInput, Space
from automl.errors import StudyMismatch
from automl.evaluators.fingerprints.describing import describe
from automl.storage import transfers

HEAD = "from dataclasses import dataclass\nfrom typing import Any\nimport numpy as np\nfrom automl import Evaluator\n"
BODY = """
GOALS = [4]
def helper(x): return x + GOALS[0]
class Base(Evaluator):
    def scale(self): return 1
@dataclass(frozen=True)
class Own(Base):
    name = "own"
    metrics = {"v": "maximize"}
    data: Any = None
    def evaluate(self, work, how):
        return {"v": helper(self.scale())}
f = Own(data=np.arange(3))
"""
CHANGES = {
    "its method": ('"v": helper', '"v": 2 * helper'),
    "its base": ("return 1", "return 2"),
    "a helper": ("x + GOALS", "x - GOALS"),
    "a container global": ("[4]", "[8]"),
    "its data": ("arange(3)", "arange(4)"),
    "data of another kind": ("np.arange(3)", "{'a': object}"),
    "a function as a field": ("np.arange(3)", "(lambda c: 1)"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("made", [lambda folder, text: from_file(folder, text).f, lambda _, text: from_text(text)["f"]])
def test_without_a_version_all_of_a_class_counts(tmp_path, made, old, new):
    def described(text):
        return describe(made(tmp_path, HEAD + text))

    assert described(BODY) == described(BODY.replace("GOALS[0]", "GOALS[0]  # the first"))
    assert described(BODY) != described(BODY.replace(old, new))


def test_a_version_answers_for_the_code_and_not_for_the_data(tmp_path):
    named = BODY.replace('name = "own"', 'name = "own"\n    version = "2"')
    for number, (what, (old, new)) in enumerate(CHANGES.items()):
        one, other = (describe(from_file(tmp_path, HEAD + text).f) for text in (named, named.replace(old, new)))
        assert (one == other) is (number < 4), what


def test_data_that_settings_leave_out_counts_all_the_same(tmp_path):
    for extra in ("", '    version = "1"\n'):
        text = BODY.replace("    def evaluate", f"{extra}    def settings(self): return {{'k': 1}}\n    def evaluate")
        one, other = (describe(from_file(tmp_path, HEAD + t).f) for t in (text, text.replace("(3)", "(4)")))
        assert one["settings"] == {"k": 1}
        assert one != other


def test_attributes_that_are_no_fields_count(tmp_path):
    text = """
class Own(Evaluator):
    name = "own"
    metrics = {"v": "maximize"}
    def __init__(self, rate): self.rate, self.table = rate, np.full(2, rate)
    def evaluate(self, work, how): return {"v": self.rate}
f = Own(1)
"""
    one, other = (describe(from_file(tmp_path, HEAD + t).f) for t in (text, text.replace("Own(1)", "Own(2)")))
    assert one["settings"] != other["settings"]


PROGRAM = Path(sys.executable).with_name("automl")


class Numbers(Space):
    x = Integer(0, 9)


def closeness(c, goal):
    return -abs(c.x - goal)


class Closeness:
    def __init__(self, goal):
        self.goal = goal

    def __call__(self, c):
        return -abs(c.x - self.goal)

    def of(self, c):
        return -abs(c.x - self.goal)


FACTORIES = {
    "partial": lambda goal: functools.partial(closeness, goal=goal),
    "partial of a partial": lambda goal: functools.partial(functools.partial(closeness), goal=goal),
    "callable object": Closeness,
    "bound method": lambda goal: Closeness(goal).of,
    "closure": lambda goal: lambda c: -abs(c.x - goal),
    "lambda over data": lambda goal: (lambda data: lambda c: -abs(c.x - data.mean()))(np.full(3, goal)),
}


@pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES)
def test_a_search_finds_its_own_optimum_and_is_served_its_own_results(tmp_path, make):
    def found(goal):
        study = automl.search(
            Numbers(), evaluator=make(goal), trials=30, workers=0, baseline=False, finalists=1, sample=2,
            storage=f"sqlite:///{tmp_path}/a.db",
        )  # fmt: skip
        best, outcomes = study.best.candidate.value["x"], {trial.outcome for trial in study.trials()}
        study.close()
        return best, outcomes

    assert found(2)[0] == 2
    assert found(7)[0] == 7
    assert found(2) == (2, {"hit"})


@pytest.mark.parametrize("builtin", [max, dict, np.concatenate])
def test_builtins_get_one_sentence(builtin):
    with pytest.raises(InvalidInput, match=r"must take \(candidate\)"):
        automl.search(Numbers(), evaluator=builtin, trials=3, workers=0)


def test_a_study_goes_on_only_under_the_same_evaluator_and_names_what_changed(tmp_path):
    text = "GOALS = [4]\ndef helper(c): return GOALS[0] - c.x\ndef f(c): return helper(c)"

    def go(text):
        automl.search(
            Numbers(), evaluator=from_file(tmp_path, text).f, trials=5, workers=0, baseline=False, sample=2,
            study="mine", storage=f"sqlite:///{tmp_path}/a.db",
        ).close()  # fmt: skip

    go(text)
    go(text.replace("return GOALS", "return  GOALS"))
    with pytest.raises(StudyMismatch, match=r"changed in the evaluator: GOALS\)"):
        go(text.replace("[4]", "[5]"))
    with pytest.raises(StudyMismatch, match=r"changed in the evaluator: helper\)"):
        go(text.replace("- c.x", "+ c.x"))


def test_what_an_evaluator_writes_while_it_runs_is_no_other_evaluator(tmp_path):
    calls, memory = [], {}

    def remembering(c):
        calls.append(c.x)
        return memory.setdefault(c.x, c.x)

    study = automl.search(
        Numbers(),
        evaluator=remembering,
        trials=30,
        workers=0,
        confirm=1,
        sample=2,
        storage=f"sqlite:///{tmp_path}/a.db",
    )
    described = {row.description for row in transfers.contexts(study.database)}
    study.close()
    assert len(described) == 2  # validation and test
    assert len(calls) <= 20  # once each part at most


@pytest.mark.parametrize(
    "text",
    [
        "EVAL = automl.Classification(task='digits', epochs=1)",
        "import functools\ndef g(c, k): return k\nEVAL = functools.partial(g, k=1)",
    ],
)
def test_an_object_of_a_file_is_an_evaluator_on_the_command_line(tmp_path, text):
    (tmp_path / "ev.py").write_text(
        "import automl\nfrom torch import nn\nclass S(automl.Space):\n    width = automl.Choice(8, 16)\n"
        "    def build(self, c): return nn.Sequential(nn.Flatten(), nn.Linear(64, c.width), nn.Linear(c.width, 10))\n"
        + text
    )
    words = "search ev.py:S --evaluator ev.py:EVAL --trials 2 --workers 0 --no-baseline --storage sqlite:///e.db"
    run = subprocess.run(
        [PROGRAM, *words.split(), "--study", "s"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    again = subprocess.run(
        [PROGRAM, "resume", "s", "--trials", "3", "--workers", "0", "--storage", "sqlite:///e.db"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert Path(tmp_path / "e.db").exists()
