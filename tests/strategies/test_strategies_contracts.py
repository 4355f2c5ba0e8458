import numpy as np
import pytest

import automl
from automl import Choice, Integer, Real, Repeat, Space
from automl.strategies.evolution import ElitistEvolution, RegularizedEvolution
from automl.strategies.exhaustive import Exhaustive
from automl.strategies.halving import SuccessiveHalving
from automl.strategies.local_search import LocalSearch
from automl.strategies.map_elites import MAPElites
from automl.strategies.nsga2 import NSGA2
from automl.strategies.random import Random
from automl.testing.strategies import StrategyContract
from search_spaces.nas.mbconv import MBConv


class Block(Space):
    width = Choice(8, 16, 32)
    rate = Real(0.0, 0.5)


class Plain(Space):
    depth = Integer(1, 6)
    lr = Real(1e-4, 1e-1, log=True)
    activation = Choice("relu", "tanh")
    blocks = Repeat(Block(), 1, 3)


class _OnPlain(StrategyContract):
    def space(self):
        return Plain()


class TestRandom(_OnPlain):
    def strategy(self):
        return Random()


class TestExhaustive(StrategyContract):
    def strategy(self):
        return Exhaustive()

    def space(self):
        return MBConv()

    def test_proposals_depend_on_the_generator_and_the_history_alone(self):
        (one, first), (other, second) = self._run(2), self._run(3)
        assert first == second  # nothing is drawn
        assert one.ask(8, np.random.default_rng(3)) == other.ask(8, np.random.default_rng(4))


class TestRegularizedEvolution(_OnPlain):
    def strategy(self):
        return RegularizedEvolution(population=10, tournament=3, crossover=0.5)


class TestRegularizedEvolutionWithRestarts(_OnPlain):
    def strategy(self):
        return RegularizedEvolution(population=8, tournament=3, restart=24)


class TestElitistEvolution(_OnPlain):
    def strategy(self):
        return ElitistEvolution(population=10, tournament=3)


class TestLocalSearch(_OnPlain):
    def strategy(self):
        return LocalSearch(starts=5, patience=6)


class TestSuccessiveHalving(_OnPlain):
    def strategy(self):
        return SuccessiveHalving(reduction=2, levels=3)


class TestSuccessiveHalvingOfEvolution(_OnPlain):
    def strategy(self):
        return SuccessiveHalving(reduction=3, levels=3, proposer="regularized_evolution")


class TestNSGA2(_OnPlain):
    def strategy(self):
        return NSGA2(objectives="fitness:maximize,size:minimize", constraints="size<0.8", population=10)

    def metrics(self, fitness):
        return {"size": (fitness * 7919) % 1.0}


@pytest.mark.parametrize(
    "name", ["random", "regularized_evolution", "elitist_evolution", "local_search", "nsga2", "successive_halving"]
)
def test_every_strategy_is_found_by_name(name):
    from automl.strategies import create

    assert create(name).name == name


def test_an_unknown_setting_is_refused_with_the_known_ones():
    from automl.strategies import create

    with pytest.raises(automl.errors.InvalidInput, match="patience"):
        create("local_search", {"patient": 3})


def test_a_strategy_of_a_users_file(tmp_path):
    from automl.strategies import create

    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import dataclass\n"
        "from automl.strategies.random import Random\n"
        "@dataclass\nclass Mine(Random):\n    name = 'mine'\n    step: int = 2\n"
    )
    assert create(f"{file}:Mine", {"step": 5}).settings() == {"step": 5}


class TestMAPElites(_OnPlain):
    def strategy(self):
        return MAPElites("fitness:6", initial=10, crossover=0.5)
