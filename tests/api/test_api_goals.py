"""A search under constraints: winners, random winners and the random sample all keep them."""

import automl
from automl import Integer, Space


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
