"""The evaluators: real trainings, whose gradients, seeds, parts and failures are as promised."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from automl.behaviour import Configuration, Function
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Work
from automl.evaluators.task import Task
from automl.spaces.expressions import ExpressionSpace
from search_spaces.algorithms.activation import Activation
from search_spaces.algorithms.loss import Loss
from search_spaces.algorithms.optimizer import Optimizer
from workers.algorithms import function_tasks
from workers.algorithms.function_networks import Moments, Protocol, _Stack, accuracy, adam, cosine, relu
from workers.algorithms.functions import ActivationTraining, LossTraining, OptimizerTraining, gain_of

QUICK: dict[str, Any] = {"networks": 1, "epochs": 3}


def _reach(space: ExpressionSpace, evaluator: Evaluator, text: str, **how: Any) -> float:
    candidate = space.decode(text)
    work = Work(space.behaviour(candidate), {}, candidate.json)
    return evaluator.evaluate(work, Evaluation(**{"seed": 1, **how}))["accuracy"]


def _blobs(classes: int = 3) -> Task:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, 6)) * 3

    def part(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(classes, size=n)
        return centres[labels] + rng.normal(size=(n, 6)), labels

    return Task(part(200), part(100), part(100), name="blobs")


@pytest.mark.parametrize(
    ("space", "evaluator", "good", "bad"),
    [
        (Activation(), ActivationTraining(), ("x * sigmoid(x)", "relu(x)", "tanh(x)"), "0 * x"),
        (Loss(), LossTraining(), ("-(t * log(p))", "square(p - t)"), "t * log(p)"),
        (
            Optimizer(),
            OptimizerTraining(tasks=("digits",)),
            ("0.03 * cosine * b", "0.01 * m / (sqrt_abs(v) + 1e-8)"),
            "-0.01 * b",
        ),
    ],
    ids=["activation", "loss", "optimizer"],
)
def test_what_people_use_learns_and_nonsense_does_not(
    space: ExpressionSpace, evaluator: Evaluator, good: tuple[str, ...], bad: str
) -> None:
    assert all(_reach(space, evaluator, text) > 0.75 for text in good)
    assert _reach(space, evaluator, bad) < 0.4


@pytest.mark.parametrize(
    ("space", "evaluator", "text"),
    [
        (Activation(), ActivationTraining(**QUICK), "tanh(x)"),
        (Loss(), LossTraining(**QUICK), "square(p - t)"),
        (Optimizer(), OptimizerTraining(**QUICK, tasks=("digits-parity",)), "0.03 * b"),
    ],
    ids=["activation", "loss", "optimizer"],
)
def test_equal_seeds_give_equal_figures_and_parts_differ(
    space: ExpressionSpace, evaluator: Evaluator, text: str
) -> None:
    first = _reach(space, evaluator, text)
    assert first == _reach(space, evaluator, text)
    assert len({first, *(_reach(space, evaluator, text, seed=seed) for seed in (2, 3))}) > 1
    assert first != _reach(space, evaluator, text, part="test")
    assert first != _reach(space, evaluator, text, fidelity={"epochs": 1})


def test_gradients_agree_with_torch() -> None:
    """Activation, softmax, a loss of the candidate's own and the linear layers, all in one: against autograd."""
    rng = np.random.Generator(np.random.Philox(0))
    space, losses = Activation(), Loss()
    activation = space.behaviour(space.decode("x * sigmoid(x)")).call
    slope = losses.behaviour(losses.decode("square(p - t) - t * log(p)")).call
    how = Protocol(activation, slope, adam(0.01), (5, 4), 1, 7, 2, gain=1.0)
    stack = _Stack((6, *how.hidden, 3), how.networks, how.gain, rng)
    stack.flat += 0.1 * rng.standard_normal(stack.flat.shape, dtype=np.float32)
    inputs = rng.standard_normal((2, 7, 6), dtype=np.float32)
    targets = np.eye(3, dtype=np.float32)[rng.integers(3, size=(2, 7))]
    stack.differentiate(inputs, targets, how)

    flat = torch.tensor(stack.flat.astype(np.float64), requires_grad=True)
    value, at = torch.tensor(inputs.astype(np.float64)), 0
    for number, (before, after) in enumerate(((6, 5), (5, 4), (4, 3))):
        weights = flat[:, at : at + before * after].reshape(2, before, after)
        at += before * after
        value = value @ weights + flat[:, None, at : at + after]
        at += after
        value = torch.nn.functional.silu(value) if number < 2 else torch.softmax(value, dim=-1)
    wanted = torch.tensor(targets.astype(np.float64))
    (((value - wanted) ** 2 - wanted * torch.log(value)).sum() / 7).backward()
    assert flat.grad is not None
    np.testing.assert_allclose(stack.moments.gradient, flat.grad.numpy(), rtol=2e-4, atol=2e-6)


def test_moments_are_those_of_torchs_optimizers() -> None:
    rng = np.random.default_rng(0)
    moments, weights = Moments((1, 5)), {"adam": torch.zeros(5), "sgd": torch.zeros(5)}
    by_adam = torch.optim.Adam([weights["adam"]], lr=0.01)
    by_sgd = torch.optim.SGD([weights["sgd"]], lr=0.01, momentum=0.9)
    found = {"adam": np.zeros(5), "sgd": np.zeros(5)}
    for step in range(1, 30):
        moments.gradient[...] = rng.normal(size=5)
        moments.advance(step)
        found["adam"] -= 0.01 * moments.mean[0] / (np.sqrt(moments.square[0]) + 1e-8)
        found["sgd"] -= 0.01 * moments.buffer[0]
        for name, optimizer in (("adam", by_adam), ("sgd", by_sgd)):
            weights[name].grad = torch.tensor(moments.gradient[0])
            optimizer.step()
            np.testing.assert_allclose(found[name], weights[name].numpy(), rtol=1e-4, atol=1e-6)
    assert cosine(1, 10) == 1.0
    assert cosine(6, 10) == pytest.approx(0.5)


