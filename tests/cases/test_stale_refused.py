"""What has no content is refused with its name, and a version is the way out."""
# ruff: noqa: SIM115

import dataclasses
import socket
import sqlite3
import threading
import types
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

import automl
from automl import FunctionEvaluator, Integer, InvalidInput, Space
from automl.evaluators.base import Evaluator
from automl.evaluators.fingerprints.describing import describe


class Numbers(Space):
    x = Integer(0, 9)


def holding(thing):
    return lambda c: c.x if thing else 0


def nested(thing):
    return lambda c: {"a": [thing]}["a"]


def by_default(thing):
    def function(c, data=(thing,)):
        return data

    return function


def deep():
    found = []
    for _ in range(100_000):
        found = [found]
    return found


WITHOUT = {
    "an open file": lambda: open(__file__),
    "a generator": lambda: (number for number in range(3)),
    "a live socket": socket.socket,
    "a live Connection": lambda: sqlite3.connect(":memory:"),
    "a thread": threading.Thread,
    "data of one thread": threading.local,
    "an open file, inside an iterator": lambda: map(str, open(__file__)),
    "a live module": lambda: types.ModuleType("somewhere"),
    "a numpy function made of a Python function": lambda: np.frompyfunc(lambda x: x, 1, 1),
    "something nested too deeply": deep,
}


@pytest.mark.parametrize("what", WITHOUT)
@pytest.mark.parametrize("around", [holding, nested, by_default])
def test_what_has_no_content_is_refused_in_one_sentence(what, around):
    thing = WITHOUT[what]()
    with pytest.raises(InvalidInput) as refused:
        FunctionEvaluator(around(thing)).settings()
    said = str(refused.value)
    assert what.partition(", inside")[0] in said
    assert "code_version='1'" in said
    assert "\n" not in said
    assert len(said) < 400
    assert FunctionEvaluator(around(thing), code_version="1").settings()["code"] == "1"


def test_a_search_is_refused_before_anything_is_written(tmp_path):
    file = tmp_path / "a.db"
    with open(__file__) as handle, pytest.raises(InvalidInput, match="thing, an open file"):
        automl.search(Numbers(), evaluator=holding(handle), trials=3, workers=0, storage=f"sqlite:///{file}")
    assert not file.exists()


@dataclasses.dataclass(frozen=True)
class Holding(Evaluator):
    name: ClassVar[str] = "holding"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}
    data: Any = None

    def evaluate(self, work, how):
        return {"v": 1.0}


class Named(Holding):
    version = "3"


def test_a_field_without_content_is_refused_and_named():
    with open(__file__) as handle:
        for evaluator in (Holding(handle), Named(handle), Holding({"a": [handle]})):
            with pytest.raises(InvalidInput, match=r"setting data holds.*an open file"):
                describe(evaluator)


def test_two_functions_of_one_factory_differ_under_one_code_version():
    from functools import partial

    class Trainer:
        def __init__(self, rate):
            self.rate = rate

        def run(self, c):
            return self.rate

    def rate(c, goal):
        return goal

    def settings(function):
        return FunctionEvaluator(function, code_version="1").settings()

    for make in (holding, lambda k: Trainer(k).run, lambda k: partial(rate, goal=k), by_default):
        assert settings(make(2)) == settings(make(2))
        assert settings(make(2)) != settings(make(7))
    assert settings(rate) == {"function": rate.__qualname__, "code": "1"}


def test_locks_and_loggers_are_left_out():
    import logging

    found = {
        FunctionEvaluator(holding(thing)).settings()["code"]
        for thing in (threading.Lock(), threading.RLock(), logging.getLogger("a"), logging.getLogger("b"))
    }
    assert len(found) == 1
