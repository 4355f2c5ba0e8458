"""Ensembles: the choice on validation, what is trained for it, its test figure, and the joined network as files."""

import json
import math
import shutil

import pytest
import torch
from click.testing import CliRunner

import automl
from automl.cli import automl as cli
from automl.delivery.selecting import chosen
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation
from automl.evaluators.delivery import Delivers
from workers.networks.kinds import Classes, Several, Tokens, Values


@pytest.fixture(scope="module")
def joined(nets, tmp_path_factory):
    """The study in a database of its own, and its ensemble; what was missing has been trained."""
    folder = tmp_path_factory.mktemp("joined")
    study = nets.copy(f"sqlite:///{folder}/joined.db")
    yield study, study.ensemble(6, 3, workers=0)
    study.close()


def mean(outputs, weights):
    return sum(one * weight for one, weight in zip(outputs, weights, strict=True))


def test_each_choice_is_the_best_next_one_and_the_best_size_is_kept():
    truth = torch.tensor([1.0, 0.0, 1.0, 0.0])
    networks = [torch.tensor(one) for one in ([0.9, 0.4, 0.4, 0.0], [0.4, 0.0, 0.9, 0.4], [0.7, 0.1, 0.7, 0.1])]
    asked = []

    def worth(outputs):
        asked.append(outputs)
        return -float(((outputs - truth) ** 2).sum())

    found = chosen(networks, mean, worth, 4)
    assert len(asked) == 12, "each step looks at every network"
    assert found == {2: 1}, "the best single one, and no further choice makes it better"
    near = [torch.tensor([0.5, 0.5]), torch.tensor([1.0, -0.5])]
    both = chosen(near, mean, lambda outputs: -float((outputs - torch.tensor([0.75, 0.0])).abs().sum()), 5)
    assert both == {0: 1, 1: 1}
    twice = chosen([torch.tensor(0.0), torch.tensor(3.0)], mean, lambda outputs: -abs(float(outputs) - 1), 3)
    assert twice == {0: 2, 1: 1}, "a network is chosen again where that helps"
    assert chosen([torch.tensor(1.0)] * 2, mean, float, 1) == {0: 1}, "of equals the first"


def test_probabilities_are_averaged_whatever_the_kind():
    weights = [0.25, 0.75]
    logits = [torch.randn(6, 4), torch.randn(6, 4)]
    probabilities = mean([one.softmax(1) for one in logits], weights)
    assert torch.allclose(Classes().mixed(logits, weights).softmax(1), probabilities, atol=1e-6)
    tokens = [torch.randn(2, 5, 7), torch.randn(2, 5, 7)]
    wanted = mean([one.softmax(-1) for one in tokens], weights)
    assert torch.allclose(Tokens().mixed(tokens, weights).softmax(-1), wanted, atol=1e-6)
    labels = mean([one.sigmoid() for one in logits], weights)
    assert torch.allclose(Several().mixed(logits, weights).sigmoid(), labels, atol=1e-6)
    assert torch.allclose(Several().mixed([torch.full((1, 1), 90.0)] * 2, weights), torch.tensor(90.0), atol=1e-3)
    assert torch.allclose(Values().mixed(logits, weights), mean(logits, weights))


def test_what_is_missing_is_trained_once_and_everything_is_charged(joined):
    study, found = joined
    phases = {one.kind: one for one in study.store.phase_studies(study.record_id)}
    made = list(study.store.trials(phases["ensemble"].id))
    assert len(made) == found.library == 3
    tested = {trial.key for trial in study.store.trials(phases["test"].id) if trial.origin == "search winner"}
    assert {trial.outcome for trial in made if trial.key in tested} == {"hit"}, "what was tested is used as it is"
    assert any(trial.outcome == "miss" for trial in made)
    assert found.seconds["trained"] == pytest.approx(sum(trial.paid_seconds for trial in made))
    again = study.ensemble(6, 3, workers=0)
    assert again.seconds["trained"] == 0.0
    assert (again.members, again.metrics) == (found.members, found.metrics)
    assert study.store.by_id(phases["ensemble"].id).trials == 3


