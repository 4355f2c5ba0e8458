"""What a training can be told: kinds of tasks, losses, metrics, optimizers, schedules, early stop, augmentation."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import automl
from automl import Classification, InvalidInput, MultiLabel, NextToken, Regression, Segmentation, Task
from automl.behaviour import Module
from automl.errors import CandidateFailure
from automl.evaluators.base import Evaluation, Work
from automl.evaluators.checkpoints import Checkpoint
from automl.evaluators.pruning import PruneRule
from automl.testing.evaluators import EvaluatorContract
from workers.networks import augmentation, training
from workers.networks.averages import Average
from workers.networks.batches import ArrayPart
from workers.networks.losses import loss_of
from workers.networks.optimizers import Rates, optimizer_of
from workers.tasks import digits

pytestmark = pytest.mark.usefixtures("one_thread")

RNG = np.random.default_rng(0)


def parts(inputs, targets, name="mine"):
    count = len(inputs)
    cuts = [slice(0, count // 2), slice(count // 2, 3 * count // 4), slice(3 * count // 4, None)]
    return Task(*((inputs[cut], targets[cut]) for cut in cuts), name=name)


def build(inputs=64, outputs=10):
    return lambda: nn.Sequential(nn.Flatten(), nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


def run(evaluator, make, how=None, **settings):
    return evaluator.evaluate(Work(Module(make), settings, "{}"), how or Evaluation(3))


X = RNG.normal(size=(400, 6)).astype(np.float32)
LINEAR = X @ np.array([1.0, -2.0, 0.5, 0, 0, 1], np.float32)

VALUES = parts(X, LINEAR + 0.01 * RNG.normal(size=400).astype(np.float32))
PAIRS = parts(X, np.stack([LINEAR, -LINEAR], 1))
LABELS = parts(X, np.stack([LINEAR > 0, X[:, 0] > 0, X[:, 1] > 0.5], 1).astype(int))
IMAGES = RNG.normal(size=(80, 1, 6, 6)).astype(np.float32)
PIXELS = parts(IMAGES, (IMAGES[:, 0] > 0).astype(int) + (IMAGES[:, 0] > 1))
_long = np.arange(3000) % 7
TOKENS = parts(_long[:2880].reshape(-1, 12), _long[1:2881].reshape(-1, 12))


class Lookup(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 8), nn.Linear(8, 7)

    def forward(self, x):
        return self.head(self.embedding(x))


def flat():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))


def convolution():
    return nn.Sequential(nn.Conv2d(1, 8, 1), nn.ReLU(), nn.Conv2d(8, 3, 1))


KINDS = {
    "regression": (Regression(VALUES, epochs=8, batch_size=16, scores=["r2", "rmse", "mae", "mse", "pearson"]), flat),
    "two values": (Regression(PAIRS, epochs=8, batch_size=16, scores=["r2", "mse", "loss"]), build(6, 2)),
    "labels": (
        MultiLabel(LABELS, epochs=8, batch_size=16, scores=["accuracy", "f1", "auroc", "exact_match", "loss"]),
        build(6, 3),
    ),
    "pixels": (Segmentation(PIXELS, epochs=8, batch_size=8, learning_rate=0.03), convolution),
    "tokens": (NextToken(TOKENS, epochs=4, batch_size=16, learning_rate=0.05), Lookup),
}


@pytest.mark.parametrize("which", KINDS)
def test_each_kind_of_task_is_learned(which):
    evaluator, make = KINDS[which]
    assert evaluator.misfit(Work(Module(make), {}, "{}")) == ""
    found = run(evaluator, make)
    assert list(found) == list(evaluator.metrics)
    best = {
        "regression": lambda m: m["r2"] > 0.9 and math.isclose(m["rmse"] ** 2, m["mse"], rel_tol=1e-4),
        "two values": lambda m: m["r2"] > 0.9 and math.isclose(m["loss"], m["mse"], rel_tol=1e-4),
        "labels": lambda m: m["accuracy"] > 0.85 and m["auroc"] > 0.9 and m["exact_match"] < m["accuracy"],
        "pixels": lambda m: m["iou"] > 0.6 and m["accuracy"] > 0.8,
        "tokens": lambda m: m["accuracy"] > 0.95 and math.isclose(m["perplexity"], math.exp(m["loss"])),
    }[which]
    assert best(found), found
    assert run(evaluator, make) == found
    assert run(evaluator, make, Evaluation(3, part="test")) != found


@pytest.mark.parametrize(
    ("which", "make", "sentence"),
    [
        ("regression", build(6, 2), r"\(2, 2\) for 2 examples; give one value for each target, \(2, 1\)"),
        ("labels", build(6, 2), r"give one logit for each label, \(2, 3\)"),
        ("two values", build(6, 1), r"\(2, 1\) for 2 examples; give one value for each target, \(2, 2\)"),
        ("labels", build(6, 4), r"\(2, 4\) for 2 examples; give one logit for each label, \(2, 3\)"),
        ("pixels", lambda: nn.Conv2d(1, 5, 1), r"\(2, 5, 6, 6\) for 2 .* \(2, 3, 6, 6\); if 5 are right .* outputs=5"),
        ("tokens", lambda: nn.Embedding(7, 9), r"\(2, 12, 9\) for 2 .* \(2, 12, 7\); if 9 are right .* outputs=9"),
        ("pixels", lambda: nn.Conv2d(1, 2, 1), r"one logit for each class and place, \(2, 3, 6, 6\)"),
        ("tokens", lambda: nn.Embedding(7, 3), r"one logit for each token at each place, \(2, 12, 7\)"),
    ],
)
def test_outputs_that_fit_no_targets_are_said_before_anything_is_paid_for(which, make, sentence):
    import re

    assert re.search(sentence, KINDS[which][0].misfit(Work(Module(make), {}, "{}")))


def test_a_classifier_has_as_many_outputs_as_there_are_classes_unless_the_task_says_how_many():
    task = parts(X, (LINEAR > 0).astype(int))
    wide = Work(Module(build(6, 5)), {}, "{}")
    said = Classification(task).misfit(wide)
    assert "outputs of shape (2, 5) for 2 examples; give one logit for each of the 2 classes, (2, 2); if 5 are" in said
    declared = dataclasses.replace(task, outputs=5)
    assert Classification(declared).misfit(wide) == ""
    assert declared.fingerprint() == task.fingerprint()
    assert Classification(declared).sizes()[1] == 5
    with pytest.raises(InvalidInput, match=r"outputs=1, and its targets have 2 classes; give at least 2"):
        Classification(dataclasses.replace(task, outputs=1)).misfit(wide)


class BackwardFails(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(64, 10)

    def forward(self, x):
        found = self.inner(x.flatten(1))
        return found.detach() if self.training else found


def test_a_step_back_is_tried_too(tmp_path):
    assert "does not require grad" in Classification().misfit(Work(Module(BackwardFails), {}, "{}"))
    with pytest.raises(InvalidInput, match=r"none of its first 3 candidates can be evaluated: in a training step"):
        automl.search(
            _Detached(), evaluator=Classification(), trials=2, workers=0, storage=f"sqlite:///{tmp_path}/new.db"
        )
    assert not list(tmp_path.iterdir())


class _Detached(automl.Space):
    width = automl.Choice(1, 2)

    def build(self, c):
        return BackwardFails()


# --- metrics and losses ----------------------------------------------------------------------------------------------


def test_metrics_by_name_are_scikit_learns():
    from sklearn import metrics

    names = ["balanced_accuracy", "f1", "auroc", "kappa", "mcc", "precision", "recall", "top5_accuracy", "accuracy"]
    kept = {}

    def keep(outputs, targets):
        kept["pair"] = (outputs, targets)
        return 0.0

    evaluator = Classification(epochs=2, scores={**dict.fromkeys(names), "mine": (keep, "maximize")})
    found = run(evaluator, build())
    outputs, targets = kept["pair"]
    wanted, chances = targets.numpy(), torch.softmax(outputs, 1).numpy()
    said = chances.argmax(1)
    expected = {
        "balanced_accuracy": metrics.balanced_accuracy_score(wanted, said),
        "f1": metrics.f1_score(wanted, said, average="macro"),
        "auroc": metrics.roc_auc_score(wanted, chances.astype(float), multi_class="ovr", labels=range(10)),
        "kappa": metrics.cohen_kappa_score(wanted, said),
        "mcc": metrics.matthews_corrcoef(wanted, said),
        "precision": metrics.precision_score(wanted, said, average="macro", zero_division=0),
        "recall": metrics.recall_score(wanted, said, average="macro"),
        "top5_accuracy": metrics.top_k_accuracy_score(wanted, chances, k=5),
        "accuracy": metrics.accuracy_score(wanted, said),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-4), name
    assert len(targets) == len(digits().validation[0])


def test_a_loss_and_metrics_of_the_users_own():
    def pinball(outputs, targets):
        error = targets - outputs
        return torch.maximum(0.9 * error, -0.1 * error).mean()

    def above(outputs, targets):
        return (outputs >= targets).float().mean()

    evaluator = Regression(
        VALUES, epochs=8, batch_size=16, loss=pinball, scores={"share": (above, "maximize"), "loss": None}
    )
    found = run(evaluator, flat)
    assert found["share"] > 0.7
    changed = Regression(VALUES, epochs=8, loss=lambda outputs, targets: (outputs - targets).abs().mean())
    assert evaluator.settings()["loss"] != changed.settings()["loss"]
    with pytest.raises(CandidateFailure, match=r"loss function returned a value of shape \(16, 1\)"):
        run(Regression(VALUES, batch_size=16, loss=lambda outputs, targets: outputs - targets), flat)
    with pytest.raises(CandidateFailure, match="metric error returned str instead of a number"):
        run(Regression(VALUES, epochs=1, scores={"error": lambda outputs, targets: "small"}), flat)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"scores": ["auroc"]},
            "auroc needs probabilities of classes, which regression has none of; known: mse",
        ),
        ({"scores": ["r3"]}, "unknown metric of regression 'r3'; did you mean r2"),
        ({"scores": {"mine": (len, "up")}}, "give a function of"),
        ({"scores": {"distance": len}}, "give a function of|distance"),
        ({"loss": "mee"}, "loss 'mee' is unknown; known: mse, mae, huber"),
        ({"optimizer": "lbfgs"}, "cannot be used here: it evaluates the loss several times"),
        ({"optimizer": "adam", "optimizer_settings": {"bethas": 1}}, "did you mean betas"),
        ({"optimizer": "adam", "optimizer_settings": {"betas": [2, 3]}}, "refuses its settings"),
        ({"schedule": "StepLRR"}, "unknown schedule 'StepLRR'; did you mean StepLR"),
        ({"schedule_settings": {"gamma": 1}}, "schedule cosine takes no schedule_settings"),
        ({"ema": 2}, "ema is 2; it must lie between 0 and 1"),
        ({"patience": 0}, "patience is 0; it must be at least 1"),
        ({"pieces": 0}, "pieces is 0"),
        ({"augment": {"flop": 1}}, "unknown augmentation 'flop'; did you mean flip"),
        ({"augment": {"crop": -1}}, "must be a number of pixels"),
        ({"augment": ["flip"]}, "augment is .* must be a dictionary"),
        ({"class_weights": "balanced"}, "class_weights are for the losses"),
    ],
)
def test_impossible_settings_are_one_sentence(settings, sentence):
    with pytest.raises(InvalidInput, match=sentence) as caught:
        Regression(VALUES, **settings)
    assert "\n" not in str(caught.value)


def test_settings_that_are_not_used_stand_in_no_context():
    """As version 0.1 wrote it; a change here would forget all results of that version."""
    assert set(Classification().settings()) == {
        "task", "epochs", "batch_size", "optimizer", "learning_rate", "momentum", "weight_decay", "schedule", "warmup",
        "label_smoothing", "gradient_clip", "precision",
    }  # fmt: skip
    assert Classification(loss="cross_entropy").settings() == Classification().settings()
    assert Classification(ema=0.9).settings()["ema"] == 0.9
    assert list(Classification(scores=["f1"]).settings()["scores"]) == ["f1"]


def test_class_weights_and_ignored_targets():
    targets = torch.tensor([0, 0, 0, 1, -100])
    outputs = torch.tensor([[2.0, 0], [0, 1], [1, 1], [0, 3], [9, 9]])
    train = ArrayPart(outputs, targets)
    balanced = loss_of(Classification(class_weights="balanced"), train)(outputs, targets)
    given = loss_of(Classification(class_weights=[2 / 3, 2.0]), train)(outputs, targets)
    plain = loss_of(Classification(), train)(outputs, targets)
    assert balanced == pytest.approx(float(given)) != float(plain)
    assert plain == pytest.approx(float(nn.functional.cross_entropy(outputs[:4], targets[:4])))
    with pytest.raises(InvalidInput, match="3 weights, and the task has 2 classes"):
        loss_of(Classification(class_weights=[1, 2, 3]), train)
    spoiled = PIXELS.train[1].copy()
    spoiled[:, 0] = 255
    task = Task((PIXELS.train[0], spoiled), PIXELS.validation, PIXELS.test)
    ignoring = Segmentation(task, epochs=3, ignore=255)
    assert ignoring.misfit(Work(Module(convolution), {}, "{}")) == ""
    assert run(ignoring, convolution)["accuracy"] > 0.4


# --- the loop --------------------------------------------------------------------------------------------------------

FEW = Classification(epochs=4, learning_rate=0.05)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": name, "learning_rate": 0.02}
        for name in ("adam", "RMSprop", "nadam", "radam", "adagrad", "adamax", "asgd", "adadelta", "rprop", "adafactor")
    ]
    + [
        {"optimizer": "adamw", "learning_rate": 0.02, "optimizer_settings": {"betas": [0.5, 0.9], "amsgrad": True}},
        {"schedule": "StepLR", "schedule_settings": {"step_size": 2, "gamma": 0.5}},
        {"schedule": "one_cycle"},
        {"schedule": "exponential"},
        {"schedule": "cosine_annealing"},
        {"schedule": "multi_step", "schedule_settings": {"milestones": [1, 3]}},
        {"schedule": "polynomial"},
        {"schedule": "cyclic"},
        {"schedule": "cosine_annealing_warm_restarts"},
        {"schedule": "reduce_lr_on_plateau", "schedule_settings": {"patience": 0}},
        {"ema": 0.95},
        {"pieces": 3},
        {"channels_last": True},
        {"patience": 1},
        {"augment": {"flip": True, "crop": 1, "cutout": 2, "mixup": 0.2, "cutmix": 1.0}},
        {"loss": "focal"},
        {"loss": "margin"},
        {"class_weights": "balanced"},
    ],
    ids=str,
)
def test_each_setting_trains_and_goes_on_from_a_checkpoint_as_in_one_piece(settings, tmp_path):
    import dataclasses

    evaluator = dataclasses.replace(FEW, **settings)
    whole = run(evaluator, build())
    kept = Checkpoint(tmp_path / "state")
    run(evaluator, build(), Evaluation(3, fidelity={"epochs": 2}, checkpoint=kept))
    assert kept.read()
    assert run(evaluator, build(), Evaluation(3, checkpoint=kept)) == whole
    assert math.isfinite(whole["loss"])
    same = {"pieces", "channels_last", "patience"}  # here, up to rounding
    assert same & set(settings) or whole != run(FEW, build())


def test_rates_warm_up_and_then_follow_torchs_schedule():
    settings = Classification(
        epochs=10, learning_rate=1.0, schedule="step", schedule_settings={"step_size": 2, "gamma": 0.5}, warmup=0.2
    )
    optimizer = optimizer_of([nn.Parameter(torch.zeros(1))], settings)
    rates, seen = Rates(optimizer, settings, 2), []
    for _ in range(10):
        for _ in range(2):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            rates.after_step()
        rates.after_epoch()
    assert seen[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert seen[4] == 1.0
    assert seen[-1] <= 0.125
    assert all(later <= earlier for earlier, later in itertools.pairwise(seen[4:]))


def test_an_average_follows_the_weights_from_behind():
    module = nn.BatchNorm1d(1)
    average = Average(module, 0.5)
    module.weight.data.fill_(2.0)
    module.num_batches_tracked.fill_(7)
    average.update(module)
    kept = average.module.weight.item()
    assert kept == pytest.approx(2.0 - 2 / 11)
    assert int(average.module.num_batches_tracked) == 7


def test_an_early_stop_keeps_the_best_epochs_weights():
    how = Evaluation(3)
    evaluator = Classification(epochs=60, learning_rate=0.3, patience=2, batch_size=32)
    found = run(evaluator, build(), how)
    assert how.curve.epochs[-1] < 60
    assert found["accuracy"] >= max(how.curve.values("accuracy").values()) - 1e-9
    again = run(evaluator, build(), Evaluation(3, part="test"))
    assert again["accuracy"] > 0.8  # looked at on the validation part, measured on the test part


def test_pieces_of_a_batch_have_the_gradients_of_the_whole():
    whole, cut = (run(Classification(epochs=1, pieces=pieces), build()) for pieces in (1, 4))
    assert whole["loss"] == pytest.approx(cut["loss"], rel=1e-3)


def test_a_training_that_is_not_wanted_stops_and_can_be_gone_on_with(tmp_path):
    evaluator = Classification(epochs=6, learning_rate=0.05)
    whole = run(evaluator, build())
    kept = Checkpoint(tmp_path / "state")
    asked = Evaluation(3, checkpoint=kept, rule=PruneRule("accuracy", bars={2.0: 2.0}))
    with pytest.raises(automl.Pruned):
        run(evaluator, build(), asked)
    assert asked.curve.epochs == [1, 2]
    assert run(evaluator, build(), Evaluation(3, checkpoint=kept)) == whole
    assert run(evaluator, build(), Evaluation(3, rule=PruneRule("accuracy", bars={2.0: 0.0}))) == whole


class TwoHeads(nn.Module):
    def __init__(self, drops=False):
        super().__init__()
        self.body, self.head, self.auxiliary = nn.Linear(64, 16), nn.Linear(16, 10), nn.Linear(16, 10)
        if drops:
            self.drop_path_prob = 0.0
        self.seen = []

    def forward(self, x):
        self.seen.append(getattr(self, "drop_path_prob", None))
        x = torch.relu(self.body(x.flatten(1)))
        return (self.head(x), self.auxiliary(x)) if self.training else self.head(x)


def test_auxiliary_heads_and_scheduled_drop_paths():
    made = []

    def make():
        made.append(TwoHeads(drops=True))
        return made[-1]

    found = [run(FEW, make, **more) for more in ({}, {"auxiliary": 0.0}, {"drop_path": 0.4})]
    assert found[0] != found[1]
    assert found[0] == found[2]  # this network only records it
    assert made[0].auxiliary.weight.grad is not None
    assert [round(one, 3) for one in sorted(set(made[-1].seen))] == [0.0, 0.1, 0.2, 0.3]
    assert "drop_path=0.4 has no effect" in FEW.misfit(Work(Module(TwoHeads), {"drop_path": 0.4}, "{}"))


# --- augmentation ----------------------------------------------------------------------------------------------------


def test_augmentations_change_what_they_say_and_repeat_themselves():
    images = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1

    def drawn(chosen):
        with training.seeded(5, "cpu"):
            return augmentation.augmented(images, chosen)

    flipped = drawn({"flip": True})
    turned = [bool((a == b.flip(-1)).all()) for a, b in zip(flipped, images, strict=True)]
    kept = [bool((a == b).all()) for a, b in zip(flipped, images, strict=True)]
    assert 16 < sum(turned) < 48
    assert sum(turned) + sum(kept) == 64
    cut = drawn({"cutout": 4})
    assert all(4 <= int((one[0] == 0).sum()) <= 16 for one in cut)
    assert ((cut == images) | (cut == 0)).all()
    moved = drawn({"crop": 2})
    assert moved.shape == images.shape
    assert any((one[:, 2:] == other[:, :-2]).all() for one, other in zip(moved, images, strict=True))
    for chosen in ({"flip": True}, {"cutout": 4}, {"crop": 2}):
        assert torch.equal(drawn(chosen), drawn(chosen))


def test_mixtures_have_the_share_that_they_say():
    images = torch.arange(8.0)[:, None, None, None].expand(8, 1, 16, 16).clone()
    torch.manual_seed(0)
    blended, other, share = augmentation.mixed(images, {"mixup": 1.0})
    assert torch.allclose(blended[:, 0, 0, 0], share * torch.arange(8.0) + (1 - share) * other.float())
    for _ in range(10):
        pasted, other, share = augmentation.mixed(images, {"cutmix": 1.0})
        own = (pasted == images).float().mean((1, 2, 3))
        moved = other != torch.arange(8)
        assert torch.allclose(own[moved], torch.tensor(share), atol=1e-6)


def test_augmentations_of_no_images_are_refused_before_a_search():
    evaluator = Regression(VALUES, augment={"flip": True})
    assert "is for images of shape" in evaluator.misfit(Work(Module(flat), {}, "{}"))
    tokens = NextToken(TOKENS, augment={"mixup": 0.2})
    assert "mixes real numbers" in tokens.misfit(Work(Module(Lookup), {}, "{}"))
    assert Regression(VALUES, epochs=1, augment={"mixup": 0.2}).misfit(Work(Module(flat), {}, "{}")) == ""


def test_randaugment_is_kornias_and_repeats_itself():
    pytest.importorskip("kornia")
    evaluator = Classification(epochs=1, augment={"randaugment": [1, 5]})
    assert run(evaluator, build()) == run(evaluator, build()) != run(Classification(epochs=1), build())


def test_randaugment_without_kornia_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "kornia.augmentation.auto", None)
    augmentation._rand_augment.cache_clear()
    with pytest.raises(InvalidInput, match=r"needs kornia: pip install 'automl-functional-hashing\[augment\]'"):
        Classification(augment={"randaugment": [1, 5]})


class TestRegression(EvaluatorContract):
    def evaluator(self):
        return Regression(VALUES, epochs=3)

    def works(self):
        return [Work(Module(flat), settings, "{}") for settings in ({}, {"lr": 0.02, "ema": 0.9})]
