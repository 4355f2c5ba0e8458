import math

import numpy as np
import pytest
from scipy import stats

from automl.errors import InvalidInput
from automl.evidence import difference, gain_over_random_search, ratio, relative_improvement, units


def test_units_are_the_top_level_with_more_than_one_member() -> None:
    assert units([[[1.0, 3.0], [5.0, 7.0]]]).tolist() == [2.0, 6.0]  # one run: its architectures
    assert units([[[1.0, 3.0]], [[5.0, 7.0]]]).tolist() == [2.0, 6.0]  # two runs
    assert units([[1.0, 3.0, 8.0]]).tolist() == [1.0, 3.0, 8.0]  # one architecture: its seeds
    assert units([[], [2.0]]).tolist() == [2.0]
    assert units([]).tolist() == []
    assert units([[1.0, 2.0], [3.0]]).tolist() == [1.5, 3.0]


def test_a_value_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nan is not a finite number"):
        units([1.0, math.nan])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([73.1, 72.4, 73.3, 72.9], [71.9, 72.8, 71.2]),
        ([27.5, 21.0, 19.0, 23.6, 17.0], [27.1, 22.0, 20.8, 23.4, 23.4, 23.5]),
        ([0.1, 0.1, 0.1], [0.2, 0.3]),  # no noise on one side
        ([100.0 + 1e-9, 100.0], [100.0, 100.0 + 3e-9, 100.0 + 2e-9]),
    ],
)
def test_the_interval_of_a_difference_is_the_one_of_welch_1947(one: list[float], other: list[float]) -> None:
    found = difference(one, other)
    errors = [float(np.var(side, ddof=1)) / len(side) for side in (one, other)]
    freedom = sum(errors) ** 2 / sum(
        error**2 / (len(side) - 1) for error, side in zip(errors, (one, other), strict=True)
    )
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(errors))
    middle = float(np.mean(one) - np.mean(other))
    assert found.method == "Welch"
    assert found.units == (len(one), len(other))
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), rel=1e-12)


def test_fieller_covers_the_ratio_it_claims_to() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(2000):
        one, other = rng.normal(105, 8, 4), rng.normal(100, 12, 6)
        found = ratio(list(one), list(other))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1.05 <= found.high
    assert 0.93 <= covered / 2000 <= 0.98


def test_fieller_bounds_solve_their_equation() -> None:
    one, other = [10.0, 12.0, 11.0], [9.0, 10.0, 8.0, 9.5]
    found = ratio(one, other)
    a, b = np.array(one), np.array(other)
    assert found.low is not None
    assert found.high is not None
    for rho in (found.low, found.high):
        statistic = (a.mean() - rho * b.mean()) ** 2 / (a.var(ddof=1) / 3 + rho**2 * b.var(ddof=1) / 4)
        other_end = found.high if rho == found.low else found.low
        mirrored = (a.mean() - other_end * b.mean()) ** 2 / (a.var(ddof=1) / 3 + other_end**2 * b.var(ddof=1) / 4)
        assert statistic == pytest.approx(mirrored)
    assert found.low < a.mean() / b.mean() < found.high


def test_a_denominator_that_may_be_zero_gives_no_interval() -> None:
    found = ratio([1.0, 2.0, 1.5], [-1.0, 1.5, 0.2])
    assert found.value is not None
    assert found.low is None
    assert "does not differ from 0" in found.method
    assert ratio([1.0, 2.0], [1.0, -1.0]).value is None


def test_the_bootstrap_is_used_from_ten_runs_on_and_covers() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        one, other = rng.normal(3, 1, 10), rng.normal(2, 2, 12)
        found = difference(list(one), list(other))
        assert found.method.startswith("bootstrap")
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1.0 <= found.high
    assert covered / 400 >= 0.92
    assert difference(list(one[:9]), list(other)).method == "Welch"


def test_seeds_inside_runs_do_not_shorten_an_interval_over_runs() -> None:
    rng = np.random.default_rng(1)
    runs = rng.normal(0, 1, 12)
    few = [[run, run] for run in runs]
    many = [[run] * 50 for run in runs]
    base = [[run] for run in rng.normal(0, 1, 12)]
    short, long = difference(few, base), difference(many, base)
    assert (short.low, short.high) == pytest.approx((long.low, long.high))


def test_relative_improvement_by_hand_in_both_directions() -> None:
    better = relative_improvement([[90.0, 92.0, 91.0]], [[80.0], [82.0], [84.0], [86.0]])
    assert better.value == pytest.approx(100 * (91 - 83) / 83)
    assert better.low is not None
    assert better.high is not None
    assert better.low < better.value < better.high
    loss = relative_improvement([[0.9, 0.92, 0.91]], [[1.0], [1.1], [1.2]], minimize=True)
    assert loss.value == pytest.approx(100 * (1.1 - 0.91) / 1.1)
    assert loss.low is not None
    assert loss.high is not None
    assert loss.low < loss.value < loss.high
    likelihood = relative_improvement([-1.0, -1.1], [-2.0, -2.2, -1.8])
    assert likelihood.value == pytest.approx(100 * (2.0 - 1.05) / 2.0)


def test_gain_turns_its_sign_for_metrics_to_minimize() -> None:
    up = gain_over_random_search([3.0, 3.2, 2.9], [2.0, 2.1, 2.2])
    down = gain_over_random_search([2.0, 2.1, 2.2], [3.0, 3.2, 2.9], minimize=True)
    assert (up.value, up.low, up.high) == pytest.approx((down.value, down.low, down.high))


def test_equal_figures_for_every_seed_are_called_exact() -> None:
    found = difference([73.5, 73.5, 73.5], [72.1, 72.1])
    assert found.low == found.value == found.high == pytest.approx(1.4)
    assert found.method.startswith("exact")


def test_one_value_gives_no_interval() -> None:
    assert difference([1.0], [2.0, 3.0]).low is None
    assert ratio([1.0], [2.0, 3.0]).low is None
    assert difference([], [2.0, 3.0]).value is None
