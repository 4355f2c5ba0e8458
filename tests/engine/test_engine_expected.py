"""Winners by what a model expects: fitted to each search's own trials, charged with no evaluation, and reported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import automl
from automl.engine import expecting
from automl.report.reading.collect import collect
from automl.report.summary import study_json
from automl.selection.contest import expected_of
from automl.strategies.surrogate.expectations import OBSERVED, expectations
from automl.strategies.surrogate.learned import representative

NOISE = 0.15


class Bowl(automl.Space):
    """A number; the best one is 0.3."""

    x = automl.Real(-1.0, 1.0)


def lucky(candidate: Any, seed: int) -> float:
    """What is measured: the true figure and the luck of one seed."""
    return truth(candidate) + NOISE * float(np.random.default_rng(seed).normal())


def truth(candidate: Any) -> float:
    return -float((candidate.x - 0.3) ** 2)


def search(folder: Path, trials: int = 60, **more: Any) -> automl.Study:
    given = {"strategy": "random", "confirm": 2, "winner_by": "model", "finalists": 2, "sample": 3, "test_seeds": 2}
    given |= {"baseline": False} if "strategy" not in more else {}
    return automl.search(
        Bowl(), evaluator=automl.FunctionEvaluator(lucky, code_version="1"), trials=trials, workers=0, study="bowl",
        storage=f"sqlite:///{folder}/a.db", **{**given, **more},
    )  # fmt: skip


def test_the_winner_is_what_the_model_expects_most_of_in_search_and_random_search_alike(tmp_path: Path) -> None:
    study = search(tmp_path, strategy="regularized_evolution", settings={"population": 10})
    store, record = study.store, study.store.by_id(study.record_id)
    phases = {child.kind: child for child in store.phase_studies(record.id)}
    assert sorted(phases) == ["baseline", "test"]  # nothing is evaluated again on validation
    for trials_of, role in ((record.id, "search winner"), (phases["baseline"].id, "random winner")):
        found = expected_of(store, trials_of)
        assert len(found["positions"]) == 8  # as many as could ever be confirmed, in case some fail
        tested = [one.candidate for one in store.by_number(phases["test"].id) if one.origin == role]
        assert [one.candidate for one in store.trials_at(trials_of, found["positions"][:2])] == tested
        assert found["model"]["trials"] > 30
    # the luckiest of sixty is far above what it is worth; what the model expects most of is near the best
    data = collect(study.database, "bowl", Bowl())
    best = data.best
    assert best is not None
    x = json.loads(best.candidate)["x"]
    luckiest = max((one for one in study.trials() if one.fitness is not None), key=lambda one: one.fitness or 0.0)
    assert abs(x - 0.3) < 0.25
    assert best.fitness < luckiest.fitness
    assert best.description == f"x={x:g}" or str(x)[:5] in best.description
    assert "a model expects most of" in data.confirmed
    assert "no evaluation" in data.confirmed
    facts = dict(data.facts)["Model that picked the winner"]
    assert [name for name, _ in facts] == ["foretold", "rank correlation", "calibration", "carried by"]
    said = json.loads(json.dumps(study_json(data)))
    assert said["winner_model"]["trials"] == expected_of(store, record.id)["model"]["trials"]
    assert said["confirmation"] is None


def test_those_that_the_model_expects_most_of_are_evaluated_again_and_their_mean_decides(tmp_path: Path) -> None:
    study = search(tmp_path, winner_by="both", confirm=4)
    store = study.store
    phases = {child.kind: child for child in store.phase_studies(study.record_id)}
    again = [one for one in store.by_number(phases["confirmation"].id) if one.origin == "search winner"]
    expected = store.trials_at(study.record_id, expected_of(store, study.record_id)["positions"])
    assert [one.candidate for one in again] == [one.candidate for one in expected[:2]]
    assert [one.replicates for one in again] == [4, 4]
    best = max(again, key=lambda one: one.fitness or -9.0)
    assert (study.best.fitness, study.best.replicates) == (best.fitness, 4)
    said = collect(study.database, "bowl", Bowl()).confirmed
    assert said.startswith("Of those that a model expects most of, fitted to")
    assert "by the mean of 4 evaluations on validation" in said
    assert "that took 6 more evaluations in all" in said


def test_a_search_that_goes_on_is_judged_anew_and_one_that_does_not_keeps_its_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[int] = []
    really = expecting.keep_expected
    monkeypatch.setattr(expecting, "keep_expected", lambda *given: (fits.append(given[1]), really(*given)))
    first = search(tmp_path, 30)
    best = first.best.candidate
    assert len(fits) == 1  # random search is its own baseline
    assert search(tmp_path, 30).best.candidate == best
    assert len(fits) == 1
    again = search(tmp_path, 60)
    assert len(fits) == 2
    assert expected_of(again.store, again.record_id)["of"] == 60
    with pytest.raises(automl.AutoMLError, match="winner_by"):
        search(tmp_path, 60, winner_by="replicates")
    with pytest.raises(automl.InvalidInput, match="'replicates' or 'model' or 'both'"):
        search(tmp_path, 60, winner_by="luck")


def test_nothing_that_failed_or_breaks_a_constraint_is_a_winner(tmp_path: Path) -> None:
    def picky(candidate: Any, seed: int) -> dict[str, float]:
        if candidate.x < -0.5:
            raise ValueError("too small")
        return {"fitness": lucky(candidate, seed), "size": candidate.x}

    study = automl.search(
        Bowl(), evaluator=automl.FunctionEvaluator(picky, code_version="1"), trials=40, workers=0, study="picky",
        storage=f"sqlite:///{tmp_path}/a.db", strategy="nsga2", winner_by="model", sample=2, test_seeds=1,
        settings={"objectives": "fitness:maximize", "constraints": "size<=0.1", "population": 8},
    )  # fmt: skip
    phases = {child.kind: child.id for child in study.store.phase_studies(study.record_id)}
    for number in (study.record_id, phases["baseline"]):
        records = list(study.store.trials(number))
        assert number == study.record_id or any(one.fitness is None for one in records)
        assert any(one.metrics.get("size", 0.0) > 0.1 for one in records)
        picked = study.store.trials_at(number, expected_of(study.store, number)["positions"])
        assert picked
        assert all(one.fitness is not None and one.metrics["size"] <= 0.1 for one in picked)


def test_of_many_candidates_the_best_and_a_spread_of_the_others_are_observed() -> None:
    worth = np.arange(2000.0)
    chosen = representative(worth, OBSERVED)
    assert len(chosen) == OBSERVED
    assert chosen[-OBSERVED // 2 :].tolist() == list(range(2000 - OBSERVED // 2, 2000))
    assert chosen[0] == 0
    assert representative(worth[:7], OBSERVED).tolist() == list(range(7))
    alike = [Bowl().decode({"x": x}) for x in (0.1, 0.2)]
    found = expectations(Bowl(), None, alike, [0.5, 0.5])
    assert (list(found.order), found.account) == ([0, 1], {})
