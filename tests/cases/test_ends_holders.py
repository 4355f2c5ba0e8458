"""Who is suspended with a claim in its hands is named, loses the claim after a bound, and wakes up without harm."""

import contextlib
import json
import signal
import subprocess
import sys
import warnings

import pytest

import automl
from automl.behaviour import Configuration
from automl.cache import alone
from automl.cache.store import EquivalenceCache
from automl.engine import in_flight, troubles
from automl.engine.run_config import RunConfig
from automl.errors import InvalidInput
from automl.storage import engine
from automl.storage.engine import Database

HOLDER = """
import json, sys
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Completion
from automl.cache.store import EquivalenceCache
url, namespace, context, key, candidate = sys.argv[1:]
cache = EquivalenceCache(url, namespace)
number = cache.context(json.loads(context))
asked = (0, bytes.fromhex(key), candidate, ReplicatePlan(0, 1, 0, False))
claims = cache.resolve_many(number, None, [asked])[0].claims
print(len(claims), flush=True)
sys.stdin.readline()
cache.finish_many(number, [(claim, Completion(metrics={"fitness": -1.0, "value": -1.0})) for claim in claims])
print([one.metrics["value"] for one in cache.replicates(number, [asked[1]])[asked[1]]], flush=True)
"""
"""Claims one evaluation, waits for a line, and ends it with another figure than everybody else's."""

KEY = bytes(range(16))


@contextlib.contextmanager
def suspended(url, namespace, context, key, candidate="{}"):
    """A process that has claimed an evaluation and was then stopped, as by Ctrl-Z."""
    command = [sys.executable, "-c", HOLDER, url, namespace, json.dumps(context), key.hex(), candidate]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        process.kill()
        process.wait()


def wakes_up(process):
    """Lets it end what it had claimed; returns what it then finds stored."""
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate("\n", timeout=240)
    assert process.returncode == 0
    return said.strip()


def test_a_function_in_front_of_the_cache_is_called_by_who_waited(any_url, monkeypatch):
    monkeypatch.setattr(alone, "HOLDER_SECONDS", 0.3)
    with suspended(any_url, "default", {"of": "mine"}, KEY) as process:
        cache = EquivalenceCache(any_url, claim_timeout=1.0)
        with pytest.warns(UserWarning, match=rf"process {process.pid} on .* loses its claims: --claim-timeout"):
            assert cache.get_or_evaluate(KEY, lambda: 2.0, context={"of": "mine"}) == 2.0
        assert wakes_up(process) == "[2.0]"  # the late figure is logged and dropped
        assert cache.get_or_evaluate(KEY, lambda: 3.0, context={"of": "mine"}) == 2.0
        cache.close()


def test_one_that_wakes_up_in_time_is_waited_for(any_url, monkeypatch):
    """Its answer is what everybody gets."""
    woken = []
    monkeypatch.setattr(alone, "HOLDER_SECONDS", 0.3)
    with suspended(any_url, "default", {"of": "mine"}, KEY) as process:
        cache = EquivalenceCache(any_url)
        monkeypatch.setattr(alone.warnings, "warn", lambda *_, **__: woken.append(wakes_up(process)))
        assert cache.get_or_evaluate(KEY, lambda: 2.0, context={"of": "mine"}) == {"fitness": -1.0, "value": -1.0}
        assert woken == ["[-1.0]"]
        cache.close()


class Line(automl.Space):
    x = automl.Integer(0, 40)

    def behaviour(self, c):
        return Configuration(c.x)


def value(c, seed):
    return {"fitness": float(c.x), "value": float(c.x)}


class Listening(automl.observers.Observer):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def test_a_search_names_it_and_evaluates_in_its_place(any_url, monkeypatch):
    monkeypatch.setattr(troubles, "HOLDER_SECONDS", 0.3)
    monkeypatch.setattr(in_flight, "POLL_SECONDS", 0.02)
    evaluator = automl.FunctionEvaluator(value, code_version="1")
    given = {"evaluator": evaluator, "objective": "fitness", "direction": "maximize", "storage": any_url, "workers": 0}
    quick = {"baseline": False, "finalists": 1, "confirm": 1, "test_seeds": 1, "sample": 2, "seed": 3, "trials": 6}
    first = automl.search(Line(), **given, **quick)
    trials = list(first.trials())
    with first.store.database.read() as connection:
        query = f"SELECT description FROM context WHERE id = {trials[0].context}"
        [description] = connection.exec_driver_sql(query).scalars()
    first.close()
    monkeypatch.setattr(engine, "CLAIM_SECONDS", 1.0)
    listening = Listening()
    held = trials[2]
    with suspended(any_url, "cold", json.loads(description), held.key, held.candidate) as process:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            second = automl.search(Line(), **given, **quick, namespace="cold", observers=[listening])
        found = list(second.trials())
        assert [one.fitness for one in found] == [one.fitness for one in trials]
        [said] = [text for text in listening.said if "is waited for" in text]
        assert f"process {process.pid} on " in said
        assert wakes_up(process) == f"[{float(json.loads(held.candidate)['x'])}]"
        second.close()


def test_the_bound_is_a_setting(tmp_path):
    assert Database(f"sqlite:///{tmp_path}/a.db").claim_timeout == engine.CLAIM_SECONDS
    assert RunConfig(claim_timeout=20).claim_timeout == 20
    with pytest.raises(InvalidInput, match="claim_timeout"):
        RunConfig(claim_timeout=3)  # signs of life come every five seconds
    study = automl.search(
        Line(),
        evaluator=automl.FunctionEvaluator(value, code_version="1"),
        objective="fitness",
        direction="maximize",
        storage=f"sqlite:///{tmp_path}/a.db",
        workers=0,
        trials=2,
        baseline=False,
        claim_timeout=20,
    )
    assert study.store.database.claim_timeout == 20
    study.close()
