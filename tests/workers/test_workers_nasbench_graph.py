"""NAS-Bench-Graph: the space under the functional hash, and the package's own figures."""

import importlib.util
import itertools

import numpy as np
import pytest

import automl
from automl.behaviour import Configuration
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.hashing import Hasher
from automl.jsontext import canonical
from automl.spaces.space import Candidate
from automl.testing.spaces import SpaceContract
from search_spaces.nas.nasbench_graph import LINKS, OPERATIONS, NASBenchGraph
from workers.tables.nasbench_graph import NASBenchGraphTable

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nas_bench_graph") is None, reason="needs the package nas-bench-graph"
)
EXAMPLE = {"link": [0, 0, 1, 3], "ops": ["gcn", "skip", "gat", "fc"]}


class TestNASBenchGraph(SpaceContract):
    def space(self):
        return NASBenchGraph()


def work(value):
    return Work(Configuration(None), {}, canonical(value))


@needs_package
def test_the_hash_finds_exactly_the_isomorphism_classes_that_the_benchmark_trained():
    """Nobody told the hash: it knows what an identity is, and that the order of what is concatenated is not seen."""
    from nas_bench_graph import Arch, light_read

    space, hasher = NASBenchGraph(), Hasher()
    values = [{"link": link, "ops": list(ops)} for link in LINKS for ops in itertools.product(OPERATIONS, repeat=4)]
    assert len(values) == space.size() == 59_049
    hashed = hasher.hash_many([(space.behaviour(Candidate(value)), {}) for value in values])
    trained = light_read("cora")
    pairs = {
        (item.key, number)
        for item, value in zip(hashed, values, strict=True)
        if (number := Arch(list(value["link"]), list(value["ops"])).valid_hash()) in trained
    }
    assert (
        len(pairs) == len({key for key, _ in pairs}) == len({number for _, number in pairs}) == len(trained) == 26_206
    )


@needs_package
def test_figures_are_the_packages_own_whatever_the_order_of_the_layers():
    from nas_bench_graph import Arch, light_read

    table = NASBenchGraphTable("citeseer")
    entry = light_read("citeseer")[Arch([0, 0, 1, 3], ["gcn", "skip", "gat", "fc"]).valid_hash()]
    for value in (EXAMPLE, {"link": [0, 0, 2, 3], "ops": ["skip", "gcn", "gat", "fc"]}):
        found = table.evaluate(work(value), Evaluation(0))
        assert found["accuracy"] == pytest.approx(100 * entry["valid_perf"])
        assert found["latency"] == entry["latency"]
        assert found["parameters"] == entry["para"]
        assert table.evaluate(work(value), Evaluation(3, part="test"))["accuracy"] == pytest.approx(100 * entry["perf"])
    assert table.settings() != NASBenchGraphTable("cora").settings()


@needs_package
@pytest.mark.parametrize(
    ("dataset", "value"),
    [("cora", {"link": [0, 1, 2, 3], "ops": ["skip"] * 4}), ("proteins", {"link": [0, 0, 0, 0], "ops": ["gat"] * 4})],
)
def test_what_was_not_trained_fails(dataset, value):
    with pytest.raises(CandidateFailure, match=f"no architecture .* on {dataset}"):
        NASBenchGraphTable(dataset).evaluate(work(value), Evaluation(0))


@needs_package
def test_what_was_trained_on_proteins_is_a_space_of_its_own():
    space, table = NASBenchGraph(proteins=True), NASBenchGraphTable("proteins")
    assert space.size() == 9 * 5**4
    for candidate in space.sample_many(40, np.random.default_rng(0)):
        found = table.evaluate(work(candidate.value), Evaluation(0))
        assert 50 < found["accuracy"] < 100


@needs_package
def test_a_search_runs_on_it(tmp_path):
    study = automl.search(
        "nasbench-graph",
        strategy="regularized_evolution",
        settings={"dataset": "photo", "population": 10},
        trials=60,
        workers=0,
        storage=f"sqlite:///{tmp_path}/study.db",
    )
    outcomes = {trial.outcome for trial in study.trials()}
    assert "miss" in outcomes
    assert study.best.fitness > 85
    study.close()


def test_names_and_a_missing_package_are_said(monkeypatch):
    with pytest.raises(InvalidInput, match="no data set 'mnist'; it has cora"):
        NASBenchGraphTable("mnist")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="pip install nas-bench-graph"):
        NASBenchGraphTable("arxiv").settings()
