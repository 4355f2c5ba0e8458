"""Successive halving by itself: who goes on, what counts as gone on, which rungs there are."""

import numpy as np
import pytest
from test_strategies_contracts import Plain

from automl.errors import InvalidInput
from automl.strategies import Proposal, Told
from automl.strategies.halving import SuccessiveHalving

THIRDS = (1 / 9, 1 / 3, 1.0)


def bound(**settings):
    strategy = SuccessiveHalving(**settings)
    strategy.bind(Plain(), THIRDS)
    return strategy


def tell(strategy, fitness, fidelity=1 / 9, start=0):
    candidates = Plain().sample_many(start + len(fitness), np.random.default_rng(4))[start:]
    told = [
        Told(start + n, one, worth, fidelity=fidelity)
        for n, (one, worth) in enumerate(zip(candidates, fitness, strict=True))
    ]
    strategy.tell(told)
    return told


def ask(strategy, n=1):
    return strategy.ask(n, np.random.default_rng(0))


def test_the_best_third_of_a_rung_goes_on_best_first_and_names_its_trial():
    strategy = bound()
    told = tell(strategy, [0.1, 0.9, 0.3, 0.8, 0.2, 0.4])
    first, second, new = ask(strategy, 3)
    assert first == Proposal(told[1].candidate, "promote", (1,), 1 / 3)
    assert second == Proposal(told[3].candidate, "promote", (3,), 1 / 3)
    assert (new.origin, new.fidelity) == ("sample", 1 / 9)


def test_the_highest_rung_is_served_first():
    strategy = bound()
    tell(strategy, [0.1, 0.9, 0.3, 0.8, 0.2, 0.4])
    upper = tell(strategy, [0.5, 0.7, 0.6], fidelity=1 / 3, start=6)
    assert ask(strategy)[0] == Proposal(upper[1].candidate, "promote", (7,), 1.0)


def test_what_is_pending_or_told_above_goes_on_only_once():
    strategy = bound()
    told = tell(strategy, [0.1, 0.9, 0.3])
    (promotion,) = ask(strategy)
    assert promotion.origin == "promote"
    strategy.pending = [promotion]
    assert ask(strategy)[0].origin == "sample"
    strategy.pending = []
    strategy.tell([Told(3, told[1].candidate, None, fidelity=1 / 3)])
    assert ask(strategy)[0].origin == "sample"


def test_failures_never_go_on_and_count_in_the_size_of_their_rung():
    strategy = bound()
    tell(strategy, [None, None, None])
    assert ask(strategy)[0].origin == "sample"
    tell(strategy, [0.2, None, None], start=3)
    assert ask(strategy)[0].parents == (3,)


def test_the_proposer_is_told_what_the_lowest_rung_says():
    strategy = bound(proposer="regularized_evolution")
    tell(strategy, [0.5] * 120)
    tell(strategy, [0.5] * 40, fidelity=1 / 3, start=120)
    tell(strategy, [0.5] * 13, fidelity=1.0, start=160)
    asked = ask(strategy, 60)
    new = [one for one in asked if one.origin == "mutate"]
    assert new
    assert {one.fidelity for one in new} == {1 / 9}
    assert {parent for one in new for parent in one.parents} <= set(range(120))


@pytest.mark.parametrize(
    ("offered", "settings", "rungs"),
    [
        ([n / 12 for n in range(1, 13)], {}, [1 / 12, 4 / 12, 1.0]),
        ([0.06, 1.0], {}, [0.06, 1.0]),
        ([n / 81 for n in range(1, 82)], {"levels": 5}, [1 / 81, 3 / 81, 9 / 81, 27 / 81, 1.0]),
        ([0.25, 0.5, 1.0], {"reduction": 2, "levels": 2}, [0.5, 1.0]),
    ],
)
def test_rungs_are_the_offered_fidelities_nearest_to_the_powers(offered, settings, rungs):
    assert SuccessiveHalving(**settings).rungs(offered) == pytest.approx(rungs)


def test_bad_settings_and_evaluators_without_fidelities_are_refused():
    for settings, words in (
        ({"reduction": 1}, "reduction=1"),
        ({"levels": 1}, "levels=1"),
        ({"proposer": "successive_halving"}, "another strategy"),
        ({"proposer": "regularised"}, "regularized_evolution"),
    ):
        with pytest.raises(InvalidInput, match=words):
            SuccessiveHalving(**settings)
    with pytest.raises(InvalidInput, match="has none"):
        SuccessiveHalving().rungs([1.0])
