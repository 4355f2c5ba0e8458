"""Differentiable search: what its network learns, how it ends, and what it proposes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import automl
from automl.artefacts.content import Content
from automl.data import load
from automl.errors import InvalidInput, InvalidSpace
from automl.evaluators.base import Evaluation
from automl.evaluators.checkpoints import Checkpoint
from automl.setup.targets import resolve
from automl.testing.artefacts import ArtefactContract
from automl.testing.strategies import StrategyContract
from search_spaces.nas.darts import DARTS
from search_spaces.nas.darts_choice import OPTIONS, SOURCES, genotype_of
from search_spaces.nas.digits_cells import DigitsCells
from search_spaces.nas.nasbench201 import OPERATIONS
from workers.networks.batches import ArrayPart
from workers.supernets.differentiable import Differentiable, RelaxationArtefact
from workers.supernets.relaxation import Relaxation, _perturbed
from workers.supernets.relaxation_settings import RelaxationSettings, options_weights

SMALL = {"channels": 4, "cells": 1}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small take ten times as long where two threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


QUICK = RelaxationSettings(epochs=3, batch_size=256, architecture_rate=0.05, skips=0)


def _artefact(training: RelaxationSettings = QUICK, number: int = 0) -> RelaxationArtefact:
    return RelaxationArtefact(resolve("digits-cells", SMALL)[1], load("digits"), training, number)


@pytest.fixture(scope="module")
def made() -> Content:
    return _artefact().make(Evaluation(seed=1))


class TestDifferentiable(StrategyContract):
    def strategy(self) -> Differentiable:
        return Differentiable(epochs=3)

    def space(self) -> DARTS:
        return DARTS()

    def artefacts(self) -> dict[str, Content]:
        rng = np.random.default_rng(0)
        logits = {f"more.logits.{name}": rng.normal(size=(14, 8)).astype(np.float32) for name in ("normal", "reduce")}
        return {"relaxation": Content.of(logits, {})}


class TestRelaxationArtefact(ArtefactContract):
    def artefact(self) -> RelaxationArtefact:
        return _artefact(RelaxationSettings(epochs=1, batch_size=512))


def test_the_largest_weights_are_proposed_first_and_what_was_met_is_drawn_more_evenly() -> None:
    logits = np.full((6, 5), -6.0, dtype=np.float32)
    logits[:, OPERATIONS.index("nor_conv_3x3")] = 6.0  # all but certain
    strategy = Differentiable()
    strategy.bind(DigitsCells(), artefacts={"relaxation": Content.of({"more.logits.cell": logits}, {})})
    asked = strategy.ask(12, np.random.default_rng(0))
    assert asked[0].candidate.value.count("nor_conv_3x3") == 6
    assert [one.origin for one in asked] == ["largest weights", *["sample"] * 11]
    assert len({one.candidate.json for one in asked}) == 12  # else a budget of evaluations would never be spent
    assert np.mean([one.candidate.value.count("nor_conv_3x3") for one in asked]) > 3  # uniform: 1.2
    strategy.pending = asked[:1]
    assert strategy.ask(1, np.random.default_rng(0))[0].origin == "sample"


def test_draws_follow_the_weights() -> None:
    weights = np.full((14, 8), 0.01)
    weights[:, OPTIONS.index("sep_conv_3x3")] = 0.6
    weights[:, OPTIONS.index("none")] = 0.33  # no option of a genotype
    rng = np.random.default_rng(0)
    drawn = [genotype_of({"normal": weights, "reduce": weights}, rng) for _ in range(40)]
    names = [edge[0] for one in drawn for pair in one["normal"] for edge in pair]
    assert abs(names.count("sep_conv_3x3") / len(names) - 0.6 / 0.66) < 0.08
    for one in drawn:
        DARTS().decode(one)  # two different inputs each


def test_an_edge_is_as_strong_as_its_strongest_operation_but_none() -> None:
    weights = np.full((14, 8), 0.02)
    weights[:, 0] = 0.86
    for node, source, option in ((3, 4, 4), (3, 1, 3), (3, 0, 1)):
        weights[SOURCES.index((node, source)), option] = 0.1 + 0.01 * source
    assert genotype_of({"normal": weights, "reduce": weights})["reduce"][3] == [
        ["sep_conv_3x3", 4],
        ["skip_connect", 1],
    ]


def test_weights_that_a_network_does_not_use_are_said(made: Content) -> None:
    class Unused(DigitsCells):
        def relaxed(self) -> torch.nn.Module:
            network = super().relaxed()
            network.choices = {**network.choices, "spare": (1, 2)}
            return network

    data = load("digits")
    images = torch.from_numpy(np.asarray(data.train[0][:8], dtype=np.float32))
    held = ArrayPart(images.reshape(8, 1, 8, 8), torch.from_numpy(np.asarray(data.train[1][:8])).long())
    relaxation = Relaxation(Unused(**SMALL), QUICK, held)
    with pytest.raises(InvalidInput, match="relaxed network of Unused does not use the weights of 'spare'"):
        relaxation._step(np.random.default_rng(0))


def test_weights_turn_to_what_lowers_the_loss_of_the_second_half(made: Content) -> None:
    longer = RelaxationSettings(
        epochs=10, batch_size=64, learning_rate=0.2, architecture_rate=0.1, perturbation=0.0, skips=0
    )
    how = Evaluation(seed=0)
    found = dict(zip(OPERATIONS, options_weights(_artefact(longer).make(how).arrays())["cell"].mean(0), strict=True))
    # of what carries something on, only one learns from neighbouring pixels
    assert found["nor_conv_3x3"] > max(0.2, found["skip_connect"], found["nor_conv_1x1"], found["avg_pool_3x3"])
    assert how.curve.points[-1][1]["train_loss"] < how.curve.points[0][1]["train_loss"] - 0.2
    assert how.curve.points[-1][1]["entropy"] < 0.95
    assert np.allclose(options_weights(made.arrays())["cell"].sum(1), 1.0)


def test_nothing_is_learned_of_the_validation_part() -> None:
    task = load("digits")
    inputs, targets = task.validation
    other = automl.Task(task.train, (inputs[::-1] * 0.5, targets), task.test)
    one, two = (
        RelaxationArtefact(resolve("digits-cells", SMALL)[1], each, RelaxationSettings(epochs=1, batch_size=512), 0)
        .make(Evaluation(seed=3))
        .arrays()
        for each in (task, other)
    )
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_perturbed_weights_are_weights() -> None:
    weights = torch.softmax(torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), 1)
    moved = _perturbed(weights, 0.3, torch.Generator().manual_seed(0))
    assert (moved >= 0).all()
    assert torch.allclose(moved.sum(1), torch.ones(6))
    assert 0.05 < float((moved - weights).abs().max()) < 0.6
    assert torch.equal(_perturbed(weights, 0.0, torch.Generator()), weights / weights.sum(1, keepdim=True))


def _relaxation(settings: RelaxationSettings) -> Relaxation:
    inputs, targets = (torch.from_numpy(one[:16]) for one in load("digits").train)
    return Relaxation(DigitsCells(**SMALL), settings, ArrayPart(inputs[:, None].float(), targets))


def test_training_ends_with_so_many_skip_connections_and_not_before_the_warm_up() -> None:
    made = _relaxation(RelaxationSettings(epochs=10, warmup=0.3, skips=2))
    skip = OPERATIONS.index("skip_connect")
    made.logits["cell"].data.zero_()
    made.logits["cell"].data[:1, skip] = 1.0
    made.after(0, 0.5)
    assert (made.chosen_skips(), made.over()) == (1, False)
    made.logits["cell"].data[:2, skip] = 1.0
    assert (made.chosen_skips(), made.over()) == (2, True)
    made.after(0, 0.2)
    assert not made.over()
    made.settings.skips = 0
    made.after(0, 0.5)
    assert not made.over()


def test_an_early_end_ends_the_epochs() -> None:
    skips = RelaxationSettings(epochs=30, batch_size=512, warmup=0.0, skips=1, architecture_rate=0.1)
    how = Evaluation(seed=1)
    content = _artefact(skips).make(how)
    assert content.facts["facts"]["skips"] >= 1
    assert content.facts["facts"]["share"] < 1.0
    assert len(how.curve.points) < 30
    assert {"skips", "entropy", "train_loss"} <= set(how.curve.points[-1][1])


def test_it_goes_on_from_a_checkpoint_with_the_same_result(tmp_path: Path, made: Content, monkeypatch) -> None:
    class Broken(Exception):
        pass

    class Stops(Evaluation):
        def report(self, epoch, metrics):
            if epoch == 3:
                raise Broken
            return super().report(epoch, metrics)

    monkeypatch.setattr("automl.evaluators.checkpoints.EVERY_SECONDS", 0.0)
    kept = Checkpoint(tmp_path / "state")
    with pytest.raises(Broken):
        _artefact().make(Stops(seed=1, checkpoint=kept))
    assert kept.path.exists()
    how = Evaluation(seed=1, checkpoint=Checkpoint(kept.path))
    assert _artefact().make(how).digest == made.digest
    assert [epoch for epoch, _ in how.curve.points] == [3.0]


def test_what_cannot_be_relaxed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'none.db'}"
    given = {"strategy": "differentiable", "trials": 2, "workers": 0, "storage": storage}
    with pytest.raises(InvalidInput, match="space NASBench201 has no relaxed network: define relaxed"):
        automl.search("nasbench201", evaluator="classification", task="digits", **given)
    with pytest.raises(InvalidInput, match="nasbench201 has none; take another strategy"):
        automl.search("nasbench201", **given)
    with pytest.raises(InvalidSpace, match="with layers=2 all cells are reduction cells"):
        automl.search(DARTS(layers=2, channels=2), evaluator="classification", task="digits", **given)
    assert not (tmp_path / "none.db").exists()


SEARCH = {
    "study": "one",
    "strategy": "differentiable",
    "trials": 2,
    "sample": 2,
    "confirm": 1,
    "test_seeds": 1,
    "finalists": 1,
    "baseline": False,
    "workers": 0,
    "progress": False,
    "settings": {
        "channels": 2,
        "cells": 1,
        "evaluator.epochs": 1,
        "evaluator.batch_size": 256,
        "strategy.epochs": 4,
        "strategy.batch_size": 256,
    },
}
KILLED = """
import os, signal, sys
import torch
import automl
import automl.evaluators.checkpoints as checkpoints
from workers.supernets.relaxation import Relaxation
torch.set_num_threads(1)
checkpoints.EVERY_SECONDS = 0.0
figures, calls = Relaxation.figures, []
def killed(self):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return figures(self)
Relaxation.figures = killed
automl.search("digits-cells", storage=sys.argv[1], **{SEARCH})
"""


def test_a_killed_search_goes_on_where_its_network_was(tmp_path: Path) -> None:
    text = KILLED.replace("{SEARCH}", repr(SEARCH))
    killed = subprocess.run(
        [sys.executable, "-c", text, f"sqlite:///{tmp_path / 'killed.db'}"], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -9, killed.stderr
    states = [one for one in (tmp_path / "killed.db-checkpoints").rglob("*") if one.suffix != ".lock" and one.is_file()]
    assert states, "the state of its second epoch"
    found = []
    for name in ("killed", "whole"):
        study = automl.search("digits-cells", storage=f"sqlite:///{tmp_path / name}.db", **SEARCH)
        [used] = study.store.by_id(study.record_id).settings["environment"]["artefacts_used"]
        assert (used["name"], used["made"]) == ("relaxation", True)
        assert used["seconds"] > 0
        found.append((used["digest"], [trial.candidate for trial in study.trials()]))
        study.close()
    assert found[0] == found[1]
