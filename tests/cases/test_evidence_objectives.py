"""A figure that is missing in one of several objectives fails that trial, and nothing else."""

import math

import pytest
from evidence_parts import Line, database, searched

from automl import InvalidInput

GOALS = {"objectives": "fitness:maximize,latency:minimize", "population": 8}


def odd(value):
    def rate(candidate, seed):
        return {"fitness": float(candidate.x), "latency": value if candidate.x % 2 else float(candidate.x)}

    return rate


def left_out(candidate, seed):
    return {"fitness": 1.0 * candidate.x, **({} if candidate.x % 2 else {"latency": 1.0})}


class Priced(Line):
    def costs(self, candidate):
        return {"latency": math.nan if candidate.x % 2 else float(candidate.x)}


@pytest.mark.parametrize(
    ("space", "evaluator"),
    [
        (Line, odd(math.nan)),
        (Line, odd(math.inf)),
        (Line, odd(-math.inf)),
        (Line, left_out),
        (Priced, lambda candidate, seed: float(candidate.x)),
    ],
)
@pytest.mark.parametrize("settings", [GOALS, {"constraints": "latency<100", "population": 8}])
def test_a_missing_objective_fails_its_trial_only(tmp_path, space, evaluator, settings):
    study = searched(
        database(tmp_path), space=space(), evaluator=evaluator, strategy="nsga2", settings=settings, objective="fitness"
    )
    trials = list(study.trials())
    assert len(trials) == 30
    for trial in trials:
        odd_one = '"x":' in trial.candidate and int(trial.candidate.partition('"x":')[2].strip("}")) % 2 == 1
        assert (trial.outcome == "failed") == odd_one
        assert not odd_one or "'latency'" in trial.error
    assert study.best.candidate.x % 2 == 0
    assert str(study.report())
    # The evaluation stands: a search for the other figure alone is served.
    plain = searched(
        database(tmp_path),
        space=space(),
        evaluator=evaluator,
        objective="fitness",
        study="plain",
        settings={"population": 5},
    )
    assert all(trial.outcome != "failed" for trial in plain.trials())


def test_an_objective_that_no_trial_has_ends_the_search_early(tmp_path):
    settings = {"objectives": "fitness:maximize,latencyy:minimize"}
    with pytest.raises(InvalidInput, match=r"there is no metric 'latencyy'.* this search has fitness, latency"):
        searched(
            database(tmp_path), evaluator=odd(5.0), strategy="nsga2", settings=settings, objective="fitness", trials=500
        )


@pytest.mark.parametrize("sampler", ["tpe", "nsgaiii"])
def test_optunas_samplers_go_on_after_missing_and_huge_figures(tmp_path, sampler):
    def rate(candidate, seed):
        return [math.nan, 1.7e308, -1.7e308, 1.0][candidate.x % 4]

    study = searched(
        database(tmp_path), evaluator=rate, strategy="optuna", settings={"sampler": sampler}, trials=16, baseline=False
    )
    assert len(list(study.trials())) == 16
    assert study.best.fitness == 1.7e308
