"""The kind of device and the precision are declared when a search starts; workers of another kind are refused."""

import dataclasses
import os
import sys
from collections.abc import Mapping
from typing import ClassVar

import pytest

import automl
from automl.engine.identity import context_of
from automl.errors import WorkersUnavailable
from automl.evaluators.base import Evaluation, Evaluator
from automl.evaluators.fingerprints.describing import description
from automl.hashing import Hasher
from automl.pool import Job, WorkerSetup
from automl.setup.targets import reference_to
from workers.pools import actor
from workers.pools.ray_pool import RayPool


class Numbers(automl.Space):
    x = automl.Integer(0, 9)


@dataclasses.dataclass(frozen=True)
class Auto(Evaluator):
    name: ClassVar[str] = "auto"
    version: ClassVar[str] = "1"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}
    precision: str = "auto"

    def for_device(self, device):
        return dataclasses.replace(self, precision="float16" if device == "cuda" else "float32")

    def evaluate(self, work, how):
        if work.behaviour.value["x"] == 9:
            os._exit(3)
        return {"v": 1.0}


def test_device_and_precision_are_in_the_context():
    found = {}
    for device in ("cpu", "cuda"):
        evaluator = Auto().for_device(device)
        found[device] = context_of(Hasher(), description(evaluator), "validation", None, device)
    assert found["cpu"]["evaluator"]["settings"] == {"precision": "float32"}
    assert "device" not in found["cpu"]  # as in version 0.1
    assert found["cuda"]["evaluator"]["settings"] == {"precision": "float16"}
    assert found["cuda"]["device"] == "cuda"


class Mixed(actor.Worker):
    """Says what kind of device it has by its name, or by how often it was started."""

    def ready(self):
        said = super().ready()
        if os.environ.get("STALE_MIXED") == "names":
            return ("cuda" if self._name == "ray-1" else "cpu", *said[1:])
        path = os.environ["STALE_MIXED"]
        with open(path, "a+") as file:
            file.write("x")
            file.seek(0)
            return ("cpu" if len(file.read()) == 1 else "cuda", *said[1:])


def opened(monkeypatch, mixed, workers):
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not find the tests
    monkeypatch.setattr(actor, "Worker", Mixed)
    monkeypatch.setattr("workers.pools.ray_workers.environment", lambda _: {"STALE_MIXED": str(mixed)})
    return RayPool(WorkerSetup(reference_to(Numbers()), Auto(), "v"), workers=workers, dashboard=False)


def later(pool):
    """Goes on with jobs after the first, which takes its worker with it."""
    for number in range(1, 100):
        pool.completed(60.0)
        pool.submit([Job(number, '{"x":1}', Evaluation(1))])


def test_workers_of_two_kinds_are_refused_by_name(ray_session, monkeypatch):
    with pytest.raises(WorkersUnavailable, match=r"ray-0 on cpu .*; ray-1 on cuda"):
        opened(monkeypatch, "names", 2)


def test_a_worker_that_comes_back_on_another_kind_is_refused_by_name(ray_session, monkeypatch, tmp_path):
    with opened(monkeypatch, tmp_path / "starts", 1) as pool:
        assert pool.device == "cpu"
        pool.submit([Job(0, '{"x":9}', Evaluation(1))])
        with pytest.raises(WorkersUnavailable, match=r"worker ray-0 came back on node .*cuda.*declared cpu"):
            later(pool)
