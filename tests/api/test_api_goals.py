"""A search under constraints: winners, random winners and the random sample all keep them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest

import automl
from automl import Integer, Space
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator
from automl.jsontext import canonical
from automl.report.html import page
from automl.storage.studies import StudyStore


class Sized(Space):
    x = Integer(0, 9)
    y = Integer(0, 9)

    def costs(self, c):
        return {"size": c.x}


def score(candidate, seed):
    return {"score": 10 * candidate.x + candidate.y}


def test_whoever_is_tested_keeps_the_constraints(tmp_path):
    study = automl.search(
        Sized(),
        evaluator=score,
        objective="score",
        strategy="nsga2",
        settings={"objectives": "score:maximize,size:minimize", "constraints": "size<=5", "population": 10},
        trials=60,
        sample=8,
        workers=0,
        storage=f"sqlite:///{tmp_path / 'goals.db'}",
    )
    assert any(trial.costs["size"] > 5 for trial in study.trials())
    assert study.best.candidate.x == 5
    found = study.report().json()
    for group in ("winners", "random_winners", "random_sample"):
        assert found[group]
        assert all(item["costs"]["size"] <= 5 for item in found[group])
    assert found["winners"][0]["candidate"]["x"] == 5
    figures = [item["figures"] for item in found["pareto"]["front"]]
    assert all(item["size"] <= 5 for item in figures)
    assert [item["score"] for item in figures] == sorted(item["score"] for item in figures)
    study.close()


def noisy(candidate, seed, part):
    return {"score": candidate.x + candidate.y / 10 + seed % 1_000_003 / 10_000_019}


@pytest.fixture
def fronted(tmp_path):
    opened = []

    def run(objectives="score:maximize,size:minimize", **given):
        opened.append(
            automl.search(
                Sized(),
                evaluator=noisy,
                objective="score",
                strategy="nsga2",
                settings={"objectives": objectives, "population": 10},
                sample=8,
                workers=0,
                storage=f"sqlite:///{tmp_path / 'front.db'}",
                **{"trials": 60, **given},
            )
        )
        return opened[-1]

    yield run
    for study in opened:
        study.close()


def members_tested(study):
    store = StudyStore(study.database)
    record = [child for child in store.phase_studies(study.record_id) if child.kind == "test"][-1]
    return [trial for trial in store.by_number(record.id) if trial.origin == "front member"]


def test_every_member_of_the_front_is_tested_with_fresh_seeds(fronted):
    study = fronted(test_seeds=4)
    report = study.report()
    pareto = report.json()["pareto"]
    assert len(pareto["front"]) >= 5
    for item in pareto["front"]:
        assert len(item["test_values"]) == 4
        assert item["test"] == pytest.approx(sum(item["test_values"]) / 4)
        assert item["fitness"] not in item["test_values"]  # what selected it is no test figure
    assert pareto["tested"] == "All members were evaluated on the test part like the winners (4 fresh seeds each)."
    assert pareto["tested"] in str(report).replace("\n", " ")
    assert pareto["tested"] in page(report.data)
    by_trial = {trial.number: trial.key for trial in study.trials()}
    assert {trial.key for trial in members_tested(study)} == {by_trial[item["trial"]] for item in pareto["front"]}
    assert {trial.replicates for trial in members_tested(study)} == {4}


def test_of_a_long_front_those_farthest_apart_are_tested(fronted):
    study = fronted(front=3)
    pareto = study.report().json()["pareto"]
    own = {trial.candidate for trial in members_tested(study)}
    assert len(own) == 3
    ends = {canonical(pareto["front"][place]["candidate"]) for place in (0, -1)}
    assert ends < own
    assert f"{len(pareto['front'])} candidates on the front, those that were tested" in page(study.report().data)
    assert pareto["tested"].startswith(f"The 3 of {len(pareto['front'])} members that lie farthest apart were")


@pytest.mark.parametrize("given", [{"front": 0}, {"objectives": ""}])
def test_no_front_is_tested_where_it_is_off_or_there_is_one_objective(fronted, given):
    study = fronted(**given)
    assert members_tested(study) == []
    assert study.report().json()["pareto"]["tested"] is None


@dataclass(frozen=True)
class Scored(Evaluator):
    name: ClassVar[str] = "scored"
    inline: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {"score": "maximize"}

    def evaluate(self, work, how):
        return {"score": float(work.behaviour.value["x"])}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objectives": "score:maximize,latency:minimize"}, "unknown .* 'latency'; known: fitness, score, size"),
        ({"objectives": "scores:maximize"}, "unknown .* 'scores'; did you mean score"),
        ({"constraints": "sizes<3"}, "unknown .* 'sizes'; did you mean size"),
    ],
)
def test_a_figure_that_nobody_measures_is_refused_before_anything_is_written(settings, words, tmp_path):
    with pytest.raises(InvalidInput, match=words):
        automl.search(
            Sized(),
            evaluator=Scored(),
            strategy="nsga2",
            settings=settings,
            trials=20,
            workers=0,
            storage=f"sqlite:///{tmp_path / 'none.db'}",
        )
    assert list(tmp_path.iterdir()) == []
