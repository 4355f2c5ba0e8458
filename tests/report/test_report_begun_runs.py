"""Runs of one method that begin with known results, or compare a short random search: what all of them must beat."""

import math

import automl
from automl.report import compare


class Wide(automl.Space):
    x = automl.Integer(0, 4000)


GIVEN = {
    "evaluator": automl.FunctionEvaluator(lambda c: -math.log1p(abs(c.x - 3000)), code_version="1"),
    "workers": 0,
    "progress": False,
    "sample": 4,
}


def test_runs_that_begin_with_what_is_known_are_judged_together_as_each_alone(tmp_path):
    """Known results make a search better than a cold random search; that is no merit of the strategy."""
    given = {**GIVEN, "storage": f"sqlite:///{tmp_path / 'known.db'}", "trials": 6, "begin_from": ["known"]}
    automl.search(Wide(), study="known", **{**given, "strategy": "random", "trials": 200, "seed": 77, "begin_from": []})
    studies = [
        automl.search(Wide(), study=f"s{seed}", strategy="local_search", seed=seed, namespace=f"n{seed}", **given)
        for seed in range(5)
    ]
    found = [study.report().data for study in studies]
    assert not any(one.verdict.beats for one in found)
    [method] = compare(found).methods
    assert method.gain.low is not None
    assert method.gain.low > 0
    assert not method.verdict.beats
    assert "begins with the same known results" in method.verdict.reason


def test_what_a_model_expects_of_first_trials_is_learned_from_these_alone(tmp_path):
    given = {**GIVEN, "storage": f"sqlite:///{tmp_path / 'short.db'}", "strategy": "surrogate", "winner_by": "model"}
    study = automl.search(Wide(), study="short", trials=24, baseline=0.25, **given)
    data = study.report().data
    assert data.compared_at == 6
    first = {trial.candidate for trial in study.trials() if trial.position < 6}
    assert data.early_winners
    assert {one.candidate for one in data.early_winners} <= first
    assert data.rivals == data.early_winners
