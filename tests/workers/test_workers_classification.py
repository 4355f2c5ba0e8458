"""The classification evaluator on real digits: learns, repeats itself bit for bit, takes settings where it should."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from automl.behaviour import Array, Configuration, Module
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.evaluators.task import Task
from workers.networks import training
from workers.networks.classification import Classification
from workers.tasks import digits, stratified

pytestmark = pytest.mark.usefixtures("one_thread")


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))


def work(build=small, **settings) -> Work:
    return Work(Module(build), settings, "{}")


FEW = Classification(epochs=10, learning_rate=0.1)


def test_it_learns_and_reports_each_held_out_part():
    found = {part: FEW.evaluate(work(), Evaluation(1, part=part)) for part in ("validation", "test")}
    for metrics in found.values():
        assert metrics["accuracy"] > 0.8
        assert 0 < metrics["loss"] < 0.8
    assert found["validation"] != found["test"]


def test_equal_seeds_give_equal_metrics_bit_for_bit_and_others_do_not():
    torch.manual_seed(99)
    state = torch.get_rng_state()
    first, second, other = (FEW.evaluate(work(), Evaluation(seed)) for seed in (2**62 + 5, 2**62 + 5, 6))
    assert first == second
    assert first["loss"] != other["loss"]
    assert torch.equal(torch.get_rng_state(), state)  # the caller's own random state is untouched


def test_numpy_and_python_draws_of_a_module_come_from_the_seed():
    import random

    def build():
        module = small()
        module[1].bias.data += random.random() + float(np.random.rand())
        return module

    before = np.random.get_state()[1].copy()
    assert FEW.evaluate(work(build), Evaluation(3)) == FEW.evaluate(work(build), Evaluation(3))
    assert np.array_equal(np.random.get_state()[1], before)


def test_training_settings_of_a_candidate_count():
    base = FEW.evaluate(work(), Evaluation(1))
    assert FEW.evaluate(work(lr=0.1), Evaluation(1)) == base
    for settings in ({"lr": 0.01}, {"learning_rate": 0.02}, {"optimizer": "adamw"}, {"batch_size": 32}, {"epochs": 3},
                     {"weight_decay": 0.01}, {"momentum": 0.0}, {"schedule": "constant"}, {"warmup": 0.5},
                     {"label_smoothing": 0.1}, {"gradient_clip": 0.1}):  # fmt: skip
        assert FEW.evaluate(work(**settings), Evaluation(1))["loss"] != base["loss"], settings


def test_unknown_settings_are_refused_with_the_nearest():
    with pytest.raises(InvalidInput, match="unknown training setting 'learning_rat'; did you mean learning_rate"):
        FEW.evaluate(work(learning_rat=0.1), Evaluation(1))
    with pytest.raises(InvalidInput, match="unknown training setting 'task'"):
        FEW.evaluate(work(task="fashion"), Evaluation(1))
    with pytest.raises(InvalidInput, match="unknown fidelity of classification 'steps'"):
        FEW.evaluate(work(), Evaluation(1, fidelity={"steps": 3}))


def test_offered_fidelities_are_all_shorter_trainings():
    assert [one.share for one in FEW.approximations()] == [n / 10 for n in range(1, 10)]
    assert [one.settings for one in FEW.approximations()] == [{"epochs": n} for n in range(1, 10)]
    assert not dataclasses.replace(FEW, epochs=1).approximations()


def test_divergence_is_the_candidates_own_failure():
    with pytest.raises(CandidateFailure, match=r"diverged: the loss was not finite in epoch \d"):
        FEW.evaluate(work(lr=1e20), Evaluation(1))


def test_a_module_that_fits_no_input_raises_its_own_error():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        FEW.evaluate(work(lambda: nn.Sequential(nn.Flatten(), nn.Linear(63, 10))), Evaluation(1))
    with pytest.raises(CandidateFailure, match="a configuration cannot be trained"):
        FEW.evaluate(Work(Configuration({}), {}, "{}"), Evaluation(1))


def test_a_module_without_parameters_is_measured_as_it_is():
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(x), 10) + torch.arange(10)

    metrics = FEW.evaluate(work(Constant), Evaluation(1))
    assert 0.05 < metrics["accuracy"] < 0.15


def own(inputs: np.ndarray, targets: np.ndarray) -> Task:
    return Task(*((inputs[i::3], targets[i::3]) for i in range(3)), name="mine")


@pytest.mark.parametrize(
    ("inputs", "shape", "dtype"),
    [
        (np.random.default_rng(0).random((90, 8, 8)), (1, 8, 8), np.float32),
        (np.random.default_rng(0).random((90, 3, 8, 8)), (3, 8, 8), np.float32),
        (np.random.default_rng(0).random((90, 7)), (7,), np.float32),
        (np.random.default_rng(0).integers(0, 256, (90, 8, 8)).astype(np.uint8), (1, 8, 8), np.float32),
        (np.random.default_rng(0).integers(0, 50, (90, 12)), (12,), np.int64),
    ],
)
def test_own_arrays_of_many_shapes(inputs, shape, dtype):
    prepared = training.prepared(inputs)
    assert (prepared.shape[1:], prepared.dtype) == (shape, dtype)
    if inputs.dtype == np.uint8:
        assert prepared.max() <= 1.0
    (probe,) = Classification(task=own(inputs, np.arange(90) // 3 % 3)).probe().inputs
    tokens = dtype is np.int64
    bounds = (int(inputs[0::3].min()), int(inputs[0::3].max())) if tokens else (None, None)
    assert probe == Array(shape, *bounds)


def test_own_data_is_learned_and_travels():
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, 300)
    inputs = rng.normal(size=(300, 5)) + 3 * np.eye(3, 5)[targets]
    evaluator = pickle.loads(pickle.dumps(Classification(task=own(inputs, targets), epochs=5)))
    metrics = evaluator.evaluate(work(lambda: nn.Linear(5, 3)), Evaluation(0))
    assert metrics["accuracy"] > 0.8
    assert evaluator.settings()["task"] == {"name": "mine", "fingerprint": evaluator.task.fingerprint()}


def test_settings_name_the_data_by_fingerprint():
    named, given = Classification(task="digits"), Classification(task=digits())
    assert named.settings() == given.settings()
    assert named.settings()["task"]["fingerprint"] == digits().fingerprint()
    assert given.for_device("cpu").settings()["precision"] == "float32"
    assert given.for_device("cuda").settings()["precision"] == "float16"
    assert dataclasses.replace(given, precision="bfloat16").for_device("cuda").precision == "bfloat16"


def test_mixed_precision_trains():
    """bfloat16 autocast exists on the CPU too, so the path is run here and not only where there is a GPU."""
    mixed = dataclasses.replace(FEW, precision="bfloat16").evaluate(work(), Evaluation(1))
    assert mixed["accuracy"] > 0.75
    assert mixed["loss"] != FEW.evaluate(work(), Evaluation(1))["loss"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu():
    metrics = FEW.for_device("cuda").evaluate(work(), Evaluation(1, device="cuda"))
    assert metrics["accuracy"] > 0.85


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; did you mean muon"),
        ({"warmup": 2}, "warmup is 2; it must lie between 0 and 1"),
        ({"task": 5}, "task is 5; give an automl.Task, or one of"),
    ],
)
def test_impossible_settings(settings, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Classification(**settings)


def test_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(InvalidInput, match="unknown task 'digit'; did you mean digits"):
        Classification(task="digit").settings()


def test_the_parts_of_digits_share_nothing_and_are_stratified():
    task = digits()
    parts = [task.train, task.validation, task.test]
    assert sum(len(targets) for _, targets in parts) == 1797
    images = {image.tobytes() for inputs, _ in parts for image in inputs}
    assert len(images) == 1797
    for inputs, targets in parts:
        assert inputs.dtype == np.float32
        assert inputs.shape[1:] == (1, 8, 8)
        assert (inputs.min(), inputs.max()) == (0.0, 1.0)
        shares = np.bincount(targets, minlength=10) / len(targets)
        assert abs(shares - 0.1).max() < 0.01
    first, second = stratified(np.array([0] * 10 + [1] * 20), (0.5, 0.5))
    assert sorted([*first, *second]) == list(range(30))
    assert (first < 10).sum() == 5


def test_fashion(data_folder, monkeypatch):
    from workers.tasks import fashion_mnist_6k

    monkeypatch.setenv("AUTOML_DATA", str(data_folder))
    task = fashion_mnist_6k()
    assert [part[0].shape for part in (task.train, task.validation, task.test)] == [
        (5000, 1, 28, 28), (1000, 1, 28, 28), (2000, 1, 28, 28),
    ]  # fmt: skip
    assert np.bincount(task.validation[1]).tolist() == [100] * 10
