"""Searches that rate with one evaluator and decide with another: whose figures stand where, and what is compared."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

import automl
from automl.errors import InvalidInput, StudyMismatch
from automl.evaluators.base import Fidelity
from automl.selection.seconds import seconds_of_evaluations
from automl.setup.parts import PartSettings, assemble


class Grid(automl.Space):
    x = automl.Integer(0, 9)
    y = automl.Integer(0, 9)


@dataclass(frozen=True)
class Rater(automl.Evaluator):
    """Sees x alone, and costs next to nothing."""

    name = "rater"
    version = "1"
    metrics = {"rating": "minimize"}
    steps: int = 1

    def evaluate(self, work, how):
        return {"rating": -float(json.loads(work.candidate)["x"]), "cost_seconds": 1.0}


@dataclass(frozen=True)
class Truth(automl.Evaluator):
    name = "truth"
    version = "1"
    metrics = {"score": "maximize"}
    noise: float = 0.1
    steps: int = 1

    def evaluate(self, work, how):
        candidate = json.loads(work.candidate)
        noise = np.random.default_rng(how.seed).normal() * self.noise
        return {"score": candidate["x"] + 0.1 * candidate["y"] + noise, "cost_seconds": 100.0}


SMALL = {
    "strategy": "regularized_evolution",
    "trials": 60,
    "trained": 5,
    "finalists": 1,
    "test_seeds": 3,
    "confirm": 2,
    "sample": 4,
}


def searched(folder, **changes):
    given = {"evaluator": Rater(), "final": Truth(), "simulated_workers": 2, "study": "two", "seed": 3}
    given = {**given, **SMALL, **changes}
    return automl.search(Grid(), storage=f"sqlite:///{folder}/two.db", **given)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = searched(tmp_path_factory.mktemp("two"))
    yield study
    study.close()


def phases(study):
    return {one.kind: one for one in study.store.phase_studies(study.record_id)}


def test_the_strategy_searches_by_ratings_and_the_final_evaluator_decides(study):
    rated = phases(study)["rating"]
    assert (rated.name, rated.trials, rated.settings["objective"]) == ("two/rated", 60, "rating")
    ratings = {trial.candidate: trial.fitness for trial in study.store.trials(rated.id)}
    decided = list(study.trials())
    assert len(decided) == 5
    assert all(set(trial.metrics) >= {"score"} for trial in decided)
    worst = max(ratings[trial.candidate] for trial in decided)
    assert sum(rating < worst for rating in set(ratings.values())) <= 5, "the best-rated ones, lowest first"
    assert "score" in study.best.metrics
    winner = study.report().data.winners[0]  # the search's own; study.best may be random search's
    best = max(decided, key=lambda trial: trial.fitness)
    assert winner.candidate in {trial.candidate for trial in decided}
    assert winner.fitness <= best.fitness + 0.5


def test_random_search_confirmation_and_tests_are_the_final_evaluators(study):
    for kind in ("baseline", "seconds", "confirmation", "test"):
        phase = phases(study)[kind]
        assert all("score" in trial.metrics for trial in study.store.trials(phase.id)), kind
    assert phases(study)["baseline"].settings["evaluations"] == 5


def test_equal_seconds_pay_for_the_ratings_too(study):
    rated = seconds_of_evaluations(study.store, phases(study)["rating"].id)
    final = seconds_of_evaluations(study.store, study.record_id)
    longer = phases(study)["seconds"].settings["evaluations"]
    assert (longer - 5) * final / 5 >= rated > (longer - 6) * final / 5
    first = [trial.candidate for trial in study.store.by_number(phases(study)["baseline"].id)]
    both = [trial.candidate for trial in study.store.by_number(phases(study)["seconds"].id)]
    assert both[: len(first)] == first
    hits = [trial.outcome for trial in study.store.by_number(phases(study)["seconds"].id)][: len(first)]
    assert set(hits) == {"hit"}, "what the other random search had is not evaluated again"


def test_the_report_has_ratings_and_trainings_in_columns_of_their_own(study, tmp_path):
    data = study.report().json()
    assert data["objective"] == "score"
    assert (data["rating"]["evaluator"], data["rating"]["objective"]) == ("rater", "rating")
    assert data["rating"]["trials"] == 60
    assert data["rating"]["gain_at_equal_seconds"]["value"] is not None
    assert any(one["what"].startswith("ratings and final evaluations") for one in data["rank_agreement"])
    assert data["winners"][0]["rating"] == -json.loads(study.best.candidate.json)["x"]
    text = str(study.report())
    assert "random search, equal seconds" in text
    assert "ratings (rater)" in text
    assert "random search, equal seconds" in study.report().save(tmp_path / "r.html").read_text()


def test_the_verdict_needs_both_comparisons(tmp_path):
    useless = searched(tmp_path, evaluator=Useless(), final=Truth(noise=1e-3), trials=20, trained=3)
    verdict = useless.report().data.verdict
    assert not verdict.beats
    useless.close()


@dataclass(frozen=True)
class Useless(automl.Evaluator):
    """Rates by chance, and takes as long as the final evaluator."""

    name = "useless"
    version = "1"
    metrics = {"rating": "maximize"}

    def evaluate(self, work, how):
        return {"rating": float(np.random.default_rng(how.seed).normal()), "cost_seconds": 100.0}


def test_a_larger_budget_keeps_what_was_decided(tmp_path):
    first = searched(tmp_path, trials=20)
    before = [trial.candidate for trial in first.trials()]
    paid = phases(first)["seconds"].trials
    first.close()
    more = searched(tmp_path, trials=60)
    after = [trial.candidate for trial in more.trials()]
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) >= len(before)
    assert phases(more)["rating"].trials == 60
    assert phases(more)["seconds"].trials >= paid
    rated = seconds_of_evaluations(more.store, phases(more)["rating"].id)
    assert rated > 0
    more.close()


def test_both_evaluators_stand_in_the_study_and_another_one_is_refused(tmp_path):
    searched(tmp_path, trials=5).close()
    with pytest.raises(InvalidInput, match=r"rating\.evaluator\.settings\.steps: 1, now 2"):
        searched(tmp_path, trials=5, evaluator=Rater(steps=2))
    with pytest.raises(InvalidInput, match=r"evaluator\.settings\.noise: 0\.1, now 0\.2"):
        searched(tmp_path, trials=5, final=Truth(noise=0.2))


def test_settings_reach_the_evaluator_that_they_name():
    chosen = PartSettings(evaluator=Rater(), final=Truth(), settings={"final.steps": 3, "evaluator.steps": 2})
    parts = assemble(Grid(), chosen)
    assert (parts.rater.steps, parts.evaluator.steps) == (2, 3)
    assert (parts.objective, parts.direction) == ("score", "maximize")
    assert (parts.rating.objective, parts.rating.direction) == ("rating", "minimize")
    with pytest.raises(InvalidInput, match=r"'final\.steps' is for a final evaluator, and there is none"):
        assemble(Grid(), PartSettings(evaluator=Rater(), settings={"final.steps": 3}))
    with pytest.raises(InvalidInput, match="unknown setting of the final evaluator 'nois'; did you mean noise"):
        assemble(Grid(), PartSettings(evaluator=Rater(), final=Truth(), settings={"final.nois": 3}))


def test_both_evaluators_are_made_again_from_their_names():
    named = {"evaluator": "classification", "final": "classification"}
    parts = assemble("digits-cells", PartSettings(**named, settings={"evaluator.epochs": 1, "final.epochs": 2}))
    given = {"evaluator_given": parts.evaluator_given, "rating_given": parts.rating.given}
    again = assemble("digits-cells", stored={**parts.identity(), **given})
    assert again.identity() == parts.identity()
    assert (again.rater.epochs, again.evaluator.epochs) == (1, 2)


def test_a_final_evaluator_with_another_task_is_refused():
    one = automl.Classification(task="digits")
    other = automl.Classification(task="digits-parity")
    with pytest.raises(InvalidInput, match="rates on task digits and the final one decides on digits-parity"):
        assemble("digits-cells", PartSettings(evaluator=one, final=other))


def test_two_evaluators_that_cannot_be_told_apart_are_refused():
    rates, decides = (
        automl.FunctionEvaluator(score, code_version="1") for score in (lambda c: c.x, lambda c: -abs(c.x - 5))
    )
    with pytest.raises(InvalidInput, match="served the other's figures"):
        assemble(Grid(), PartSettings(evaluator=rates, final=decides))


@dataclass(frozen=True)
class Cheap(Rater):
    """Offers a cheaper rating; which one stands in no setting."""

    def approximations(self):
        return [Fidelity(SHARE["now"], {"steps": SHARE["now"]})]


SHARE = {"now": 0.5}


def test_ratings_of_other_fidelities_are_refused_by_name(tmp_path):
    given = {"evaluator": Cheap(), "strategy": "successive_halving"}
    with pytest.raises(InvalidInput, match=r"none of its 10 ratings is one that can be decided on.*--trials N"):
        searched(tmp_path, **given, trials=10)
    searched(tmp_path, **given).close()
    try:
        SHARE["now"] = 0.25
        with pytest.raises(StudyMismatch, match=r"was rated in another way \(fidelities\.rungs: "):
            searched(tmp_path, **given, trials=80)
    finally:
        SHARE["now"] = 0.5


def test_the_pool_of_a_search_that_rates_is_the_strategys(tmp_path):
    named = searched(tmp_path, strategy="surrogate", trials=24)
    environment = named.store.by_id(named.record_id).settings["environment"]
    assert environment["pool"]["encodings"] > 0
    named.close()


def test_merged_searches_that_rate_have_all_ratings_and_go_on(tmp_path):
    searched(tmp_path, study="one", trials=12).close()
    searched(tmp_path, study="other", trials=15, seed=4).close()
    merged = automl.Study.merge(["one", "other"], "both", f"sqlite:///{tmp_path}/two.db")
    rated = phases(merged)["rating"]
    assert (rated.name, rated.trials, rated.settings["trials"], merged.settings["trials"]) == ("both/rated", 27, 27, 27)
    decided = [trial.candidate for trial in merged.trials()]
    assert len(decided) == 10
    merged.close()
    more = searched(tmp_path, study="both", trials=40)
    assert phases(more)["rating"].trials == 40
    assert [trial.candidate for trial in more.trials()][:10] == decided
    assert more.finished
    more.close()


class Wider(automl.Space):
    x = automl.Integer(0, 12)
    y = automl.Integer(0, 9)


Wider.__name__ = Wider.__qualname__ = "Grid"


def test_a_search_that_rates_adopts_a_changed_space_and_raters_figures_are_asked_about(tmp_path):
    url = f"sqlite:///{tmp_path}/two.db"
    first = searched(tmp_path, trials=12)
    rated = [trial.candidate for trial in first.store.trials(phases(first)["rating"].id)]
    decided = [trial.candidate for trial in first.trials()]
    first.adopt()
    first.close()
    given = {"evaluator": Rater(), "final": Truth(), "simulated_workers": 2, "study": "two", "seed": 3, "storage": url}
    wider = automl.search(Wider(), **{**given, **SMALL, "trials": 30})
    assert [trial.candidate for trial in wider.store.trials(phases(wider)["rating"].id)][:12] == rated
    assert [trial.candidate for trial in wider.trials()][: len(decided)] == decided
    assert wider.settings["space"] == phases(wider)["rating"].settings["space"]
    wider.adopt()
    changed = {**given, **SMALL, "trials": 30, "evaluator": Rater(steps=2)}
    with pytest.raises(StudyMismatch, match="the rater of study 'two' was changed too"):
        automl.search(Wider(), **changed)
    wider.adopt(figures="keep")
    wider.close()
    kept = automl.search(Wider(), **{**changed, "trials": 40})
    assert phases(kept)["rating"].trials == 40
    assert phases(kept)["rating"].settings["evaluator"]["settings"]["steps"] == 2
    assert kept.settings["evaluator"]["settings"].get("steps", 1) == 1
    assert kept.finished
    kept.close()
    with pytest.raises(StudyMismatch, match=r"rating\.evaluator\.settings\.steps"):
        automl.search(Wider(), **{**given, **SMALL, "trials": 40})


def test_random_search_with_equal_seconds_is_as_long_as_the_whole_search_where_the_other_one_is_shorter(tmp_path):
    data = searched(tmp_path, baseline=0.2).report().data
    assert (data.random.counted, data.search.counted) == (1, 5)
    assert data.rated.random.counted == 6  # 5 trainings of 100 s, and 60 ratings of 1 s


def test_a_changed_final_evaluator_takes_no_ratings_for_its_figures(tmp_path):
    """The search began from ratings, which stand with it as known results: they stay what rated them measured."""
    searched(tmp_path, study="first", trials=30).close()
    begun = searched(tmp_path, trials=30, seed=4, begin_from=["context"])
    known = phases(begun)["known"]
    told = [(trial.number, trial.context, trial.fitness) for trial in begun.store.trials(known.id)]
    decided = [(trial.candidate, trial.fitness) for trial in begun.trials()]
    assert told
    begun.adopt(figures="keep")
    begun.close()
    kept = searched(tmp_path, trials=36, seed=4, begin_from=["context"], final=Truth(steps=2))
    assert [(trial.number, trial.context, trial.fitness) for trial in kept.store.trials(known.id)] == told
    assert [(trial.candidate, trial.fitness) for trial in kept.trials()][: len(decided)] == decided
    assert kept.finished
    with kept.database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT context.description, evaluation.metrics FROM evaluation JOIN context ON context.id = context"
        ).all()
    for description, metrics in rows:
        name = json.loads(description)["evaluator"]["name"]
        assert set(json.loads(metrics or "{}")) <= {{"truth": "score", "rater": "rating"}[name], "cost_seconds"}
    kept.close()
