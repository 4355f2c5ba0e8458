"""`study.best` looks at all that was paid for, random search too, and says where it comes from."""

import pytest

import automl
from automl.jsontext import parse
from automl.study import Study


class Line(automl.Space):
    x = automl.Integer(0, 1000)

    def candidates(self):
        return (self.decode({"x": x}) for x in range(1001))


def _value(trial):
    return parse(trial.candidate)


def height(candidate, seed, report):
    report(1, candidate.x)
    return candidate.x + seed % 7 / 100


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Exhaustive search sees the lowest values only, so random search's winner is better."""
    place = tmp_path_factory.mktemp("best")
    study = automl.search(
        Line(), evaluator=height, strategy="exhaustive", trials=6, workers=0, study="mine", sample=2, test_seeds=2,
        finalists=1, progress=False, storage=f"sqlite:///{place / 'a.db'}",
    )  # fmt: skip
    yield study
    study.close()


def test_the_better_one_of_random_search_is_best(study):
    random = Study.open("mine/random", study.database.url)
    best = study.best
    assert best.found_in == "mine/random"
    assert best.trial is None
    assert best.candidate.x == max(_value(trial)["x"] for trial in random.trials())
    assert best.replicates == 2  # it was confirmed like the search's own
    assert best.candidate.x > max(_value(trial)["x"] for trial in study.trials())


def test_what_takes_a_trial_takes_the_best_without_one(study):
    best = study.best
    assert study.trial(best.trial).candidate == best.candidate.json
    shown = study.show()
    assert best.candidate.json in shown
    assert shown.startswith(f"mine/random, trial {best.record.number}: ")
    assert shown == Study.open("mine/random", study.database.url).show(best.record.number)
    assert [curve.points[0][0] for curve in study.learning_curves(best.trial)] == [1.0, 1.0]


def test_the_verdict_still_compares_each_sides_own_winner_and_the_report_says_whose_is_better(study):
    found = study.report()
    assert found.json()["verdict"] != "beats random search"
    assert "random search's best is better on validation" in str(found)
    assert found.data.winners[0].candidate != study.best.candidate.json
    assert found.data.random_winners[0].candidate == study.best.candidate.json


def test_the_searchs_own_is_taken_where_both_are_equal(tmp_path):
    class Few(automl.Space):
        x = automl.Integer(0, 1)

        def candidates(self):
            return (self.decode({"x": x}) for x in range(2))

    study = automl.search(
        Few(), evaluator=lambda c: c.x, strategy="exhaustive", trials=2, workers=0, study="few", progress=False,
        storage=f"sqlite:///{tmp_path / 'a.db'}",
    )  # fmt: skip
    assert (study.best.found_in, study.best.trial, study.best.fitness) == ("few", 1, 1.0)
