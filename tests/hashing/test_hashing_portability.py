"""The same keys in every process, however it is started and whatever kernels it computes with."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import behaviours
import pytest
import ray

from automl.hashing import HASHER_VERSION, Hasher
from search_spaces.nas.nasbench201 import NASBench201

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden_keys.json").read_text())


def test_keys_are_the_golden_ones_of_this_hasher_version():
    assert GOLDEN["version"] == HASHER_VERSION, (
        "keys may change only with HASHER_VERSION: write new golden keys with it"
    )
    assert behaviours.keys() == GOLDEN["keys"]


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({"PYTHONHASHSEED": "1"}, "1"),
        ({"PYTHONHASHSEED": "77"}, "2"),
        ({"OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}, "1"),
        ({"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "2"}, "2"),
    ],
)
def test_another_process_finds_the_same_keys(environment, threads):
    command = [sys.executable, str(HERE / "behaviours.py"), threads]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == GOLDEN["keys"]


def test_a_ray_worker_finds_the_same_keys(ray_session):
    source = (HERE / "behaviours.py").read_text()

    @ray.remote
    def worker():
        import types

        module = types.ModuleType("behaviours_in_a_worker")
        sys.modules[module.__name__] = module
        exec(compile(source, "behaviours.py", "exec"), module.__dict__)
        return module.keys()

    assert ray.get(worker.remote()) == GOLDEN["keys"]


def test_pickling_changes_no_key():
    space = NASBench201()
    candidates = [space.decode(text) for text in behaviours.CELLS]
    hasher = Hasher(behaviours.PROBE)
    before = hasher.hash_many([(space.behaviour(candidate), {}) for candidate in candidates])
    copies = pickle.loads(pickle.dumps([space.behaviour(candidate) for candidate in candidates]))
    assert hasher.hash_many([(copy, {}) for copy in copies]) == before
    assert Hasher(behaviours.PROBE).hash_many([(copy, {}) for copy in copies]) == before


def test_the_order_of_a_batch_and_what_was_hashed_before_change_no_key():
    found = behaviours.behaviours()
    names = list(found)
    hasher = Hasher(behaviours.PROBE)
    for order in (names, names[::-1], names[::2] + names[1::2]):
        hashed = hasher.hash_many([(found[name], {"lr": 0.5}) for name in order])
        assert {name: item.key.hex() for name, item in zip(order, hashed, strict=True)} == GOLDEN["keys"]
