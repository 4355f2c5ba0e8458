"""Learning curves on their way from an evaluator to the pool's answer; they change no result."""

from __future__ import annotations

import functools
import math
import random

import numpy as np
import pytest
import torch
from torch import nn

import automl
from automl.behaviour import Module
from automl.cache.rows import MAX_ROW
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.evaluators.checkpoints import Checkpoint
from automl.evaluators.curves import MOST_POINTS, MOST_VALUES, LearningCurve, mean_values
from automl.evaluators.task import Task
from automl.pool import Job
from workers.networks import training
from workers.networks.classification import Classification
from workers.pools.perform import perform
from workers.tasks import digits


def curve_of(*points):
    curve = LearningCurve()
    for epoch, metrics in points:
        curve.report(epoch, metrics)
    return curve


# --- the curve itself ------------------------------------------------------------------------------------------------


def test_points_stand_in_order_and_a_training_begun_anew_reports_again():
    curve = curve_of((1, {"a": 0.1}), (2, {"a": 0.2}), (3, {"a": 0.3}), (2, {"a": 0.9, "b": 1}))
    assert curve.points == [(1.0, {"a": 0.1}), (2.0, {"a": 0.9, "b": 1.0})]
    assert (curve.epochs, curve.metrics, curve.values("b")) == ([1.0, 2.0], ["a", "b"], {2.0: 1.0})


def test_what_is_not_finite_is_left_out_and_what_is_no_number_is_refused():
    assert curve_of((1, {"loss": math.nan, "accuracy": np.float32(0.5)})).points == [(1.0, {"accuracy": 0.5})]
    for epoch, metrics in ((1, {"a": "high"}), (1, 0.5), ("first", {"a": 1}), (None, {"a": 1})):
        with pytest.raises(InvalidInput, match=r"is no point of a learning curve; give a number and a dict"):
            curve_of((epoch, metrics))
    with pytest.raises(InvalidInput, match="cannot have a point at epoch nan"):
        curve_of((math.nan, {"a": 1}))


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    curve = curve_of(*((step, {"a": step}) for step in range(10_000)))
    assert len(curve.points) <= MOST_POINTS
    assert (curve.epochs[0], curve.epochs[-1]) == (0.0, 9999.0)
    gaps = np.diff(curve.epochs)
    assert 0 < gaps.min() <= gaps.max() <= 6 * 10_000 / MOST_POINTS  # no stretch of it is forgotten


def test_a_curve_of_many_metrics_has_fewer_points():
    curve = curve_of(*((step, {f"metric {number}": 1 / 3 for number in range(100)}) for step in range(3000)))
    assert 30 <= len(curve.points) <= MOST_VALUES / 100
    assert len(curve.json()) < MAX_ROW / 2


def test_metrics_of_one_epoch_may_come_one_after_the_other():
    curve = curve_of((1, {"loss": 2.0}), (1, {"accuracy": 0.5}), (1, {"loss": 1.0}))
    assert curve.points == [(1.0, {"loss": 1.0, "accuracy": 0.5})]


def test_the_text_reads_back_and_other_text_is_refused():
    curve = curve_of((0.5, {"loss": 2, "accuracy": 0.1}), (1, {}))
    assert LearningCurve.from_json(curve.json()) == curve
    assert (LearningCurve().json(), LearningCurve.from_json("")) == ("", LearningCurve())
    for text in (
        "{}",
        "[1]",
        "[[1.0]]",
        '[[1.0,{"a":"x"}]]',
        '[[2.0,{"a":1.0}],[1.0,{"a":1.0}]]',
        '[[1.0,{"a":1.0}',
        "[[1.0,3]]",
    ):
        with pytest.raises(InvalidInput):
            LearningCurve.checked(text)
    assert LearningCurve.checked(curve.json()) == curve
    with pytest.raises(InvalidInput, match="is no point of a learning curve"):
        LearningCurve.checked(f'[[1.0,{{"a":1{"0" * 400}}}]]')


def test_means_are_over_the_epochs_that_all_report():
    one, other = curve_of((1, {"a": 1}), (2, {"a": 2})), curve_of((2, {"a": 4}), (3, {"a": 8}))
    assert mean_values([one, other, LearningCurve()], "a") == {2.0: 3.0}
    assert mean_values([one], "b") == mean_values([], "a") == {}


# --- training --------------------------------------------------------------------------------------------------------

EPOCHS = 6
EVALUATOR = Classification(epochs=EPOCHS, learning_rate=0.1)


