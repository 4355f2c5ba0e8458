"""Training image or feature classifiers with torch: the evaluator behind real architecture searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from automl.evaluators.parts import AnyTask
from workers.networks.kinds import Classes, Kind
from workers.networks.supervised import Supervised


@dataclass(frozen=True)
class Classification(Supervised):
    """Trains a candidate's torch module as a classifier, and measures its accuracy on a held-out part.

    Inputs of the task are float arrays of shape (examples, channels, height, width), (examples, height, width), which
    get a channel axis, or (examples, features); unsigned bytes are divided by 255, other integers stay (token indices).
    Targets are one class an example: whole numbers from 0, names, or one-hot rows; see `class_labels`. The network
    gives one logit for each class.

    Metrics are "accuracy" (a fraction) and "loss" (mean cross-entropy in nats), or those that `scores` names:
    balanced_accuracy, top5_accuracy, auroc, average_precision, f1, precision, recall (means over the classes), kappa,
    mcc, calibration_error. Losses are cross_entropy, focal and margin. `Supervised` says what all settings mean.

    Example:
        >>> evaluator = Classification(task="digits", epochs=3)
        >>> evaluator.metrics, evaluator.resumable
        ({'accuracy': 'maximize', 'loss': 'minimize'}, True)
        >>> evaluator.adjusted({"lr": 0.05}).learning_rate  # what a space's `training` gives for one candidate
        0.05
        >>> evaluator.adjusted({"larning_rate": 0.05})
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown training setting 'larning_rate'; did you mean learning_rate?
        >>> Classification(scores=["auroc", "f1"]).metrics
        {'auroc': 'maximize', 'f1': 'maximize'}
    """

    name: ClassVar[str] = "classification"
    version: ClassVar[str] = "1"
    kind_of: ClassVar[type[Kind]] = Classes
    usual: ClassVar[Sequence[str]] = ("accuracy", "loss")
    losses: ClassVar[Sequence[str]] = ("cross_entropy", "focal", "margin")

    task: AnyTask | str = "digits"