def test_the_figures_are_those_of_the_joined_module_and_of_the_best_one_alone(joined):
    study, found = joined
    evaluator, best = study.parts.evaluator, study.trained()
    work = best.training.work(best.candidate.json)
    measured = evaluator.measured(found.module, work, Evaluation(0, "test"))
    assert measured == pytest.approx(dict(found.metrics), abs=1e-5)
    assert found.single == pytest.approx(best.metrics, abs=1e-6)
    assert found.gain.value == pytest.approx(found.metrics["accuracy"] - best.metrics["accuracy"])
    assert found.gain.low <= found.gain.value <= found.gain.high
    seen = evaluator.measured(found.module, work, Evaluation(0, "validation"))
    alone = evaluator.measured(best.module, work, Evaluation(0, "validation"))
    assert seen == pytest.approx(dict(found.validation), abs=1e-5)
    assert seen["accuracy"] >= alone["accuracy"], "the best alone could have been chosen"
    assert math.fsum(one.weight for one in found.members) == pytest.approx(1)


def test_a_study_of_one_network_has_an_ensemble_of_it(joined):
    study, _ = joined
    alone = study.ensemble(3, 1, workers=0)
    assert [one.weight for one in alone.members] == [1.0]
    assert (alone.gain.value, alone.gain.low, alone.gain.high) == (0.0, 0.0, 0.0)


def test_the_report_has_it_beside_the_best_network(joined):
    study, _ = joined
    found = study.ensemble(6, 3, workers=0)
    data = study.report().json()["ensemble"]
    assert data["test"]["accuracy"] == found.metrics["accuracy"]
    assert data["best_network_test"]["accuracy"] == found.single["accuracy"]
    assert f"An ensemble of {len(found.members)} networks: " in str(study.report())
    assert "Ensemble" in dict(study.report().data.facts)


def test_the_joined_networks_are_one_file(joined, tmp_path):
    study, found = joined
    folder = found.export("python", tmp_path / "files")
    facts = json.loads((folder / "automl-export.json").read_text())
    assert [one["weight"] for one in facts["ensemble"]] == [one.weight for one in found.members]
    assert facts["checked"]["figures"]["accuracy"] == pytest.approx(found.metrics["accuracy"])
    assert "networks whose outputs are joined" in (folder / "README.md").read_text()
    with pytest.raises(InvalidInput, match="no space builds an ensemble"):
        found.export("safetensors", tmp_path / "none")
    shutil.rmtree(folder)
    storage = ("--storage", study.database.url, "--workers", "0")
    asked = ["ensemble", "nets", "--library", "3", "--to", "pt2", "--folder", str(folder), *storage]
    ended = CliRunner().invoke(cli, asked)
    assert ended.exit_code == 0, ended.output
    figures = f"{found.metrics['accuracy']:.6g}, and {found.single['accuracy']:.6g} of the best network alone"
    assert figures in ended.output
    assert (folder / "model.pt2").exists()
    half = CliRunner().invoke(cli, ["ensemble", "nets", "--to", "pt2", *storage])
    assert "give both, or neither" in str(half.exception)


def test_what_cannot_be_joined_is_refused_in_a_sentence(joined, tmp_path):
    study, _ = joined
    for given, said in (({"k": 0}, "k=0: give at least 1"), ({"wokers": 2}, "did you mean workers")):
        with pytest.raises(InvalidInput, match=said):
            study.ensemble(**given)

    class Line(automl.Space):
        x = automl.Integer(0, 20)

    height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
    numbers = automl.search(Line(), evaluator=height, trials=5, workers=0, storage=f"sqlite:///{tmp_path}/line.db")
    with pytest.raises(InvalidInput, match="hands over no trained network"):
        numbers.ensemble()
    numbers.close()

    class Alone(Delivers):
        name = "alone"

        def untrained(self, work, how):
            raise NotImplementedError

        measured = examples = untrained

    with pytest.raises(InvalidInput, match=r"evaluator alone cannot join networks; let it have predicted\(\)"):
        Alone().mixed([], [])
