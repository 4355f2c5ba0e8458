"""Statistics of any finite figures: a report, no exception, JSON without NaN, no interval where there is none."""

import json
import math
import sys

import numpy as np
import pytest
from evidence_parts import database, searched, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.cache.audits import Pair, judge, pooled_noise
from automl.evidence import (
    difference,
    gain_over_random_search,
    rank_agreement,
    ratio,
    relative_improvement,
    results_table,
)
from automl.evidence.means import mean
from automl.report.reading.bands import bands
from automl.report.reading.thinning import Values
from automl.report.study_part import Curve

LARGEST = sys.float_info.max
finite = st.floats(allow_nan=False, allow_infinity=False)
special = st.sampled_from([0.0, -0.0, LARGEST, -LARGEST, 5e-324, 1e-200, -1e-200, 1e200, 1.0, -1.0])
figures = st.lists(finite | special, min_size=1, max_size=14)
runs = st.lists(figures, min_size=1, max_size=12)


def sound(estimate):
    json.dumps(estimate.to_json(), allow_nan=False)
    ends = (estimate.low, estimate.high)
    assert (ends[0] is None) == (ends[1] is None)
    if None not in ends:
        slack = 1e-9 * max(map(abs, ends))
        assert ends[0] - slack <= estimate.value <= ends[1] + slack
    return estimate


@settings(max_examples=300, deadline=None)
@given(runs, runs, st.booleans())
def test_any_figures_give_sound_estimates(one, other, minimize):
    for found in (
        difference(one, other),
        ratio(one, other),
        relative_improvement(one, other, minimize=minimize),
        gain_over_random_search(one, other, minimize=minimize),
    ):
        sound(found)


@settings(max_examples=300, deadline=None)
@given(figures)
def test_a_mean_lies_among_its_figures(values):
    assert min(values) <= mean(values) <= max(values)


@settings(max_examples=200, deadline=None)
@given(figures)
def test_moments_of_any_figures_can_be_written(values):
    found = Values()
    for value in values:
        found.add(value)
    sample = found.sample()
    assert min(values) <= sample.mean <= max(values)
    json.dumps([sample.mean, sample.deviation], allow_nan=False)
    if 1e-200 < max(map(abs, values)) < 1e100:
        assert sample.mean == pytest.approx(float(np.mean(values)), rel=1e-6, abs=1e-9 * max(map(abs, values)))


@settings(max_examples=100, deadline=None)
@given(figures, figures)
def test_ranks_bands_and_audits_of_any_figures(one, other):
    size = min(len(one), len(other))
    rank_agreement(one[:size], other[:size])
    curves = [
        Curve(list(range(len(best))), list(range(len(best))), [float(i) for i in range(len(best))], best)
        for best in (one, other)
    ]
    json.dumps(bands(curves).to_json(), allow_nan=False)
    noise, freedom = pooled_noise([one, other])
    found = judge([Pair(a, b, 1) for a, b in zip(one, other, strict=False)], noise, freedom)
    json.dumps(found.as_json(), allow_nan=False)


def test_scaling_by_any_power_of_two_changes_no_interval():
    one, other = [1.0, 1.5, 1.25], [0.5, 0.75, 1.0]
    plain = difference(one, other), ratio(one, other)
    for power in (-900, -300, 300, 1000):
        scaled = [[math.ldexp(value, power) for value in side] for side in (one, other)]
        far = difference(*scaled), ratio(*scaled)
        assert [math.ldexp(far[0].low, -power), far[1].low] == [plain[0].low, plain[1].low]


@pytest.mark.parametrize("size", [2, 9, 10, 12, 30])
@pytest.mark.parametrize("shift", [0.0, 0.02, -0.05])
def test_no_ratio_over_a_mean_near_zero_has_two_ends(size, shift):
    rng = np.random.default_rng(1)
    below = rng.normal(0.0, 1.0, size)
    below += shift - below.mean()
    assert ratio(list(rng.normal(1.0, 1.0, size)), list(below)).low is None
    for method in (ratio(list(rng.normal(1.0, 1.0, size)), list(below)).method,):
        assert "denominator" in method


@pytest.mark.parametrize("size", [5, 12])
@pytest.mark.parametrize("t", [3.0, 10.0])
def test_ratios_cover_as_they_claim_near_and_far_from_zero(size, t, monkeypatch):
    monkeypatch.setattr("automl.evidence.intervals.RESAMPLES", 1000)
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        below = t / math.sqrt(size)
        found = ratio(list(rng.normal(1.1 * below, 1, size)), list(rng.normal(below, 1, size)))
        covered += found.low is None or found.low <= 1.1 <= found.high
    assert covered >= 0.92 * 400


def test_a_ratio_of_zeros_is_zero_and_exact():
    found = ratio([0.0, 0.0, 0.0], [1.0, 1.1, 1.2])
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def third(candidate, seed):
    return LARGEST if candidate.x % 3 == 0 else 0.1 + candidate.x / 100 + (seed % 7) / 1000


def both(candidate, seed):
    return [LARGEST, -LARGEST, seed % 100 * 1e300][candidate.x % 3]


def tiny(candidate, seed):
    return 5e-324 * (candidate.x + seed % 9)


@pytest.mark.parametrize("function", [third, both, tiny])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_search_over_extreme_figures_ends_in_a_report(tmp_path, function, direction):
    study = searched(database(tmp_path), evaluator=function, direction=direction, confirm=3)
    _, page, data = texts(study.report())
    json.dumps(data, allow_nan=False)
    assert "nan" not in page.partition("<footer")[0].lower().replace("nano", "")


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "results.csv"
    path.write_bytes(text.encode(encoding))
    return results_table(path)


@pytest.mark.parametrize(
    ("method", "random", "warned"),
    [
        ([97.1, 97.2], [0.961, 0.962], True),
        ([0.971, 0.972], [96.1, 96.2], True),
        ([97.1, 0.972], [96.1, 96.2], True),
        ([73.0, 74.0], [1.0, 60.0], False),  # chance level of a hundred classes
        ([0.97, 0.98], [0.96, 0.5], False),
        ([97.0, 98.0], [96.0, 10.0], False),
        ([300.0, 310.0], [0.5, 290.0], False),  # no percent at all
    ],
)
def test_percent_beside_fractions_is_said(tmp_path, method, random, warned):
    rows = [f"d,m,method,{run},{value}" for run, value in enumerate(method)]
    rows += [f"d,m,random,{run},{value}" for run, value in enumerate(random)]
    found = table(tmp_path, "\n".join(["dataset,method,kind,run,acc", *rows]))
    assert bool(found.notes) == warned
    assert found.to_json()["notes"] == found.notes
