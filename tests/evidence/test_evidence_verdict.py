"""The verdict: what it takes, and how often it is wrong when random search is set against itself."""

from collections.abc import Callable

import numpy as np
import pytest

from automl.evidence import (
    BEATS,
    DOES_NOT,
    Effort,
    Verdict,
    chance_of_luck,
    gain_over_random_search,
    is_deterministic,
    judge_run,
    judge_runs,
)

EVALUATIONS, SEEDS = 60, 3
EQUAL = Effort(EVALUATIONS, EVALUATIONS)


def one_search(rng: np.random.Generator, better: float, noise: float) -> tuple[np.ndarray, list[float]]:
    """Samples architectures, rates them with one noisy validation each, and tests the best with fresh seeds."""
    quality = 70 - rng.gamma(2.0, 4.0, EVALUATIONS) + better
    validation = quality + rng.normal(0, 0.4, EVALUATIONS)
    winner = quality[validation.argmax()]
    return validation, list(winner + rng.normal(0, noise, SEEDS))


def one_verdict(rng: np.random.Generator, better: float, noise: float) -> tuple[Verdict, bool]:
    search, winner = one_search(rng, better, noise)
    random, random_winner = one_search(rng, 0.0, noise)
    gain = gain_over_random_search(winner, random_winner)
    above = int((search > random.max()).sum())
    verdict = judge_run(gain, EQUAL, EQUAL, above, seeds=SEEDS, deterministic=noise == 0)
    assert gain.low is not None
    return verdict, gain.low > 0


def rate(judged: Callable[[np.random.Generator], bool], times: int) -> float:
    rng = np.random.default_rng(11)
    return sum(judged(rng) for _ in range(times)) / times


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_random_search_against_itself_beats_itself_in_at_most_one_of_twenty(noise: float) -> None:
    assert rate(lambda rng: one_verdict(rng, 0.0, noise)[0].beats, 2000) <= 0.05


def test_seeds_alone_would_call_luck_a_success() -> None:
    """Why the verdict asks for more than an interval over seeds: without it, one in four would be wrong."""
    assert rate(lambda rng: one_verdict(rng, 0.0, 0.3)[1], 1000) > 0.15


def test_a_search_that_is_better_is_said_to_be() -> None:
    assert rate(lambda rng: one_verdict(rng, 6.0, 0.3)[0].beats, 500) > 0.9


@pytest.mark.parametrize("runs", [3, 10])
def test_several_runs_of_random_search_against_itself(runs: int) -> None:
    def judged(rng: np.random.Generator) -> bool:
        winners = [one_search(rng, 0.0, 0.3)[1] for _ in range(runs)]
        random = [one_search(rng, 0.0, 0.3)[1] for _ in range(runs)]
        return judge_runs(gain_over_random_search(winners, random), equal_evaluations=True).beats

    assert rate(judged, 600) <= 0.05


def test_the_chance_of_luck_is_what_counting_gives() -> None:
    assert chance_of_luck(0, EQUAL, EQUAL) == 1.0
    assert chance_of_luck(1, EQUAL, EQUAL) == 0.5
    assert chance_of_luck(2, Effort(3, 3), Effort(3, 3)) == pytest.approx(3 / 6 * 2 / 5)
    rng = np.random.default_rng(0)
    orders = np.array([rng.permutation(12) for _ in range(40_000)])  # 7 of the search, 5 of random search
    assert chance_of_luck(2, Effort(7, 7), Effort(5, 5)) == pytest.approx(
        (orders[:, :2] < 7).all(axis=1).mean(), abs=0.01
    )


def judged(winner: list[float], other: list[float], **changes: object) -> Verdict:
    given: dict[str, object] = {"search": EQUAL, "random": EQUAL, "exceeding": 9, "seeds": 3, "deterministic": False}
    given |= changes
    return judge_run(gain_over_random_search(winner, other), **given)  # type: ignore[arg-type]


def test_each_verdict_and_each_reason() -> None:
    clear = ([75.0, 75.1, 74.9], [72.0, 72.1, 72.2])
    assert judged(*clear).text == BEATS
    assert "not the method in general" in judged(*clear).reason
    assert judged([72.0, 72.3, 71.9], [72.0, 72.1, 72.2]).text == DOES_NOT
    assert judged(*clear, exceeding=2).text == "not supported: luck of the draw is not ruled out"
    assert "At least 5 would" in judged(*clear, exceeding=2).reason
    assert judged(*clear, random=Effort(59, 59)).text == "not supported: too few random evaluations"
    assert "59" in judged(*clear, random=Effort(59, 59)).reason
    assert judged(*clear, random=Effort(0, 0)).text == "not supported: there is no random search"
    assert judged([75.0], [72.0], seeds=1).text == "not supported: fewer than two seeds"
    assert judged([], [72.0]).text == "not supported: no test figures"
    table = judged([75.0] * 3, [72.0] * 3, deterministic=True)
    assert table.text == BEATS
    assert "figures without noise" in table.reason


def test_runs_need_equal_evaluations_and_two_of_them() -> None:
    gain = gain_over_random_search([[75.0], [76.0], [75.5]], [[72.0], [71.0], [72.5]])
    assert judge_runs(gain, True).text == BEATS
    assert "needs 10 or more" in judge_runs(gain, True).reason
    assert judge_runs(gain, False).text == "not supported: too few random evaluations"
    assert judge_runs(gain_over_random_search([[75.0]], [[72.0]]), True).text == "not supported: fewer than two runs"
    worse = gain_over_random_search([[70.0], [76.0], [72.5]], [[72.0], [71.0], [72.5]])
    assert judge_runs(worse, True).text == DOES_NOT


def test_determinism_needs_repeats_that_agree() -> None:
    assert is_deterministic([[1.0, 1.0], [2.0]])
    assert not is_deterministic([[1.0], [2.0]])
    assert not is_deterministic([[1.0, 1.1], [2.0, 2.0]])
