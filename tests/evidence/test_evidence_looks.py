"""A study that is extended until its verdict turns green repeats a test: all looks together are wrong in 5 %."""

import numpy as np
import pytest

from automl.evidence import Effort, chance_of_luck, gain_over_random_search, judge_runs, left_for_next
from automl.evidence.comparisons import LUCK, needed_above
from automl.evidence.looks import level_of_runs

LOOKS = (60, 120, 240, 480, 960, 1920)


def claims(error_of, runs=4000, seed=0):
    """Share of null searches that are called better at one of the looks: both sides draw from one distribution."""
    rng, wrong = np.random.default_rng(seed), 0
    search, random = rng.random((2, runs, LOOKS[-1]), dtype=np.float32)
    green = np.zeros(runs, dtype=bool)
    for number, classes in enumerate(LOOKS):
        best = random[:, :classes].max(axis=1, keepdims=True)
        above = (search[:, :classes] > best).sum(axis=1)
        efforts = [(Effort(n, n), Effort(n, n)) for n in LOOKS[:number]]
        now = Effort(classes, classes)
        green |= above >= needed_above(now, now, error_of(efforts))
    wrong = int(green.sum())
    return wrong / runs


def test_the_error_of_all_looks_together_is_kept_and_would_not_be_by_the_rule_of_one():
    kept, repeated = claims(left_for_next), claims(lambda looks: LUCK)
    assert kept < LUCK
    assert repeated > 0.06, "else the rule would not be needed, and this test could not fail"


def test_one_look_may_spend_all_and_later_ones_half_of_what_is_left():
    equal = (Effort(300, 240), Effort(300, 240))
    assert left_for_next([]) == LUCK
    first = chance_of_luck(needed_above(*equal), *equal)
    assert left_for_next([equal]) == pytest.approx((LUCK - first) / 2)
    errors = [left_for_next([equal] * looks) for looks in range(8)]
    assert errors == sorted(errors, reverse=True)
    spent = [chance_of_luck(needed_above(*equal, error), *equal) for error in errors]
    assert sum(spent) < LUCK


def test_a_look_that_no_number_of_classes_could_have_turned_green_spends_nothing():
    few = (Effort(3, 3), Effort(3, 3))  # at best 1/20, and 1/35 with four
    assert chance_of_luck(3, *few) == pytest.approx(0.05)
    poorer = (Effort(2, 2), Effort(2, 2))
    assert left_for_next([poorer]) == pytest.approx(LUCK / 2)


def test_several_runs_that_are_extended_spend_the_same_error_over_their_looks():
    rng, null, runs = np.random.default_rng(1), 1500, 5
    kept = repeated = 0
    for _ in range(null):
        search, random = np.maximum.accumulate(rng.normal(size=(2, runs, LOOKS[-1])), axis=2)
        winners = [[[[float(one[most - 1])] for one in side] for side in (search, random)] for most in LOOKS]
        kept += any(
            judge_runs(gain_over_random_search(*pair, level=level), True, level=level).beats
            for pair, level in zip(winners, map(level_of_runs, range(1, 1 + len(LOOKS))), strict=True)
        )
        repeated += any(judge_runs(gain_over_random_search(*pair), True).beats for pair in winners)
    assert kept < LUCK * null < repeated
