"""Copies of one run count once, and runs that served each other support no claim about the method."""

import pytest
from evidence_parts import database, searched, texts

from automl import report
from automl.evidence import Estimate, judge_runs
from automl.report.shown import Report


def together(*studies):
    return Report(report.compare([study.report().data for study in studies]))


@pytest.mark.parametrize("namespaces", [("default", "default"), ("one", "other")])
def test_one_script_run_twice_is_one_run_wherever_its_cache_is(tmp_path, namespaces):
    storage = database(tmp_path)
    studies = [
        searched(storage, study=f"run-{place}", namespace=name, baseline=True) for place, name in enumerate(namespaces)
    ]
    text, page, data = texts(together(*studies))
    [method] = data["methods"]
    assert method["verdict"] == "not supported: the runs are not independent"
    assert method["runs"] == 1
    assert method["copies"] == ["run-1"]
    assert "run-1 repeats run-0: both have the seed 0" in method["not_independent"]
    assert "Not supported: the runs are not independent" in text
    assert "Not supported: the runs are not independent" in page
    assert "Beats random search" not in text
    practice = next(item for item in data["checklist"] if item["practice"] == "Several runs of the whole search")
    assert not practice["kept"]


def test_a_copy_among_runs_adds_nothing_to_their_figures(tmp_path):
    storage = database(tmp_path)
    runs = [searched(storage, study=f"run-{seed}", seed=seed, namespace=str(seed)) for seed in range(3)]
    copy = searched(storage, study="again", seed=2, namespace="elsewhere")
    [alone], [method] = (together(*studies).json()["methods"] for studies in (runs, [*runs, copy]))
    assert (method["gain_over_random_search"], method["ri"]) == (alone["gain_over_random_search"], alone["ri"])
    assert method["runs"] == 3
    assert method["verdict"].startswith("not supported")
    assert not alone["not_independent"]


@pytest.mark.parametrize("how", ["one namespace", "a warm cache"])
def test_runs_that_served_each_other_support_no_claim(tmp_path, how):
    storage = database(tmp_path)
    if how == "a warm cache":
        found = searched(storage, repeats=2, warm_cache=True, study="warm").report()
    else:
        found = together(*(searched(storage, study=f"run-{seed}", seed=seed) for seed in range(2)))
    _, page, data = texts(found)
    [method] = data["methods"]
    assert method["verdict"] == "not supported: the runs are not independent"
    assert "was served from the evaluations of" in method["not_independent"]
    assert method["not_independent"] in " ".join(data["notes"])
    assert "was served from the evaluations of" in page


def test_cold_runs_of_other_seeds_are_judged(tmp_path):
    storage = database(tmp_path)
    [method] = searched(storage, repeats=2, study="cold").report().json()["methods"]
    assert not method["not_independent"]
    assert not method["copies"]
    assert "independent" not in method["verdict"]


def test_runs_that_agree_to_the_last_digit_need_five(tmp_path):
    for runs in range(2, 12):
        verdict = judge_runs(Estimate(0.5, 0.5, 0.5, "exact: seeds agree", (runs, runs)), True)
        assert verdict.beats == (runs >= 5)
    assert judge_runs(Estimate(None, method="no figure", units=(3, 3)), True).text == "not supported: no interval"


def test_a_run_without_test_figures_leaves_no_seeds_to_be_taken_for_runs(tmp_path):
    storage = database(tmp_path)
    runs = [searched(storage, study=f"run-{seed}", seed=seed, namespace=str(seed)) for seed in range(2)]
    data = [study.report().data for study in runs]
    object.__setattr__(data[1], "winners", [])
    [method] = report.compare(data).methods
    assert method.gain.units == (1, 1)
    assert method.verdict.text == "not supported: fewer than two runs"
