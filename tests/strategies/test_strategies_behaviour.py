import numpy as np
import pytest

from automl import Integer, Space
from automl.errors import InvalidInput
from automl.spaces.space import Candidate
from automl.strategies.base import Told
from automl.strategies.evolution import ElitistEvolution, RegularizedEvolution
from automl.strategies.local_search import LocalSearch
from automl.strategies.nsga2 import NSGA2, crowding, fronts


class Line(Space):
    x = Integer(0, 1000)

    def costs(self, candidate):
        return {"weight": float(candidate.x)}


def told(number, x, fitness, **metrics):
    return Told(number, Candidate({"x": x}), fitness, metrics)


def bound(strategy, trials):
    strategy.bind(Line())
    strategy.tell(trials)
    return strategy


def front(strategy):
    """The Pareto front of the survivors that keep all constraints."""
    feasible = np.flatnonzero(strategy._violations == 0)
    return [strategy._members[place] for place in feasible[fronts(strategy._values[feasible]) == 0].tolist()]


def parents(strategy, n=60):
    return {parent for one in strategy.ask(n, np.random.default_rng(0)) for parent in one.parents}


def test_the_oldest_dies_in_regularized_evolution_and_the_worst_in_elitism():
    trials = [told(0, 5, 100.0), *(told(n, n, float(n)) for n in range(1, 6))]
    assert 0 not in parents(bound(RegularizedEvolution(population=5, tournament=2), trials))
    assert 0 in parents(bound(ElitistEvolution(population=5, tournament=2), trials))
    assert 1 not in parents(bound(ElitistEvolution(population=5, tournament=2), trials))


def child(number, x, fitness, parent):
    return Told(number, Candidate({"x": x}), fitness, parents=(parent,))


def test_local_search_climbs_from_the_best_start_crosses_plateaus_and_starts_again():
    search = bound(LocalSearch(starts=3, patience=2), [told(0, 1, 1.0), told(1, 2, 3.0)])
    assert parents(search) == set()
    search.tell([told(2, 3, 2.0)])
    assert parents(search) == {1}
    search.tell([child(3, 4, 3.0, 1)])  # equal: becomes the current one, and still counts as no progress
    assert parents(search) == {3}
    search.tell([child(4, 5, None, 3)])
    assert parents(search) == set()


def test_local_search_counts_only_what_was_made_for_what_is_going_on():
    search = bound(LocalSearch(starts=2, patience=2), [told(0, 1, 1.0), told(1, 2, 3.0)])
    search.tell([told(n, n, 0.0) for n in range(2, 12)])  # drawn before the climb, finished after it began
    assert parents(search) == {1}
    search.tell([child(12, 4, 0.0, 1), child(13, 5, 0.0, 1)])
    assert parents(search) == set()
    search.tell([child(14, 6, 99.0, 1), told(15, 7, 0.5), child(16, 8, 99.0, 1), told(17, 9, 0.4)])
    assert parents(search) == {15}  # not the late mutants of the climb that has ended
    search.tell([child(18, 6, 99.0, 1), child(19, 10, 0.6, 15)])
    assert parents(search) == {19}


def test_fronts_and_crowding_of_a_known_case():
    values = np.array([[1.0, 4.0], [2.0, 3.0], [4.0, 1.0], [1.0, 3.0], [0.0, 0.0]])
    assert fronts(values).tolist() == [0, 0, 0, 1, 2]
    distance = crowding(values[:3])
    assert np.isinf(distance[[0, 2]]).all()
    assert distance[1] == pytest.approx(2.0)


def test_nsga2_reads_costs_of_the_spelling_and_keeps_its_constraints():
    trials = [told(0, 10, 1.0), told(1, 20, 2.0), told(2, 30, 1.5), told(3, 900, 9.0), told(4, 1, None)]
    strategy = NSGA2(objectives="fitness:maximize,weight:minimize", constraints="weight<500", population=5)
    assert [trial.number for trial in front(bound(strategy, trials))] == [0, 1]


def test_nsga2_finds_both_ends_of_a_front():
    strategy = NSGA2(objectives="near:maximize,weight:minimize", population=20)
    strategy.bind(Line())
    for number in range(400):
        (one,) = strategy.ask(1, np.random.default_rng(number))
        near = -abs(float(one.candidate.x) - 700.0)
        strategy.tell([told(number, one.candidate.x, near, near=near)])
    found = [trial.candidate.x for trial in front(strategy)]
    assert min(found) < 30
    assert 670 < max(found) <= 730


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objectives": "accuracy"}, "accuracy:maximize"),
        ({"constraints": "weight"}, "parameters<1e6"),
        ({"constraints": "weight<much"}, "parameters<1e6"),
        ({"population": 1}, "population=1"),
        ({"crossover": 2.0}, "crossover=2.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(InvalidInput, match=words):
        NSGA2(**settings)


def test_an_objective_that_does_not_exist_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match="weight"):
        bound(NSGA2(objectives="speed:maximize"), [told(0, 1, 1.0)])


@pytest.mark.parametrize("kind", [RegularizedEvolution, ElitistEvolution])
def test_a_restart_draws_a_population_afresh_and_keeps_nothing_of_the_old_one(kind):
    strategy = bound(kind(population=3, tournament=2, restart=6), [told(n, n, 100.0) for n in range(6)])
    assert {proposal.origin for proposal in strategy.ask(5, np.random.default_rng(0))} == {"sample"}
    strategy.tell([child(6, 1, 200.0, 5), child(7, 1, 200.0, 4)])  # under way when it restarted
    assert parents(strategy) == set()
    strategy.tell([told(8, 1, 1.0), told(9, 1, 2.0), told(10, 1, 3.0)])
    assert parents(strategy) == {8, 9, 10}
    strategy.tell([told(3, 1, 300.0)])  # one that was late in an asynchronous study
    assert parents(strategy) == set()  # and it was the sixth since the restart


def test_a_restart_before_the_population_is_full_is_refused():
    with pytest.raises(InvalidInput, match=r"restart=10: a population of 10 needs more trials than that"):
        RegularizedEvolution(population=10, restart=10)