class Restless(nn.Module):
    """Draws from every generator, moves buffers and counts in every pass, and folds weights when it is evaluated."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.ReLU())
        self.head = nn.Linear(16, 10)
        self.register_buffer("passes", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(()))
        self.count = 0

    def train(self, mode: bool = True) -> nn.Module:
        with torch.no_grad():
            self.head.weight.mul_(1.0 if mode else 0.999)
        return super().train(mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        self.mean = 0.9 * self.mean + 0.1 * x.mean()
        self.count += 1
        x = x + 0.01 * self.mean + 0.001 * (self.count % 7)
        noise = torch.rand(1) + float(np.random.rand()) + random.random()
        return self.head(self.network(x)) + 0.1 * (noise + torch.sin(self.passes))


def counting_nothing() -> nn.Module:
    """State that a checkpoint holds: the generators', and the buffers of normalisation."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.ReLU(), nn.Linear(16, 10)
    )


class Uncopied(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 10))

    def __deepcopy__(self, memo: object) -> None:
        raise RuntimeError("not me")


def evaluated(monkeypatch=None, how=None, evaluator=EVALUATOR, build=Restless):
    """Returns the metrics; without reports where `monkeypatch` is given."""
    if monkeypatch is not None:
        fit = training.fit
        silent = lambda module, data, settings, how, until, held, saved: fit(
            module, data, settings, how, until, None, saved
        )
        monkeypatch.setattr(training, "fit", silent)
    metrics = evaluator.evaluate(Work(Module(build), {}, "{}"), how or Evaluation(7))
    if monkeypatch is not None:
        monkeypatch.undo()
    return metrics


@pytest.mark.usefixtures("one_thread")
def test_reports_change_no_result_to_the_last_bit(monkeypatch):
    how = Evaluation(7)
    assert evaluated(how=how) == evaluated(monkeypatch)
    assert how.curve.epochs == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("one_thread")
def test_the_last_point_is_the_result_and_the_course_is_that_of_shorter_trainings():
    how = Evaluation(7)
    metrics = evaluated(how=how)
    last = dict(how.curve.points[-1][1])
    assert last.pop("train_loss") > 0
    assert last == metrics
    how = Evaluation(7)
    evaluated(how=how, build=counting_nothing)
    shorter = evaluated(how=Evaluation(7, fidelity={"epochs": 4}), build=counting_nothing)
    assert how.curve.values("accuracy")[4.0] == shorter["accuracy"]


@pytest.mark.usefixtures("one_thread")
def test_a_large_validation_part_is_measured_every_second_epoch():
    """Digits: 449 examples beside 898. Every epoch has its training loss."""
    how = Evaluation(7)
    evaluated(how=how)
    assert list(how.curve.values("train_loss")) == [1, 2, 3, 4, 5, 6]
    assert list(how.curve.values("accuracy")) == [2, 4, 6]
    task = digits()
    few = Task(task.train, tuple(array[:200] for array in task.validation), task.test)
    how = Evaluation(7)
    evaluated(how=how, evaluator=Classification(task=few, epochs=3))
    assert list(how.curve.values("accuracy")) == [1, 2, 3]


@pytest.mark.usefixtures("one_thread")
def test_nothing_is_reported_of_the_test_part_nor_where_nothing_is_trained():
    how = Evaluation(7, part="test")
    evaluated(how=how)
    assert how.curve.points == []
    how = Evaluation(7)
    evaluated(how=how, build=lambda: nn.Sequential(nn.Flatten(), nn.AvgPool1d(6)))
    assert how.curve.points == []


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("rung", [2, 3])
def test_a_training_gone_on_with_has_the_curve_of_one_piece(tmp_path, rung):
    kept = Checkpoint(tmp_path / "state")
    first, second, whole = (
        Evaluation(7, fidelity={"epochs": rung}, checkpoint=kept),
        Evaluation(7, checkpoint=kept),
        Evaluation(7),
    )
    short = evaluated(how=first, build=counting_nothing)
    assert first.curve.epochs == list(range(1, rung + 1))
    assert first.curve.values("accuracy")[rung] == short["accuracy"]
    assert evaluated(how=second, build=counting_nothing) == evaluated(how=whole, build=counting_nothing)
    assert second.curve == whole.curve


@pytest.mark.usefixtures("one_thread")
def test_a_checkpoint_without_a_curve_is_gone_on_with(tmp_path):
    """Earlier versions wrote none."""
    kept = Checkpoint(tmp_path / "state")
    evaluated(how=Evaluation(7, fidelity={"epochs": 2}, checkpoint=kept), build=counting_nothing)
    state = torch.load(kept.path, weights_only=True)
    del state["curve"]
    torch.save(state, kept.path)
    how = Evaluation(7, checkpoint=kept)
    assert evaluated(how=how, build=counting_nothing) == evaluated(build=counting_nothing)
    assert how.curve.epochs == [3, 4, 5, 6]


