"""Learning curves in a study and its report: from real searches whose evaluators report on their way."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from scipy import stats

import automl
from automl.behaviour import Configuration
from automl.errors import InvalidInput

EPOCHS = 8


class Slopes(automl.Space):
    """How high a curve ends, and how fast it gets there: there are two speeds, each with two names."""

    height = automl.Integer(0, 30)
    speed = automl.Integer(1, 4)

    def behaviour(self, candidate):
        return Configuration({"height": candidate.value["height"], "fast": candidate.value["speed"] > 2})


def course(candidate, seed, epoch):
    height, speed = candidate.value["height"], 4 if candidate.value["speed"] > 2 else 1
    noise = np.random.default_rng(seed).normal(0.0, 0.3)
    return height * (1 - math.exp(-speed * epoch / EPOCHS)) + noise


def learner(candidate, seed, report):
    for epoch in range(1, EPOCHS + 1):
        report(epoch, {"fitness": course(candidate, seed, epoch), "loss": 1 / epoch})
    return course(candidate, seed, EPOCHS)


def silent(candidate, seed):
    return course(candidate, seed, EPOCHS)


def of_loss(candidate, seed, report):
    report(1, {"loss": 1.0})
    return course(candidate, seed, EPOCHS)


def searched(evaluator, storage, **settings):
    return automl.search(
        Slopes(), evaluator=evaluator, trials=120, workers=0, storage=storage, strategy="random", **settings
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = searched(learner, f"sqlite:///{tmp_path_factory.mktemp('learning') / 'automl.db'}", study="curves")
    yield made
    made.close()


def test_every_trial_has_the_curves_of_its_class_hits_too(study):
    trials = list(study.trials())
    hits = [trial for trial in trials if trial.outcome == "hit"]
    assert len(hits) > 5
    for trial in [*hits[:5], trials[0]]:
        (curve, *more) = study.learning_curves(trial.number)
        assert curve.epochs == list(range(1, EPOCHS + 1))
        assert curve.points[-1][1]["fitness"] == trial.fitness
        assert all(one.metrics == ["fitness", "loss"] for one in more)
    with pytest.raises(InvalidInput, match="study curves has no trial 120; its trials are numbered from 0"):
        study.learning_curves(120)


def test_the_best_has_one_curve_for_each_evaluation_that_confirmed_it(study):
    best = study.best
    curves = study.learning_curves(best.trial)
    assert len(curves) == best.replicates == 2
    assert best.fitness == pytest.approx(sum(curve.points[-1][1]["fitness"] for curve in curves) / 2)


def test_the_report_shows_winners_and_an_even_choice_and_how_early_the_order_was_known(study):
    found = study.report().json()["learning_curves"]
    assert found["reported"] == ["fitness", "loss"]
    by_origin = defaultdict(list)
    for line in found["lines"]:
        assert line["epochs"] == list(range(1, EPOCHS + 1))
        by_origin[line["origin"]].append(line)
    winner = by_origin["search winner"][0]
    assert (winner["rank"], winner["replicates"]) == (1, 2)
    assert winner["fitness"][-1] == pytest.approx(study.best.fitness)
    assert 40 < len(by_origin["trial"]) <= 100  # distinct classes of 100 trials evenly chosen
    finals, after = {}, defaultdict(dict)
    for part in (study, automl.Study.open("curves/random", study.database.url)):  # whoever evaluated, classes count
        for trial in part.trials():
            curve = part.learning_curves(trial.number)[0]
            finals[trial.key] = curve.points[-1][1]["fitness"]
            for epoch, metrics in curve.points:
                after[epoch][trial.key] = metrics["fitness"]
    assert [item["epoch"] for item in found["order_known"]] == list(range(1, EPOCHS + 1))
    for item in found["order_known"]:
        keys = list(finals)
        tau = stats.kendalltau([after[item["epoch"]][key] for key in keys], [finals[key] for key in keys]).statistic
        assert item["pairs"] == len(keys)
        assert item["kendall"] == pytest.approx(tau)
    assert found["order_known"][0]["kendall"] < 0.95 < found["order_known"][-1]["kendall"] == 1.0


def test_terminal_and_page_say_so(study, tmp_path):
    tau = study.report().json()["learning_curves"]["order_known"][0]["kendall"]
    assert f"Kendall's τ {tau:.4g} after epoch 1" in " ".join(str(study.report()).split())
    page = study.report().save(tmp_path / "report.html").read_text()
    assert "How they learned" in page
    for plot in ("learning-curves", "order-by-epoch"):
        assert f'download="{plot}.csv"' in page


def test_a_study_whose_evaluations_reported_nothing_shows_nothing(tmp_path):
    with_none = searched(silent, f"sqlite:///{tmp_path / 'automl.db'}")
    assert with_none.report().json()["learning_curves"] is None
    assert with_none.learning_curves(0) == []
    assert "How they learned" not in with_none.report().save(tmp_path / "report.html").read_text()
    with_none.close()


def test_curves_of_other_metrics_are_named_in_a_note(tmp_path):
    other = searched(of_loss, f"sqlite:///{tmp_path / 'automl.db'}")
    report = other.report()
    assert report.json()["learning_curves"]["lines"] == []
    assert "Learning curves hold loss and not fitness; `study.learning_curves` has them." in report.json()["notes"]
    assert "How they learned" not in report.save(tmp_path / "report.html").read_text()
    other.close()


def test_results_of_another_study_may_lack_this_ones_objective(tmp_path):
    """Both share one context, and so their results; the objective is no part of it."""

    def sometimes(candidate, seed, report):
        report(1, {"fitness": 1.0, "loss": 2.0})
        height = float(candidate.value["height"])
        return {"fitness": height} if candidate.value["height"] % 2 else {"fitness": height, "loss": -height}

    url = f"sqlite:///{tmp_path / 'automl.db'}"
    evaluator = automl.FunctionEvaluator(sometimes, code_version="1")
    searched(evaluator, url, study="one").close()
    other = searched(evaluator, url, study="two", objective="loss", direction="minimize", seed=1)
    assert other.report().json()["learning_curves"]["reported"] == ["fitness", "loss"]
    other.close()


def test_a_study_of_several_runs_asks_for_one_of_them(tmp_path):
    several = searched(learner, f"sqlite:///{tmp_path / 'automl.db'}", repeats=2)
    with pytest.raises(InvalidInput, match=r"has several runs; ask one: study.runs\[0\].learning_curves\(3\)"):
        several.learning_curves(3)
    assert several.runs[1].learning_curves(3)
    several.close()


@pytest.mark.usefixtures("ray_session")
def test_curves_of_ray_workers_and_of_cheaper_fidelities(tmp_path):
    """Halving gives the better third more epochs: curves of different lengths, each class's longest one shown."""
    study = automl.search(
        "digits-cells", strategy="successive_halving", trials=24, window=4, sample=2, test_seeds=1, confirm=1,
        baseline=False, settings={"evaluator.epochs": 4}, workers=2, storage=f"sqlite:///{tmp_path / 'automl.db'}",
    )  # fmt: skip
    found = study.report().json()["learning_curves"]
    lengths = {line["epochs"][-1] for line in found["lines"] if line["origin"] == "trial"}
    assert max(lengths) == 4
    assert len(lengths) > 1
    assert found["reported"] == ["accuracy", "loss", "train_loss"]
    study.close()
