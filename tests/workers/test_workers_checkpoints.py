"""Trainings that are broken off and gone on with have the result of one piece, whatever became of the checkpoint."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from automl.behaviour import Module
from automl.errors import CandidateFailure
from automl.evaluators import checkpoints
from automl.evaluators.base import Evaluation, Work
from automl.evaluators.checkpoints import Checkpoint
from workers.networks.classification import Classification

EPOCHS = 6
SGD = Classification(epochs=EPOCHS, learning_rate=0.1)
ADAM = Classification(epochs=EPOCHS, learning_rate=0.01, optimizer="adamw", gradient_clip=1.0)

passes = {"training": 0}

pytestmark = pytest.mark.usefixtures("one_thread")


class Counting(nn.Module):
    """A small network with everything that has state (normalisation, dropout), counting its training steps."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Flatten(), nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        passes["training"] += self.training
        if str(passes["training"]) == os.environ.get("AUTOML_TEST_DIE_AT"):
            os._exit(9)
        return self.network(x)


@pytest.fixture
def kept(tmp_path):
    return Checkpoint(tmp_path / "folder" / "state")


def epochs_of(evaluator, how, build=Counting):
    """Returns the metrics and how many epochs were trained for them."""
    passes["training"] = 0
    metrics = evaluator.evaluate(Work(Module(build), {}, "{}"), how)
    per_epoch = (len(evaluator.data().train[0])) // evaluator.batch_size
    assert passes["training"] % per_epoch == 0
    return metrics, passes["training"] // per_epoch


@pytest.mark.parametrize("evaluator", [SGD, ADAM], ids=["sgd", "adamw"])
def test_going_on_gives_the_very_result_of_one_piece_and_trains_nothing_twice(evaluator, kept):
    whole, all_epochs = epochs_of(evaluator, Evaluation(7))
    assert all_epochs == EPOCHS
    trained = []
    for stop in (1, 3, None):
        fidelity = {"epochs": stop} if stop else {}
        metrics, epochs = epochs_of(evaluator, Evaluation(7, fidelity=fidelity, checkpoint=kept))
        trained.append(epochs)
        assert kept.path.exists() is bool(stop)  # the end of all leaves nothing behind
        assert metrics == epochs_of(evaluator, Evaluation(7, fidelity=fidelity))[0]
    assert trained == [1, 2, 3]
    assert metrics == whole


def test_a_fidelity_is_a_prefix_of_the_full_training():
    short, epochs = epochs_of(SGD, Evaluation(7, fidelity={"epochs": 2}))
    assert epochs == 2
    compressed, _ = epochs_of(Classification(epochs=2, learning_rate=0.1), Evaluation(7))
    assert short != compressed


def test_a_candidate_with_epochs_of_its_own_is_broken_off_at_the_same_share():
    passes["training"] = 0
    SGD.evaluate(Work(Module(Counting), {"epochs": 2 * EPOCHS}, "{}"), Evaluation(1, fidelity={"epochs": 2}))
    assert passes["training"] == 4 * (len(SGD.data().train[0]) // 64)


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: b"",
        lambda state: state[: len(state) // 2],
        lambda state: b"\x80\x04cposix\nsystem\n." + state,
        lambda state: os.urandom(500),
    ],
    ids=["empty", "cut short", "pickle", "noise"],
)
def test_a_damaged_checkpoint_costs_time_and_nothing_else(kept, damage):
    epochs_of(SGD, Evaluation(7, fidelity={"epochs": 3}, checkpoint=kept))
    kept.write(damage(kept.read()))
    metrics, epochs = epochs_of(SGD, Evaluation(7, checkpoint=kept))
    assert epochs == EPOCHS
    assert metrics == epochs_of(SGD, Evaluation(7))[0]


def test_a_checkpoint_of_another_network_or_of_a_fuller_training_is_passed_over(kept):
    epochs_of(SGD, Evaluation(7, fidelity={"epochs": 3}, checkpoint=kept), build=lambda: Counting(8))
    assert epochs_of(SGD, Evaluation(7, fidelity={"epochs": 4}, checkpoint=kept))[1] == 4
    lower, epochs = epochs_of(SGD, Evaluation(7, fidelity={"epochs": 2}, checkpoint=kept))
    assert epochs == 2
    assert lower == epochs_of(SGD, Evaluation(7, fidelity={"epochs": 2}))[0]


def test_a_checkpoint_that_runs_code_when_read_is_not_run(kept, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "run"),))

    import io

    buffer = io.BytesIO()
    torch.save({"epoch": Evil()}, buffer, pickle_module=pickle)
    kept.write(buffer.getvalue())
    assert epochs_of(SGD, Evaluation(7, checkpoint=kept))[1] == EPOCHS
    assert not (tmp_path / "run").exists()


def test_a_disk_that_cannot_be_written_costs_no_evaluation(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    kept = Checkpoint(tmp_path / "file" / "state")  # a folder that cannot be made
    metrics, _ = epochs_of(SGD, Evaluation(7, fidelity={"epochs": 2}, checkpoint=kept))
    assert metrics == epochs_of(SGD, Evaluation(7, fidelity={"epochs": 2}))[0]
    assert "could not be written" in caplog.text


def test_a_diverged_training_fails_as_it_would_without(kept):
    wild = Classification(epochs=3, learning_rate=1e20)
    with pytest.raises(CandidateFailure, match="diverged"):
        epochs_of(wild, Evaluation(7, checkpoint=kept))


def test_a_process_that_dies_is_gone_on_with_from_its_last_state(kept, monkeypatch):
    steps = len(SGD.data().train[0]) // SGD.batch_size
    script = (
        "import torch, test_workers_checkpoints as t; from automl import checkpoints; from pathlib import Path\n"
        "torch.set_num_threads(1); checkpoints.EVERY_SECONDS = 0.0\n"
        f"t.epochs_of(t.SGD, t.Evaluation(7, checkpoint=t.Checkpoint(Path({str(kept.path)!r}))))"
    )
    died = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "AUTOML_TEST_DIE_AT": str(4 * steps + 3), "PYTHONPATH": os.path.dirname(__file__)},
        timeout=120,
    )
    assert died.returncode == 9
    metrics, epochs = epochs_of(SGD, Evaluation(7, checkpoint=kept))
    assert epochs == EPOCHS - 4
    assert metrics == epochs_of(SGD, Evaluation(7))[0]


def test_short_evaluations_write_nothing(kept, monkeypatch):
    epochs_of(SGD, Evaluation(7, checkpoint=kept))
    assert not kept.path.parent.exists()
    monkeypatch.setattr(checkpoints, "EVERY_SECONDS", 0.0)
    written = []
    monkeypatch.setattr(Checkpoint, "write", lambda self, state: written.append(len(state)))
    epochs_of(SGD, Evaluation(7, checkpoint=kept))
    assert len(written) == EPOCHS - 1