def test_the_gain_keeps_the_second_moment() -> None:
    assert gain_of(relu) == pytest.approx(math.sqrt(2), rel=0.01)
    assert gain_of(lambda x: (3.0 * x, np.full_like(x, 3.0))) == pytest.approx(1 / 3, rel=0.01)
    assert gain_of(lambda x: (0.0 * x, 0.0 * x)) == 1.0
    with np.errstate(all="ignore"), pytest.raises(CandidateFailure, match="not finite between"):
        gain_of(lambda x: (1.0 / (x - x), x))


def test_divergence_is_the_candidates_failure() -> None:
    with pytest.raises(CandidateFailure, match="a weight was not finite after epoch 1"):
        _reach(Optimizer(), OptimizerTraining(**QUICK), "exp(exp(exp(2 + g)))")
    with pytest.raises(CandidateFailure, match="not finite"):
        _reach(Activation(), ActivationTraining(**QUICK), "log(x)")


def test_label_noise_makes_learning_harder_and_is_the_same_for_all() -> None:
    plain, noisy = (LossTraining(label_noise=share, networks=1) for share in (0.0, 0.6))
    assert _reach(Loss(), noisy, "-(t * log(p))") < _reach(Loss(), plain, "-(t * log(p))") - 0.05
    assert noisy.settings()["label_noise"] == 0.6


def test_own_tasks_and_large_images() -> None:
    task = _blobs()
    assert _reach(Activation(), ActivationTraining(task=task, epochs=20), "tanh(x)") > 0.9
    assert ActivationTraining(task=task).settings()["task"]["name"] == "blobs"
    assert _reach(Optimizer(), OptimizerTraining(tasks=(task, "digits"), epochs=10), "0.1 * cosine * b") > 0.8
    large = Task(*((np.ones((4, 1, 28, 28)) * np.arange(4)[:, None, None, None], np.arange(4)) for _ in range(3)))
    assert function_tasks.flat(large).train[0].shape == (4, 14 * 14)
    assert function_tasks.flat(function_tasks.named("digits")).train[0].shape[1] == 64


def test_two_tasks_without_the_data_folder_are_two_digit_tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("AUTOML_DATA", str(tmp_path))
    assert OptimizerTraining().tasks == ("digits", "digits-parity")
    assert [item["name"] for item in OptimizerTraining().settings()["tasks"]] == ["digits", "digits-parity"]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ActivationTraining(epochs=0), "epochs=0: give at least 1"),
        (lambda: LossTraining(hidden=()), "give at least one width"),
        (lambda: LossTraining(label_noise=2.0), "label_noise=2.0: a share lies between 0 and 1"),
        (lambda: OptimizerTraining(tasks=()), "give a list of at least one task"),
        (lambda: ActivationTraining(task="digit").prepare(), "unknown task 'digit'; did you mean digits"),
    ],
)
def test_impossible_settings_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        make()


def test_unsuitable_tasks_and_behaviours_are_refused() -> None:
    real = Task(*((np.zeros((5, 2)), np.linspace(0, 1, 5)) for _ in range(3)), name="real")
    with pytest.raises(InvalidInput, match="task 'real': targets must be classes counted from 0"):
        ActivationTraining(task=real).prepare()
    hole = Task(*((np.full((5, 2), np.nan), np.zeros(5, int)) for _ in range(3)), name="hole")
    with pytest.raises(InvalidInput, match="task 'hole': an input of part 'train' is not finite"):
        ActivationTraining(task=hole).prepare()
    for behaviour in (Configuration(1), Function(np.add, arity=2)):
        with pytest.raises(InvalidInput, match="takes functions of 1 numpy arrays, not this"):
            ActivationTraining().evaluate(Work(behaviour, {}, "1"), Evaluation(1))


def test_an_unknown_fidelity_is_refused() -> None:
    with pytest.raises(InvalidInput, match="unknown fidelity of activation 'epoch'; did you mean epochs"):
        _reach(Activation(), ActivationTraining(**QUICK), "tanh(x)", fidelity={"epoch": 1})


def test_a_plain_function_is_evaluated_too() -> None:
    behaviour = Function(lambda x: (np.tanh(x), 1 - np.tanh(x) ** 2))
    found = ActivationTraining(**QUICK).evaluate(Work(behaviour, {}, "1"), Evaluation(1))["accuracy"]
    assert found == pytest.approx(_reach(Activation(), ActivationTraining(**QUICK), "tanh(x)"), abs=0.03)


def test_more_networks_are_a_mean_over_seeds() -> None:
    task = function_tasks.flat(function_tasks.named("digits"))
    figures = [accuracy(task, "validation", Protocol(relu, None, adam(0.01), (16,), 2, 64, n), 5) for n in (1, 6)]
    assert figures[0] * 449 == pytest.approx(round(figures[0] * 449))
    assert figures[1] * 449 * 6 == pytest.approx(round(figures[1] * 449 * 6))