@pytest.mark.usefixtures("one_thread")
def test_a_module_that_cannot_be_copied_is_trained_as_ever_and_measured_at_its_end():
    how = Evaluation(7)
    assert evaluated(how=how, build=Uncopied)["accuracy"] > 0.5
    assert list(how.curve.values("train_loss")) == [1, 2, 3, 4, 5, 6]
    assert list(how.curve.values("accuracy")) == [6]


def test_reports_are_no_setting_so_that_old_results_are_still_served():
    assert set(Classification().settings()) == {
        "task", "epochs", "batch_size", "optimizer", "learning_rate", "momentum", "weight_decay", "schedule", "warmup",
        "label_smoothing", "gradient_clip", "precision",
    }  # fmt: skip
    assert Classification.version == "1"


# --- the way to the pool's answer ------------------------------------------------------------------------------------


NOTHING = np.zeros(2)


class Numbers(automl.Space):
    x = automl.Integer(0, 9)


def reporting(candidate, seed, report):
    for epoch in (1, 2):
        report(epoch, {"fitness": epoch * candidate.value["x"], "other": seed})
    if candidate.value["x"] == 9:
        raise ValueError("nine")
    return float(2 * candidate.value["x"])


def bare(candidate, *, report):
    report(1, candidate.value["x"])
    return candidate.value["x"]


class Batches(automl.Evaluator):
    """Has a loop of its own for batches."""

    name = "batches"
    metrics = {"v": "maximize"}

    def evaluate(self, work, how):
        return self.evaluate_many([(work, how)])[0]

    def evaluate_many(self, works):
        for work, how in works:
            how.report(1, {"v": work.behaviour.value["x"]})
        return [{"v": work.behaviour.value["x"]} for work, _ in works]


@pytest.mark.parametrize(
    ("evaluator", "objective", "expected"),
    [
        (
            automl.FunctionEvaluator(reporting),
            "fitness",
            '[[1.0,{"fitness":3.0,"other":5.0}],[2.0,{"fitness":6.0,"other":5.0}]]',
        ),
        (automl.FunctionEvaluator(bare), "fitness", '[[1.0,{"fitness":3.0}]]'),
        (Batches(), "v", '[[1.0,{"v":3.0}]]'),
    ],
    ids=["function", "function without a seed", "batch"],
)
def test_each_completion_carries_its_own_curve(evaluator, objective, expected):
    jobs = [Job(number, f'{{"x":{number}}}', Evaluation(5)) for number in (3, 4, 9)]
    done = perform(Numbers(), evaluator, objective, jobs)
    assert done[0].curve == expected
    assert done[1].curve == expected.replace("3.0", "4.0").replace("6.0", "8.0")
    assert evaluator.name == "batches" or (done[2].curve == "") == (done[2].fault is not None)


def test_a_function_that_reports_may_take_a_seed_or_not_and_nothing_else():
    assert automl.FunctionEvaluator(bare).deterministic
    assert not automl.FunctionEvaluator(reporting).deterministic
    with pytest.raises(
        InvalidInput, match=r"must take \(candidate\) or \(candidate, seed\), and then `report` if it likes"
    ):
        automl.FunctionEvaluator(lambda candidate, seed, data, report: 0.0, code_version="1")


def test_a_report_of_the_functions_own_is_left_alone():
    """A default, or what `partial` bound: such functions mean what they meant before there were curves."""

    def verbose(candidate, seed, report=False):
        return 5.0 if report else 1.0

    def own(candidate, seed, report):
        return report

    def array(candidate, seed, report=NOTHING):
        return float(report.sum())

    def optional(candidate, seed, report=None):
        report(1, 2.0)
        return 3.0

    jobs = [Job(1, '{"x":1}', Evaluation(5))]
    for function, fitness, curve in (
        (verbose, 1.0, ""),
        (functools.partial(own, report=7.0), 7.0, ""),
        (array, 0.0, ""),
        (optional, 3.0, '[[1.0,{"fitness":2.0}]]'),
    ):
        (done,) = perform(Numbers(), automl.FunctionEvaluator(function, code_version="1"), "fitness", jobs)
        assert (done.metrics, done.curve) == ({"fitness": fitness}, curve)


def test_a_report_that_is_no_number_is_the_evaluators_fault_in_a_sentence():
    function = automl.FunctionEvaluator(lambda candidate, report: report(1, "much"), code_version="1")
    (done,) = perform(Numbers(), function, "fitness", [Job(1, '{"x":1}', Evaluation(5))])
    assert done.fault == "candidate"
    assert "is no point of a learning curve" in done.error
