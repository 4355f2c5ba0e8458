"""The table of what is known: a row a function, a column a context."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import automl
from automl.cache.top import top
from automl.storage.engine import Database

PROGRAM = Path(sys.executable).with_name("automl")


class Line(automl.Space):
    x = automl.Integer(0, 9)


class Other(automl.Space):
    x = automl.Integer(100, 109)


@dataclass(frozen=True)
class Distance(automl.Evaluator):
    name = "distance"
    metrics: ClassVar[dict[str, str]] = {"away": "minimize"}
    goal: int = 4

    def evaluate(self, work, how):
        return {"away": float(abs(work.behaviour.value["x"] - self.goal))}


@dataclass(frozen=True)
class Encoding(Distance):
    """Rates encodings: equal functions may differ."""

    name = "encoding"
    equality = "candidate"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Functions 0 to 9 by distance to 4, 0 to 4 by distance to 0, all as encodings; and those of another space."""
    url = f"sqlite:///{tmp_path_factory.mktemp('top')}/a.db"
    quick = {"strategy": "random", "workers": 0, "baseline": False, "finalists": 1, "sample": 2, "confirm": 1}
    quick |= {"test_seeds": 1, "progress": False, "storage": url, "trials": 1}

    def search(space, evaluator, values):
        enqueue = [{"x": x} for x in values]
        automl.search(space, evaluator=evaluator, enqueue=enqueue, **{**quick, "trials": len(enqueue)}).close()

    search(Line(), Distance(), range(10))
    search(Line(), Distance(goal=0), range(5))
    search(Line(), Encoding(), range(10))
    search(Other(), Distance(), range(100, 103))
    return url


def found_in(url, **given):
    database = Database(url, create=False)
    try:
        return top(database, **given)
    finally:
        database.close()


def test_a_function_has_one_row_with_what_it_reached_in_each_context(url):
    found = found_in(url, n=100)
    assert [(one.title, one.classes) for one in found.columns] == [
        ("distance, goal=4", 13),
        ("distance, goal=0", 5),
        ("encoding", 10),
    ]
    assert found.functions == 13
    rows = {json.loads(one.candidate)["x"]: one.values for one in found.rows}
    assert rows == {
        **{x: (abs(x - 4.0), float(x) if x < 5 else None, abs(x - 4.0)) for x in range(10)},
        **{x: (x - 4.0, None, None) for x in range(100, 103)},
    }
    assert found.columns[0].objective.minimize


def test_the_order_is_by_where_a_function_stands_in_the_mean(url):
    rows = found_in(url, n=100).rows
    assert [one.standing for one in rows] == sorted(one.standing for one in rows)
    assert json.loads(rows[-1].candidate)["x"] == 102
    best = json.loads(rows[0].candidate)["x"]
    assert best in (3, 4, 5)
    assert len(found_in(url, n=3).rows) == 3


def test_a_space_can_be_named(url):
    mine = found_in(url, n=100, space="object Other")
    every = {json.loads(one.candidate)["x"] for one in mine.rows}
    assert every == {100, 101, 102}
    assert [one.classes for one in mine.columns] == [3]
    assert found_in(url, space="nasbench201").rows == []
    assert found_in(url, namespace="elsewhere").rows == []


def test_the_command_prints_a_table_csv_and_json(url):
    def run(*options):
        done = subprocess.run([PROGRAM, "cache", "top", "--storage", url, *options], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    lines = list(csv.DictReader(io.StringIO(run("--csv", "-n", "100"))))
    assert len(lines) == 13
    four = next(line for line in lines if json.loads(line["candidate"])["x"] == 4)
    assert [value for name, value in four.items() if name.startswith("context")] == ["0.0", "4.0", "0.0"]
    assert json.loads(run("--json", "-n", "2"))["functions"] == 13
    assert "2 of 13 functions; -n N shows more" in run("-n", "2")
