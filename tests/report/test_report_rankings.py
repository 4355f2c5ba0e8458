"""Rank agreement between seeds and fidelities in the report of a real search over a real table."""

import numpy as np
import pytest
from scipy import stats

import automl
from automl.storage.studies import StudyStore


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('ranks') / 'ranks.db'}"


@pytest.fixture(scope="module")
def halved(data_folder, url):
    """A search that asks for 12 epochs first and for 200 of the better third."""
    study = automl.search(
        "nasbench201", strategy="successive_halving", trials=240, replicates=2, confirm=1, study="halved", storage=url
    )
    yield study
    study.close()


def by_context(study):
    """Returns the values of each class's replicates by fidelity, from the trials alone."""
    store = StudyStore(study.database)
    fidelities = store.fidelities(study.record_id)
    found = {"12": {}, "full": {}}
    for trial in study.trials():
        level = "12" if fidelities[trial.context] else "full"
        found[level][trial.key] = trial.metrics["accuracy"]  # the latest mean counts
    random = store.find("halved/random")
    for trial in store.trials(random.id):
        found["full"][trial.key] = trial.metrics["accuracy"]
    return found


def test_fidelities_are_compared_by_the_classes_evaluated_in_both(halved):
    cheap, full = by_context(halved)["12"], by_context(halved)["full"]
    both = sorted(set(cheap) & set(full))
    assert 10 < len(both) < len(cheap)
    [found] = [item for item in halved.report().json()["rank_agreement"] if "epochs=12" in item["what"]]
    assert found["pairs"] == len(both)
    one, other = [cheap[key] for key in both], [full[key] for key in both]
    assert found["kendall"] == pytest.approx(stats.kendalltau(one, other).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(one, other).statistic)
    assert "epochs=12" in str(halved.report())


def test_other_data_and_other_namespaces_are_not_mixed_in(halved, url):
    found = halved.report().json()["rank_agreement"]
    for study, own in (("data", {"settings": {"evaluator.dataset": "cifar10"}}), ("space", {"namespace": "other"})):
        automl.search(
            "nasbench201", strategy="successive_halving", trials=60, study=study, storage=url, seed=3, **own
        ).close()
    assert halved.report().json()["rank_agreement"] == found


def test_seeds_are_compared_where_classes_have_two(data_folder, tmp_path):
    study = automl.search(
        "nasbench201", strategy="random", trials=300, replicates=2, storage=f"sqlite:///{tmp_path / 'seeds.db'}"
    )
    [found] = [item for item in study.report().json()["rank_agreement"] if item["what"].startswith("two seeds, search")]
    assert found["pairs"] >= 10
    assert 0.5 < found["kendall"] <= found["spearman"] < 1
    assert np.isfinite(found["kendall"])
    study.close()
