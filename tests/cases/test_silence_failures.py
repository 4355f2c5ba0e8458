"""A search without one success says so: by its exit code, its last line, a warning from Python, and its report."""

import json
import re
import warnings

import pytest
from evidence_parts import command, database

import automl
from automl.behaviour import Configuration

TASK = """
import sys
from automl import Integer, Space
from automl.behaviour import Configuration

class S(Space):
    x = Integer(0, 60)
    def behaviour(self, c):
        return Configuration(c.x)

def raises(c): raise ValueError("no data")
def nan(c): return float("nan")
def unclear(c): raise RuntimeError("shapes")
def leaves(c): sys.exit("not for me")
def half(c):
    if c.x % 2: raise ValueError("odd")
    return float(c.x)
"""
QUICK = ["--workers", "0", "--trials", "12", "--finalists", "1", "--confirm", "1", "--sample", "2", "--no-dashboard"]

WORDS = {"nan": "metric 'fitness' is nan", "unclear": "RuntimeError: shapes", "leaves": "SystemExit: not for me"}


@pytest.mark.parametrize("way", WORDS)
def test_the_exit_code_is_1_and_the_last_line_says_why(tmp_path, way):
    (tmp_path / "task.py").write_text(TASK)
    ended = command("search", "task.py:S", "--evaluator", f"task.py:{way}", "--study", "s", *QUICK, cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    last = ended.stderr.decode().splitlines()[-1]
    assert last.startswith("automl: none of the 12 trials succeeded; all of them with: ")
    assert WORDS[way] in last
    assert WORDS[way] in " ".join(ended.stdout.decode().split())


def test_so_does_a_study_that_is_gone_on_with_and_one_with_a_success_does_not(tmp_path):
    (tmp_path / "task.py").write_text(TASK)
    start = ["search", "task.py:S", "--evaluator"]
    for code, arguments in (
        (1, [*start, "task.py:raises", "--study", "s", *QUICK, "--json"]),
        (1, ["resume", "s", "--workers", "0", "--trials", "14"]),
        (0, [*start, "task.py:half", "--study", "h", *QUICK]),
    ):
        ended = command(*arguments, cwd=tmp_path)
        assert ended.returncode == code, ended.stderr
        if "--json" in arguments:
            assert json.loads(ended.stdout)["best"] is None


class Line(automl.Space):
    x = automl.Integer(0, 400)

    def behaviour(self, c):
        return Configuration(c.x)


def text(c):
    return {"fitness": "bad"}


def search(tmp_path, rate, **given):
    quick = {"baseline": False, "finalists": 1, "confirm": 1, "sample": 2}
    common = {"workers": 0, "trials": 8, "strategy": "regularized_evolution", **quick}
    evaluator = automl.FunctionEvaluator(rate, code_version="1")
    return automl.search(Line(), evaluator=evaluator, storage=database(tmp_path), **{**common, **given})


def raises(c):
    raise ValueError(f"no data for {c.x}")


def odd(c):
    if c.x % 2:
        raise ValueError("odd")
    return float(c.x)


@pytest.mark.parametrize("given", [{}, {"repeats": 2}, {"asynchronous": True}, {"simulated_workers": 2}])
@pytest.mark.parametrize(("rate", "words"), [(raises, "ValueError: no data for"), (text, "'bad', which is no number")])
def test_python_is_warned(tmp_path, given, rate, words):
    given = {"workers": None, **given} if "simulated_workers" in given else given
    with pytest.warns(UserWarning, match=rf"none of the \d+ trials succeeded; .*{words}"):
        study = search(tmp_path, rate, **given)
    with pytest.raises(automl.InvalidInput, match="no successful"):
        _ = study.best
    study.close()


def test_python_is_not_warned_of_a_study_with_a_success(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = search(tmp_path, odd)
    assert study.best.fitness >= 0
    study.close()


@pytest.mark.parametrize("most", [3, 20])
def test_equal_failures_from_the_first_on_end_the_search_early(tmp_path, most):
    calls = []

    def counted(c):
        calls.append(c.x)
        raise ValueError(f"mat1 and mat2 (2x{c.x})")

    with pytest.raises(automl.AutoMLError, match=rf"the first {most} candidates .* all failed alike"):
        search(tmp_path, counted, trials=200, window=4, equal_failures=most)
    assert most <= len(calls) <= most + 4


def test_the_report_names_the_command_that_forgets_failures(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search(tmp_path, raises).close()
        study = search(tmp_path, raises)  # served, every one of them
    assert {trial.paid_seconds for trial in study.trials()} == {0.0}
    assert re.search(r"automl\s+cache\s+prune\s+--failed", str(study.report()))
    study.close()
