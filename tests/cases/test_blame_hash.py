"""Limits of time and memory cover what the space does: build, hash, costs, sampling, decoding; exits end one trial."""

import os
import time

import numpy as np
import pytest
from case_parts import rows

import automl
from automl import Integer, Space
from automl.behaviour import Array, Configuration, Function, Graph, Module, Node, Probe
from automl.hashing import Hasher
from automl.hashing.isolated import HashJobs, runs_own_code
from automl.setup.targets import reference_to

PROBE = Probe(inputs=(Array((1, 8, 8)),))


def network(width):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


class Nets(Space):
    x = Integer(0, 20)

    def __init__(self, layers=1):
        self._layers = layers

    def settings(self):
        return {"layers": self._layers}

    def build(self, c):
        return network(1 + c.x // 2)  # two encodings of each function

    def costs(self, c):
        return {"parameters": float(self._layers * c.x)}


class Mischief(Nets):
    """Some candidates misbehave when they are built."""

    def build(self, c):
        if c.x == 3:
            time.sleep(600)
        if c.x == 5:
            while True:
                pass
        if c.x == 7:
            import torch

            torch.empty(2**36).fill_(1)
        if c.x == 9:
            raise SystemExit("too wide")
        if c.x == 11:
            os._exit(4)
        if c.x == 13:
            import ctypes

            ctypes.string_at(0)  # a segmentation fault
        return network(1 + c.x // 2)


def candidates(space, numbers=range(21)):
    return [space.decode({"x": number}) for number in numbers]


@pytest.fixture(scope="module")
def beside():
    space = Nets()
    with HashJobs(space, Hasher(PROBE), reference_to(space)) as jobs:
        yield jobs


def test_keys_are_the_same_wherever_they_are_made(beside):
    here = HashJobs(Nets(), Hasher(PROBE)).hash(candidates(Nets()))
    there = beside.hash(candidates(Nets()))
    assert beside._child is not None  # it was another process
    assert [one.key for one in there] == [one.key for one in here]
    assert len({one.key for one in there}) == 11
    assert not any(one.fallback for one in there)


def test_costs_come_with_the_key(beside):
    [candidate] = candidates(Nets(), [4])
    beside.hash([candidate])
    assert beside._costs[candidate.json] == ({"parameters": 4.0}, "")
    assert beside.costs([candidate]) == [({"parameters": 4.0}, "")]
    assert beside.costs([candidate]) == [({"parameters": 4.0}, "")]  # asked for again, here


def test_costs_are_those_of_the_size_that_is_trained_beside_and_here():
    space = Nets()
    with HashJobs(space, Hasher(PROBE), reference_to(space), priced=reference_to(Nets(layers=3))) as jobs:
        [candidate] = candidates(space, [4])
        jobs.hash([candidate])
        assert jobs._child is not None
        assert jobs._costs[candidate.json] == ({"parameters": 12.0}, "")
        assert jobs.costs([candidate]) == jobs.costs([candidate]) == [({"parameters": 12.0}, "")]


def test_each_mischief_costs_one_candidate_its_functional_key(beside):
    space = Mischief()
    numbers = [1, 3, 5, 7, 9, 11, 13, 2]
    with HashJobs(space, Hasher(PROBE), reference_to(space), seconds=4.0, memory=1 << 30) as jobs:
        jobs.hash(candidates(space, [0]))  # torch is loaded now
        found = dict(zip(numbers, jobs.hash(candidates(space, numbers)), strict=True))
    assert [number for number in numbers if found[number].fallback] == [3, 5, 7, 9, 11, 13]
    assert "took longer than 4 s (--hash-timeout)" in found[3].fallback
    assert "took longer than 4 s (--hash-timeout)" in found[5].fallback
    assert "allocate" in found[7].fallback
    assert "SystemExit: too wide" in found[9].fallback
    assert "os._exit(4)" in found[11].fallback
    assert "SIGSEGV" in found[13].fallback
    assert sum(jobs.by_json.values()) == 6
    well = HashJobs(Nets(), Hasher(PROBE)).hash(candidates(Nets(), [1, 2]))
    assert [found[1].key, found[2].key] == [one.key for one in well]
    by_json = Hasher(PROBE).by_json("module", '{"x":3}', {}, "")
    assert found[3].key == by_json.key


def test_what_is_interpreted_by_us_stays_in_this_process():
    from search_spaces.algorithms.activation import Activation
    from search_spaces.nas.nasbench201 import NASBench201

    for space in (Activation(), NASBench201()):
        jobs = HashJobs(space, Hasher(), reference_to(space))
        jobs.hash(space.sample_many(8, np.random.default_rng(0)))
        assert jobs._child is None
    assert not runs_own_code(Graph((Node("input"),), (0,)), PROBE)
    assert not runs_own_code(Configuration(1), PROBE)
    assert runs_own_code(Function(np.abs), PROBE)
    assert runs_own_code(Module(lambda: None), PROBE)
    assert not runs_own_code(Module(lambda: None), Probe())  # without inputs it is not even built


def test_a_space_that_cannot_travel_is_hashed_here_with_a_limit_of_time():
    import threading

    space = Mischief()
    space.lock = threading.Lock()
    jobs = HashJobs(space, Hasher(PROBE), reference_to(space), seconds=1.0)
    found = jobs.hash(candidates(space, [1, 3, 9, 2]))
    assert [bool(one.fallback) for one in found] == [False, True, True, False]
    assert "in this very process" in jobs.notice


class Halves(Space):
    x = Integer(0, 5)

    def behaviour(self, candidate):
        def halve(x):
            x = np.array(x, dtype=float)
            while np.any(np.abs(x) > 1 + candidate.x):
                x = np.where(np.abs(x) < 2000, x / 2, x)
            return x

        return Function(halve) if candidate.x % 2 else Function(lambda x: x * candidate.x)


def test_a_function_that_ends_for_small_numbers_only():
    space = Halves()
    with HashJobs(space, Hasher(), reference_to(space), seconds=2.0) as jobs:
        found = jobs.hash(candidates(space, range(6)))
    assert [bool(one.fallback) for one in found] == [False, True, False, True, False, True]
    halve = space.behaviour(space.decode({"x": 1})).call
    with pytest.raises(automl.AutoMLError, match="has not returned from the probe points"):
        automl.functional_hash(halve, timeout=0.5)


# --- in a search ----------------------------------------------------------------------------------------------------


def search(tmp_path, space, **given):
    settings = {
        "evaluator": automl.Classification(epochs=1), "task": "digits", "trials": 10, "workers": 0, "baseline": False,
        "finalists": 1, "sample": 2, "confirm": 1, "test_seeds": 1, "study": "s", "strategy": "regularized_evolution",
        "storage": f"sqlite:///{tmp_path}/a.db",
    } | given  # fmt: skip
    return automl.search(space, **settings)


def test_a_search_over_candidates_that_hang_and_exit_goes_on(tmp_path):
    known = [{"x": x} for x in (1, 3, 9, 11, 2)]
    study = search(tmp_path, Mischief(), trials=5, enqueue=known, timeout=10.0)
    found = {automl_x(trial): trial for trial in study.trials()}
    assert {x for x, trial in found.items() if trial.outcome == "failed"} == {3, 9, 11}
    assert "longer than 10 s" in found[3].error
    assert "SystemExit: too wide" in found[9].error
    assert "os._exit(4)" in found[11].error
    study.close()
    stored = rows(tmp_path / "a.db", "select error from evaluation where state = 'failed' and error like '%too wide%'")
    assert len(stored) == 1


def automl_x(trial):
    return int(trial.candidate.rpartition(":")[2].rstrip("}"))


def plain(c):
    return float(c.x)


class Hanging(Space):
    """One of its methods stops to come back after a while."""

    x = Integer(0, 1000)
    where = ""
    after = 30
    calls = 0

    def _maybe(self, where):
        if self.where == where:
            type(self).calls += 1
            if type(self).calls > self.after:
                while True:
                    time.sleep(0.1)

    def sample(self, rng):
        self._maybe("sample")
        return super().sample(rng)

    def mutate(self, candidate, rng):
        self._maybe("mutate")
        return super().mutate(candidate, rng)

    def decode(self, value):
        self._maybe("decode")
        return super().decode(value)

    def training(self, c):
        self._maybe("training")
        return {}

    def costs(self, c):
        self._maybe("costs")
        return {"parameters": 1.0}


@pytest.mark.parametrize(
    ("where", "after"), [("sample", 64), ("mutate", 30), ("decode", 60), ("training", 80), ("costs", 20)]
)
def test_a_space_that_never_comes_back_ends_the_search_with_a_sentence(tmp_path, where, after):
    kind = type("Hanging", (Hanging,), {"where": where, "after": after})
    given = {
        "evaluator": automl.FunctionEvaluator(plain, code_version="1"), "task": None, "trials": 200,
        "timeout": 2.0, "hash_timeout": 0.5,
        "settings": {"strategy.population": 10, "strategy.tournament": 3},
    }  # fmt: skip
    with pytest.raises(automl.InvalidInput, match=r"Hanging.*longer than .* s and was broken off \(--hash-timeout\)"):
        search(tmp_path, kind(), **given)
    kept = rows(tmp_path / "a.db", "select count(*) from trial")[0][0]
    assert kept > 0
    well = type("Hanging", (Hanging,), {"where": ""})
    study = search(tmp_path, well(), **given)
    assert study.finished
    assert len(list(study.trials())) == 200 > kept
    study.close()


class Leaving(Space):
    x = Integer(0, 1000)
    where = ""
    how = "sys"
    calls = 0

    def _maybe(self, where):
        if self.where == where:
            type(self).calls += 1
            if type(self).calls > 60:
                raise SystemExit("enough") if self.how == "sys" else os._exit(9)

    def sample(self, rng):
        self._maybe("sample")
        return super().sample(rng)

    def mutate(self, candidate, rng):
        self._maybe("mutate")
        return super().mutate(candidate, rng)

    def costs(self, c):
        self._maybe("costs")
        return {"parameters": 1.0}


@pytest.mark.parametrize("how", ["sys", "os"])
@pytest.mark.parametrize("where", ["sample", "mutate"])
def test_a_space_that_exits_ends_the_search_with_a_sentence(tmp_path, where, how):
    kind = type("Leaving", (Leaving,), {"where": where, "how": how})
    with pytest.raises(automl.InvalidInput, match=r"Leaving.*(SystemExit: enough|OwnExit)"):
        search(
            tmp_path, kind(), evaluator=automl.FunctionEvaluator(plain, code_version="1"), task=None, trials=300,
            settings={"strategy.population": 10, "strategy.tournament": 3},
        )  # fmt: skip
    assert rows(tmp_path / "a.db", "select count(*) from trial")[0][0] > 0


@pytest.mark.parametrize("how", ["sys", "os"])
def test_costs_that_exit_are_left_out(tmp_path, how):
    kind = type("Leaving", (Leaving,), {"where": "costs", "how": how})
    with pytest.warns(UserWarning, match=r"costs\(\) of Leaving raises"):
        study = search(
            tmp_path, kind(), evaluator=automl.FunctionEvaluator(plain, code_version="1"), task=None, trials=120
        )
    assert all(trial.outcome != "failed" for trial in study.trials())
    study.close()
