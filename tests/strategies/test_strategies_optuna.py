import importlib.util

import numpy as np
import pytest

from automl import Choice, Integer, Real, Repeat, Space
from automl.errors import InvalidInput
from automl.strategies.base import Told
from automl.strategies.optuna_samplers import OptunaSampler
from automl.testing.strategies import StrategyContract
from search_spaces.nas.nasbench101 import NASBench101
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


class _OnCells(StrategyContract):
    def space(self):
        return NASBench201()


class TestTPEOnCells(_OnCells):
    def strategy(self):
        return OptunaSampler()


class TestQMCOnCells(_OnCells):
    def strategy(self):
        return OptunaSampler("qmc")


class TestNSGAIIIOnCells(_OnCells):
    def strategy(self):
        return OptunaSampler("nsgaiii")


@pytest.mark.skipif(importlib.util.find_spec("cmaes") is None, reason="needs the package cmaes")
class TestCMAES(_OnNested):
    def strategy(self):
        return OptunaSampler("cmaes")


@pytest.mark.skipif(importlib.util.find_spec("cmaes") is None, reason="needs the package cmaes")
class TestCMAESOnCells(_OnCells):
    def strategy(self):
        return OptunaSampler("cmaes")


def test_tpe_learns_from_what_it_is_told():
    strategy = OptunaSampler()
    strategy.bind(Nested())
    for number in range(60):
        (one,) = strategy.ask(1, np.random.default_rng(number))
        strategy.tell([Told(number, one.candidate, float(one.candidate.depth == 3))])
    assert sum(one.candidate.depth == 3 for one in strategy.ask(20, np.random.default_rng(0))) > 10


class Plane(Space):
    x = Integer(1, 64)
    y = Integer(0, 63)


class ChoicePlane(Plane):
    y = Choice(*range(64))


def drive(sampler, space, trials, fitness):
    """Returns what was proposed, one at a time, by a strategy that is told each fitness."""
    strategy = OptunaSampler(sampler)
    strategy.bind(space)
    proposed = []
    for number in range(trials):
        (one,) = strategy.ask(1, np.random.default_rng(number))
        proposed.append((one.candidate.x, one.candidate.y))
        strategy.tell([Told(number, one.candidate, fitness(*proposed[-1]))])
    return proposed


@pytest.mark.parametrize(
    ("sampler", "space", "trials"),
    [
        pytest.param(
            "cmaes",
            ChoicePlane(),
            150,
            marks=pytest.mark.skipif(importlib.util.find_spec("cmaes") is None, reason="needs the package cmaes"),
        ),
        ("nsgaiii", Plane(), 250),
        ("gp", Plane(), 25),
    ],
)
def test_samplers_that_keep_notes_learn_though_they_are_rebuilt_from_history(sampler, space, trials):
    def far(x, y):
        return abs(x - 50) + abs(y - 10)

    proposed = drive(sampler, space, trials, lambda x, y: -float(far(x, y)))
    late = proposed[-trials // 5 :]
    assert np.median([far(*one) for one in late]) < 25  # 44 for uniform draws


def test_a_quasi_random_sequence_goes_on_from_trial_to_trial():
    proposed = drive("qmc", ChoicePlane(), 129, lambda x, y: 0.0)[1:]
    for axis, low in ((0, 1), (1, 0)):
        counts = np.bincount([(one[axis] - low) // 4 for one in proposed], minlength=16)
        assert counts.max() - counts.min() <= 2  # 128 points in 16 strips; independent draws differ by about 10


def test_cells_whose_json_is_a_string_are_read_back_as_their_edges():
    space = NASBench201()
    strategy = OptunaSampler()
    strategy.bind(space)
    for number in range(60):
        (one,) = strategy.ask(1, np.random.default_rng(number))
        assert isinstance(one.candidate.value, str)
        strategy.tell([Told(number, one.candidate, float(one.candidate.value.count("nor_conv_3x3")))])
    late = strategy.ask(20, np.random.default_rng(0))
    assert np.mean([one.candidate.value.count("nor_conv_3x3") for one in late]) > 3  # 1.2 for uniform draws


def test_logarithmic_whole_numbers_are_drawn_so():
    class Wide(Space):
        width = Integer(1, 4096, log=True)

    strategy = OptunaSampler("nsgaiii")
    strategy.bind(Wide())
    drawn = [strategy.ask(1, np.random.default_rng(number))[0].candidate.width for number in range(60)]
    assert 15 <= sum(width <= 64 for width in drawn) <= 45


def test_what_it_cannot_do_is_refused():
    with pytest.raises(InvalidInput, match="tpe"):
        OptunaSampler("cma")
    with pytest.raises(InvalidInput, match="declared fields"):
        OptunaSampler().bind(NASBench101())


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cmaes" else object())
    with pytest.raises(InvalidInput, match="pip install cmaes"):
        OptunaSampler("cmaes")
