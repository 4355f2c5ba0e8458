import importlib.util

import numpy as np
import pytest

from automl import Choice, Integer, Real, Repeat, Space
from automl.errors import InvalidInput
from automl.strategies.base import Told
from automl.strategies.optuna_samplers import OptunaSampler
from automl.testing.strategies import StrategyContract
from search_spaces.nas.nasbench201 import NASBench201


class Adam(Space):
    beta = Real(0.8, 0.99)


class Sgd(Space):
    nesterov = Choice(True, False)


class Nested(Space):
    optimizer = Choice(Adam(), Sgd(), "none")
    depth = Integer(1, 4)
    lr = Real(1e-4, 1e-1, log=True)
    widths = Repeat(Choice(8, 16, [32, 1]), 0, 3)


class _OnNested(StrategyContract):
    def space(self):
        return Nested()


class TestTPE(_OnNested):
    def strategy(self):
        return OptunaSampler()


class TestNSGAIII(_OnNested):
    def strategy(self):
        return OptunaSampler("nsgaiii")


class TestQMC(_OnNested):
    def strategy(self):
        return OptunaSampler("qmc")


def test_tpe_learns_from_what_it_is_told():
    strategy = OptunaSampler()
    strategy.bind(Nested())
    for number in range(60):
        (one,) = strategy.ask(1, np.random.default_rng(number))
        strategy.tell([Told(number, one.candidate, float(one.candidate.depth == 3))])
    assert sum(one.candidate.depth == 3 for one in strategy.ask(20, np.random.default_rng(0))) > 10


def test_what_it_cannot_do_is_refused():
    with pytest.raises(InvalidInput, match="tpe"):
        OptunaSampler("cma")
    with pytest.raises(InvalidInput, match="declared fields"):
        OptunaSampler().bind(NASBench201())


@pytest.mark.skipif(importlib.util.find_spec("cmaes") is not None, reason="cmaes is installed")
def test_a_missing_package_is_named():
    with pytest.raises(InvalidInput, match="pip install cmaes"):
        OptunaSampler("cmaes")
