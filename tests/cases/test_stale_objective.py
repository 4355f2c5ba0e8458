"""An objective that is missing in what an evaluator returns is the user's setting, and no candidate's failure."""

import subprocess
import sys
from pathlib import Path

import pytest

import automl
from automl import InvalidInput, Real, Space
from automl.study import Study

PROGRAM = Path(sys.executable).with_name("automl")


class Numbers(Space):
    a = Real(0, 1)


def train(c):
    return {"accuracy": c.a, "loss": 1 - c.a}


def sometimes(c):
    return {"accuracy": c.a, **({"f1": c.a} if c.a < 0.5 else {})}


@pytest.mark.parametrize("objective", [None, "acuracy", "f1"])
def test_a_search_is_refused_in_its_first_block_and_what_it_paid_for_is_served(tmp_path, objective):
    words = {"evaluator": train, "trials": 40, "workers": 0, "baseline": False, "storage": f"sqlite:///{tmp_path}/a.db"}
    with pytest.raises(InvalidInput, match=r"returned the metric '.*', only accuracy, loss; name one of these"):
        automl.search(Numbers(), objective=objective, study="wrong", **words)
    wrong = Study.open("wrong", f"sqlite:///{tmp_path}/a.db")
    paid = list(wrong.trials())
    wrong.close()
    assert 1 <= len(paid) <= 16
    assert all("returned no metric" in trial.error for trial in paid)
    right = automl.search(Numbers(), objective="accuracy", **words)
    outcomes = [trial.outcome for trial in right.trials()]
    right.close()
    assert "failed" not in outcomes
    assert outcomes[: len(paid)] == ["hit"] * len(paid)


def test_results_that_are_served_are_looked_at_too(tmp_path):
    words = {"evaluator": train, "trials": 8, "workers": 0, "baseline": False, "storage": f"sqlite:///{tmp_path}/a.db"}
    automl.search(Numbers(), objective="loss", direction="minimize", **words).close()
    with pytest.raises(InvalidInput, match="only accuracy, loss"):
        automl.search(Numbers(), objective="f1", **words)


def test_a_candidate_that_does_not_return_it_fails_where_others_do(tmp_path):
    study = automl.search(
        Numbers(), evaluator=sometimes, objective="f1", trials=40, window=16, workers=0, baseline=False,
        strategy="random", storage=f"sqlite:///{tmp_path}/a.db",
    )  # fmt: skip
    failed = [trial for trial in study.trials() if trial.outcome == "failed"]
    study.close()
    assert 0 < len(failed) < 40
    assert {trial.error for trial in failed} == {"the evaluator returned no metric 'f1', only ['accuracy']"}
    other = automl.search(
        Numbers(), evaluator=sometimes, objective="accuracy", trials=40, window=16, workers=0, baseline=False,
        strategy="random", storage=f"sqlite:///{tmp_path}/a.db",
    )  # fmt: skip
    assert {trial.outcome for trial in other.trials()} == {"hit"}
    other.close()


@pytest.mark.parametrize("returned", ["{}", "{'fitness': float('nan')}", "None"])
def test_a_candidate_without_any_figure_fails_by_itself(tmp_path, returned):
    function = eval(f"lambda c: {returned} if c.a < 0.5 else c.a")
    study = automl.search(
        Numbers(), evaluator=automl.FunctionEvaluator(function, code_version="1"), trials=20, workers=0, baseline=False,
        strategy="random", storage=f"sqlite:///{tmp_path}/a.db",
    )  # fmt: skip
    assert {trial.outcome for trial in study.trials()} == {"miss", "failed"}
    study.close()


def test_the_command_line_ends_with_code_2(tmp_path):
    (tmp_path / "s.py").write_text(
        "from automl import Real, Space\nclass S(Space):\n    a = Real(0, 1)\n"
        "def train(c): return {'accuracy': c.a, 'loss': 1 - c.a}\n"
    )
    words = "search s.py:S --evaluator s.py:train --trials 9 --workers 0 --no-baseline --storage sqlite:///a.db"
    run = subprocess.run([PROGRAM, *words.split()], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 2
    assert "name one of these as the objective (--objective accuracy)" in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr
