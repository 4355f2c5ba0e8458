"""The false-merge rate: planted false merges are found, noise is not mistaken for them, intervals cover."""

import json
from pathlib import Path

import numpy as np
import pytest
from cache_parts import asked, done

from automl.cache.audits import Pair, audit_report, judge, pooled_noise
from automl.cache.store import EquivalenceCache
from automl.errors import InvalidInput
from automl.storage.engine import Database
from automl.storage.sessions import Session


def audited(database: Database, *, noise: float, false_merges: int, classes: int = 60, replicates: int = 2):
    """Fills a cache with classes of which some hold two functions, each audited once by another spelling."""
    rng = np.random.default_rng(5)
    with Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context({"task": "noisy"})
        for number in range(classes):
            key, value = number.to_bytes(16, "big"), rng.uniform(0.5, 0.9)
            requests = [
                asked(number, key, json.dumps([number, "first"]), replicates),
                asked(1000 + number, key, json.dumps([number, "other spelling"]), audit=True),
            ]
            for one in cache.resolve_many(context, 1, requests, None):
                for claim in one.claims:
                    shift = 0.1 if claim.replicate < 0 and number < false_merges else 0.0
                    metrics = {"accuracy": float(value + shift + rng.normal(0, noise))}
                    cache.finish_many(context, [done(claim, metrics, 1.0)])
    return context


@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_planted_false_merges_are_counted_and_nothing_else(tmp_path: Path, noise: float) -> None:
    with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        context = audited(database, noise=noise, false_merges=6)
        report = audit_report(database, "accuracy")
        assert (report.audited, report.disagreeing, report.noise_from) == (60, 6, "replicates")
        assert report.rate == 0.1
        assert report.low == pytest.approx(0.0376, abs=1e-3)  # Clopper-Pearson for 6 of 60
        assert report.high == pytest.approx(0.2051, abs=1e-3)
        assert "6 of 60 audited merges disagree beyond noise: false-merge rate 10.00%" in report.sentence()
        assert audit_report(database, "accuracy", context=context, studies=[1]) == report
        assert audit_report(database, "accuracy", studies=[2]).audited == 0
        assert audit_report(database, "accuracy", studies=[1, 2]) == report
        assert audit_report(database, "accuracy", studies=[]).audited == 0
        assert json.loads(json.dumps(report.as_json()))["audited"] == 60


def test_without_replicates_the_audits_own_spread_is_the_noise(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        audited(database, noise=0.004, false_merges=3, replicates=1)
        report = audit_report(database, "accuracy")
        assert (report.disagreeing, report.noise_from) == (3, "audits")
        assert 0.002 < (report.noise or 0) < 0.008


def test_a_class_that_fails_in_one_spelling_only_is_a_false_merge() -> None:
    pairs = [Pair(0.5, 0.5, 1)] * 8 + [Pair(None, 0.5, 1), Pair(None, None, 1)]
    report = judge(pairs, 0.01, 20)
    assert (report.audited, report.disagreeing) == (10, 1)


def test_with_too_little_to_know_the_noise_no_rate_is_claimed(tmp_path: Path) -> None:
    report = judge([Pair(0.5, 0.6, 1)] * 3, None, 0)
    assert (report.audited, report.rate) == (3, None)
    assert "noise between replicates is not known" in report.sentence()
    with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        assert "no merge was audited" in audit_report(database, "accuracy").sentence()


def test_right_merges_raise_a_false_alarm_no_more_often_than_promised() -> None:
    """100,000 right merges under noise known from 40 classes of 3: one in a thousand may look false."""
    rng = np.random.default_rng(11)
    alarms = total = 0
    for _ in range(100):
        noise, freedom = pooled_noise(rng.normal(0, 1, (40, 3)).tolist())
        audits, means = rng.normal(0, 1, 1000), rng.normal(0, 1 / np.sqrt(3), 1000)
        alarms += judge([Pair(a, m, 3) for a, m in zip(audits, means, strict=True)], noise, freedom).disagreeing
        total += 1000
    assert 0.0004 < alarms / total < 0.0025


def test_equal_spellings_say_nothing_about_merging(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'x.db'}") as database, Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context({})
        for _ in range(2):
            (one,) = cache.resolve_many(context, 1, [asked(0, b"k" * 16, '"same"', audit=True)], None)
            for claim in one.claims:
                cache.finish_many(context, [done(claim, {"accuracy": 1.0}, 1.0)])
        assert audit_report(database, "accuracy").audited == 0


def test_a_metric_that_is_not_there_is_named(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        audited(database, noise=0.0, false_merges=0, classes=2)
        with pytest.raises(InvalidInput, match="no metric 'loss'"):
            audit_report(database, "loss")


def test_pooled_noise_is_the_textbooks() -> None:
    noise, freedom = pooled_noise([[1.0, 3.0], [10.0], [5.0, 5.0, 8.0]])
    assert freedom == 3
    assert noise == pytest.approx(((2 + 6) / 3) ** 0.5)
    assert pooled_noise([[1.0]]) == (None, 0)
