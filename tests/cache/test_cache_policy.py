"""Replicates, forgetting and audits follow from the study's seed and the trial alone."""

import math
import statistics

import pytest

from automl.cache.policy import AUDIT, FORGET, Occurrences, Policy, ReplicatePlan, draw
from automl.errors import InvalidInput

A, B = b"a" * 16, b"b" * 16


def plans(policy: Policy, keys: list[bytes], seed: int = 1) -> list[ReplicatePlan]:
    occurrences = Occurrences(policy, seed)
    return [occurrences.plan(key, trial) for trial, key in enumerate(keys)]


def test_each_occurrence_adds_a_replicate_until_there_are_k() -> None:
    found = plans(Policy(replicates=3), [A, B, A, A, A, B])
    assert [(plan.first, plan.replicates, plan.adds) for plan in found] == [
        (0, 1, 1),
        (0, 1, 1),
        (0, 2, 1),
        (0, 3, 1),
        (0, 3, 0),
        (0, 2, 1),
    ]
    assert not any(plan.audit for plan in found)


def test_forgetting_shows_the_new_replicate_alone_and_keeps_it_for_later() -> None:
    found = plans(Policy(replicates=2, forget_probability=1.0), [A] * 4)
    assert [(plan.first, plan.replicates, plan.adds) for plan in found] == [(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 4, 1)]
    policy = Policy(replicates=1, forget_probability=0.3)
    seed = next(
        seed for seed in range(1000) if [draw(seed, n, FORGET) < 0.3 for n in (1, 2, 3)] == [False, True, False]
    )
    found = plans(policy, [A] * 4, seed)
    assert [(plan.first, plan.replicates, plan.adds) for plan in found] == [(0, 1, 1), (0, 1, 0), (1, 2, 1), (0, 2, 0)]


def test_the_first_occurrence_is_never_forgotten_and_audits_are_of_hits_only() -> None:
    policy = Policy(replicates=2, forget_probability=0.0, audit_probability=1.0)
    assert [plan.audit for plan in plans(policy, [A, A, A, B, B, A, B])] == [
        False,
        False,
        True,
        False,
        False,
        True,
        True,
    ]
    assert all(plan.first == 0 for plan in plans(Policy(forget_probability=1.0), [A, B]))


def test_plans_are_the_same_again_and_differ_between_seeds() -> None:
    policy = Policy(replicates=3, forget_probability=0.2, audit_probability=0.2)
    keys = [bytes([trial * trial % 13]) * 16 for trial in range(500)]
    assert plans(policy, keys) == plans(policy, keys)
    assert plans(policy, keys) != plans(policy, keys, seed=2)


def test_switching_audits_on_moves_no_forgetting() -> None:
    keys = [bytes([trial % 7]) * 16 for trial in range(300)]
    without = plans(Policy(forget_probability=0.3), keys)
    with_audits = plans(Policy(forget_probability=0.3, audit_probability=0.5), keys)
    assert [(one.first, one.replicates) for one in without] == [(one.first, one.replicates) for one in with_audits]
    assert any(one.audit for one in with_audits)


@pytest.mark.parametrize("stream", [FORGET, AUDIT])
def test_draws_are_uniform_over_trials_and_over_seeds(stream: int) -> None:
    for draws in ([draw(7, n, stream) for n in range(20_000)], [draw(n, 7, stream) for n in range(20_000)]):
        assert all(0 <= one < 1 for one in draws)
        assert abs(statistics.fmean(draws) - 0.5) < 5 * math.sqrt(1 / 12 / 20_000)
        share = sum(one < 0.1 for one in draws) / 20_000
        assert abs(share - 0.1) < 5 * math.sqrt(0.09 / 20_000)


def test_streams_are_independent() -> None:
    pairs = [(draw(7, n, FORGET), draw(7, n, AUDIT)) for n in range(20_000)]
    assert abs(statistics.correlation(*zip(*pairs, strict=True))) < 0.04


@pytest.mark.parametrize(
    "wrong",
    [
        {"replicates": 0},
        {"forget_probability": -0.1},
        {"audit_probability": 1.1},
        {"on_duplicate": "ignore"},
        {"forget_probability": math.nan},
    ],
)
def test_a_policy_out_of_range_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Policy(**wrong)  # type: ignore[arg-type]
