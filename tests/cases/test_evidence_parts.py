"""Figures are called test figures only where the evaluator has a test part."""

import pytest
from evidence_parts import database, searched, texts

from automl import FunctionEvaluator, InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.spaces.space import Candidate


def with_part(candidate, seed, part):
    return candidate.x + seed % 7 / 10 + (100 if part == "test" else 0)


def with_default(candidate, part="validation"):
    return candidate.x + (100 if part == "test" else 0)


def keyword_only(candidate, *, seed, part=None):
    return candidate.x + (100 if part == "test" else 0)


def its_own_part(candidate, seed, part=3):
    return candidate.x + part


def without_seed(candidate):
    return float(candidate.x)


def without_part(candidate, seed):
    return candidate.x + seed % 7 / 10


@pytest.mark.parametrize("function", [with_part, with_default, keyword_only])
def test_a_function_that_names_the_part_is_told_it(tmp_path, function):
    data = searched(database(tmp_path), evaluator=function).report().json()
    assert data["best"]["test"] > 100  # the part that no search reads
    assert data["best"]["fitness"] < 201
    assert data["best"]["fresh"] is None
    assert practice(data)["kept"]


@pytest.mark.parametrize("function", [without_part, its_own_part, without_seed])
def test_a_function_without_a_part_has_fresh_seeds_and_no_test(tmp_path, function):
    text, page, data = texts(searched(database(tmp_path), evaluator=function).report())
    assert data["best"]["test"] is None
    assert data["best"]["test_values"] == []
    assert data["best"]["fresh"] is not None
    assert data["test_figures"] is None
    assert "same data" in data["final_figures"]
    assert not practice(data)["kept"]
    assert "no test part" in practice(data)["note"]
    assert "not done: test part read only after the winner was fixed" in text.lower()
    assert "fresh seeds each seed candidate" in text  # the heading of the winners' table
    assert "test figure" not in text
    assert "test figure" not in page.lower().partition('<a class="data"')[0]


def test_several_studies_of_functions_have_no_test_figures(tmp_path):
    _, _, data = texts(searched(database(tmp_path), repeats=2).report())
    assert data["methods"][0]["best_test"] is None
    assert data["methods"][0]["best_fresh"] is not None
    assert [row["best_test"] for row in data["table"]] == [None, None]


def practice(data):
    return next(item for item in data["checklist"] if item["practice"].startswith("Test part"))


def test_what_a_function_names_it_is_given():
    given = {}

    def function(candidate, seed, report, device, checkpoint, part):
        given.update(seed=seed, device=device, checkpoint=checkpoint, part=part)
        report(1, 0.5)
        return 1.0

    evaluator = FunctionEvaluator(function, code_version="1")
    how = Evaluation(7, "test", device="cuda")
    assert evaluator.evaluate(Work(None, {}, Candidate({"x": 1}).json), how) == {"fitness": 1.0}
    assert given == {"seed": 7, "device": "cuda", "checkpoint": None, "part": "test"}
    assert how.curve.points == [(1.0, {"fitness": 0.5})]
    assert not evaluator.deterministic


def test_a_second_argument_is_the_seed_only_where_it_is_no_other_name():
    def alone(candidate, part):
        return part == "test"

    def both(candidate, number, part):
        return number

    work, how = Work(None, {}, Candidate({"x": 1}).json), Evaluation(9, "test")
    assert FunctionEvaluator(alone, code_version="1").evaluate(work, how) == {"fitness": 1.0}
    assert FunctionEvaluator(both, code_version="1").evaluate(work, how) == {"fitness": 9.0}
    with pytest.raises(InvalidInput, match="must take"):
        FunctionEvaluator(lambda a, b, c: 0, code_version="1")
