"""Training networks on tasks that are no classification: values, several labels, pixels, next tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from automl.errors import InvalidInput, brief
from automl.evaluators.base import added
from workers.networks.kinds import Kind, Pixels, Several, Tokens, Values
from workers.networks.supervised import Supervised


@dataclass(frozen=True)
class Regression(Supervised):
    """Trains a candidate's torch module to predict one or more real values, and measures its errors.

    Targets are numbers of shape (examples,) or (examples, values), which the network gives in the same shape. Large
    values train badly: with `scale_targets` the network learns targets with mean 0 and deviation 1, as the training
    part has them. Its outputs are put back: metrics, weights that are kept and exports are in your own units.
    "train_loss" is of the standardised targets then, unless the loss is a function of yours.

    Metrics are "mse" and "mae", or those that `scores` names: rmse, r2, explained_variance, pearson, spearman, loss.
    Losses are mse, mae and huber. `Supervised` says what all settings mean.

    Attributes:
        scale_targets: Whether networks learn standardised targets; None scales those of tables (CSV, Parquet, data
            frames), and takes others as they are.

    Raises:
        InvalidInput: `scale_targets` is something else than True, False or None.

    Example:
        >>> part = ([[0.0], [1.0]], [0.5, 2.5])
        >>> other = ([[2.0]], [4.5])
        >>> from automl.evaluators.task import Task
        >>> evaluator = Regression(Task(part, other, ([[3.0]], [6.5])), scores=["r2", "mae"], loss="huber")
        >>> evaluator.metrics
        {'r2': 'maximize', 'mae': 'minimize'}
    """

    name: ClassVar[str] = "regression"
    kind_of: ClassVar[type[Kind]] = Values
    usual: ClassVar[Sequence[str]] = ("mse", "mae")
    losses: ClassVar[Sequence[str]] = ("mse", "mae", "huber")

    optimizer: str = "adamw"
    learning_rate: float = 0.01
    scale_targets: bool | None = added(None, before=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.scale_targets, bool | None):
            raise InvalidInput(f"scale_targets is {brief(self.scale_targets)}; it must be True, False or None")

    @property
    def scaled(self) -> bool:
        return self._given().scales_targets if self.scale_targets is None else bool(self.scale_targets)

    def settings(self) -> dict[str, Any]:
        found = {name: value for name, value in super().settings().items() if name != "scale_targets"}
        return {**found, "scale_targets": True} if self.scaled else found


@dataclass(frozen=True)
class MultiLabel(Supervised):
    """Trains a candidate's torch module to give any number of labels an example.

    Targets are rows of 0 and 1, (examples, labels); the network gives a logit for each label.

    Metrics are "accuracy" (share of labels that are right) and "loss" (mean binary cross-entropy in nats), or those
    that `scores` names: exact_match, auroc, average_precision, f1, precision, recall (means over the labels). Losses
    are binary_cross_entropy and margin. `Supervised` says what all settings mean.

    Example:
        >>> MultiLabel(task="digits", scores=["f1", "auroc"]).metrics
        {'f1': 'maximize', 'auroc': 'maximize'}
    """

    name: ClassVar[str] = "multilabel"
    kind_of: ClassVar[type[Kind]] = Several
    usual: ClassVar[Sequence[str]] = ("accuracy", "loss")
    losses: ClassVar[Sequence[str]] = ("binary_cross_entropy", "margin")

    optimizer: str = "adamw"
    learning_rate: float = 0.01


@dataclass(frozen=True)
class Segmentation(Supervised):
    """Trains a candidate's torch module to give each place of an example a class, such as each pixel of an image.

    Targets are classes from 0 of shape (examples, …); the network gives logits of shape (examples, classes, …).

    Metrics are "iou" (mean intersection over union of the classes), "accuracy" (share of places) and "loss" (mean
    cross-entropy in nats), or those that `scores` names: balanced_accuracy, f1, precision, recall, mcc, kappa. Losses
    are cross_entropy and focal. `ignore` names the target of places that do not count. `Supervised` says what all
    settings mean.

    Example:
        >>> Segmentation(task="digits", ignore=255).metrics
        {'iou': 'maximize', 'accuracy': 'maximize', 'loss': 'minimize'}
    """

    name: ClassVar[str] = "segmentation"
    kind_of: ClassVar[type[Kind]] = Pixels
    usual: ClassVar[Sequence[str]] = ("iou", "accuracy", "loss")
    losses: ClassVar[Sequence[str]] = ("cross_entropy", "focal")

    optimizer: str = "adamw"
    learning_rate: float = 0.01


@dataclass(frozen=True)
class NextToken(Supervised):
    """Trains a candidate's torch module to predict the next token at each place of a sequence.

    Inputs are tokens of shape (examples, places), targets the tokens that follow, in the same shape; `Task.from_tokens`
    makes both of one long sequence. The network gives logits of shape (examples, places, tokens).

    Metrics are "perplexity", "loss" (mean cross-entropy in nats) and "accuracy", or those that `scores` names
    (top5_accuracy). `ignore` names the target of places that do not count, such as padding. `Supervised` says what all
    settings mean.

    Example:
        >>> NextToken(task="digits").metrics
        {'perplexity': 'minimize', 'loss': 'minimize', 'accuracy': 'maximize'}
    """

    name: ClassVar[str] = "next-token"
    kind_of: ClassVar[type[Kind]] = Tokens
    usual: ClassVar[Sequence[str]] = ("perplexity", "loss", "accuracy")
    losses: ClassVar[Sequence[str]] = ("cross_entropy", "focal")

    optimizer: str = "adamw"
    learning_rate: float = 0.003
