"""Our pools and evaluators pass the contract suites that third parties' are run against."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from automl.behaviour import Module
from automl.evaluators.base import Work
from automl.testing.evaluators import EvaluatorContract
from automl.testing.pools import PoolContract
from search_spaces.hpolib import HPOLib
from search_spaces.nas.nasbench201 import NASBench201
from workers.networks.classification import Classification
from workers.pools.inline import InlinePool
from workers.pools.ray_pool import RayPool
from workers.pools.simulated import SimulatedPool
from workers.tables.hpolib import HPOLibTable
from workers.tables.tabular import NASBench201Table


class TestInline(PoolContract):
    def open(self, plan):
        return InlinePool(plan, workers=2)


class TestSimulated(PoolContract):
    def open(self, plan):
        return SimulatedPool(plan, workers=7)


@pytest.mark.usefixtures("ray_session")
class TestRay(PoolContract):
    """On logical GPUs: a pool of another test may hold the CPUs."""

    def open(self, plan):
        return RayPool(plan, workers=2, num_cpus=0, num_gpus=0.25)


def works(space, n=3):
    candidates = space.sample_many(n, np.random.default_rng(0))
    return [Work(space.behaviour(candidate), space.training(candidate), candidate.json) for candidate in candidates]


@pytest.mark.usefixtures("one_thread")
class TestClassification(EvaluatorContract):
    def evaluator(self):
        return Classification(epochs=3)

    def works(self):
        def build(width):
            return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, width), torch.nn.Linear(width, 10))

        return [Work(Module(lambda width=width: build(width)), {"lr": 0.02 * width}, str(width)) for width in (2, 3)]


class Tables(EvaluatorContract):
    @pytest.fixture(autouse=True)
    def data(self, data_folder, monkeypatch):
        monkeypatch.setenv("AUTOML_DATA", str(data_folder))


class TestNASBench201Table(Tables):
    def evaluator(self):
        return NASBench201Table("cifar100", randomised=True)

    def works(self):
        return works(NASBench201())


class TestHPOLibTable(Tables):
    def evaluator(self):
        return HPOLibTable()

    def works(self):
        return works(HPOLib())
