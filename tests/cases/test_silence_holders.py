"""Who waits for the evaluation of another process is told whose it is, and since when that gave no sign of life."""

import json
import os
import warnings

import pytest

import automl
from automl.behaviour import Configuration
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Completion
from automl.cache.store import EquivalenceCache
from automl.engine import in_flight, troubles
from automl.storage.engine import Database
from automl.storage.sessions import Session


class Line(automl.Space):
    x = automl.Integer(0, 40)

    def behaviour(self, c):
        return Configuration(c.x)


def value(c, seed):
    return float(c.x)


class Colleague(automl.observers.Observer):
    """Claims what the search is about to evaluate, and evaluates it once the search has said that it waits."""

    def __init__(self, url, description, key):
        self.database = Database(url)
        self.cache = EquivalenceCache(self.database, namespace="cold", session=Session(self.database))
        self.context = self.cache.context(description)
        [answer] = self.cache.resolve_many(self.context, None, [(0, key, '{"x":0}', ReplicatePlan(0, 1, 0, False))])
        self.claims, self.said = answer.claims, []

    def note(self, text):
        if "is waited for" in text:
            self.said.append(text)
            done = [(claim, Completion(metrics={"fitness": -1.0})) for claim in self.claims]
            self.cache.finish_many(self.context, done)
            self.claims = ()

    def close(self):
        self.cache.session.close()
        self.database.close()


@pytest.mark.parametrize("trials", [1, 6])
def test_the_holder_is_named(any_url, monkeypatch, trials):
    monkeypatch.setattr(troubles, "HOLDER_SECONDS", 0.05)
    monkeypatch.setattr(in_flight, "POLL_SECONDS", 0.02)
    given = {"evaluator": automl.FunctionEvaluator(value, code_version="1"), "storage": any_url, "workers": 0}
    quick = {"baseline": False, "finalists": 1, "confirm": 1, "test_seeds": 1, "sample": 2, "seed": 3}
    first = automl.search(Line(), **given, **quick, trials=trials)
    trial = next(iter(first.trials()))
    with first.store.database.read() as connection:
        [description] = connection.exec_driver_sql(
            f"SELECT description FROM context WHERE id = {trial.context}"
        ).scalars()
    first.close()
    colleague = Colleague(any_url, json.loads(description), trial.key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        second = automl.search(Line(), **given, **quick, trials=trials, namespace="cold", observers=[colleague])
    [said] = colleague.said
    assert said.startswith(f"Warning: an evaluation that process {os.getpid()} on ")
    assert "has claimed is waited for; its last sign of life is " in said
    assert next(one for one in second.trials() if one.key == trial.key).fitness == -1.0
    second.close()
