"""Metrics by name: our own accuracy and loss, and those of torchmetrics; and a user's own functions.

This table loads no torch; what measures is made when a training is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl import registry
from automl.errors import InvalidInput
from automl.evaluators.directions import direction_of


@dataclass(frozen=True)
class Score:
    """One metric.

    Attributes:
        name: Its name in tables.
        direction: "maximize" or "minimize".
        metric: Name of the class in torchmetrics; empty for our own and for a function.
        settings: Settings of that class.
        function: The user's own function of outputs and targets of a whole part; None for the others.
        probabilities: True if it reads probabilities; classes or values otherwise.
    """

    name: str
    direction: str = "maximize"
    metric: str = ""
    settings: Mapping[str, Any] | None = None
    function: Callable[..., Any] | None = None
    probabilities: bool = False


_CLASSES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "accuracy": ("", {}, False),
    "loss": ("", {}, True),
    "balanced_accuracy": ("Accuracy", {"average": "macro"}, False),
    "top5_accuracy": ("Accuracy", {"top_k": 5, "average": "micro"}, True),
    "auroc": ("AUROC", {}, True),
    "average_precision": ("AveragePrecision", {}, True),
    "f1": ("F1Score", {"average": "macro"}, False),
    "precision": ("Precision", {"average": "macro"}, False),
    "recall": ("Recall", {"average": "macro"}, False),
    "kappa": ("CohenKappa", {}, False),
    "mcc": ("MatthewsCorrCoef", {}, False),
    "calibration_error": ("CalibrationError", {}, True),
    "iou": ("JaccardIndex", {"average": "macro"}, False),
    "perplexity": ("", {}, True),
}
_FEW = ("accuracy", "loss", "balanced_accuracy", "f1", "precision", "recall", "iou", "mcc", "kappa")

BY_KIND: Mapping[str, Mapping[str, tuple[str, dict[str, Any], bool]]] = {
    "Classes": {name: one for name, one in _CLASSES.items() if name not in ("iou", "perplexity")},
    "Pixels": {name: _CLASSES[name] for name in _FEW},
    "Tokens": {name: _CLASSES[name] for name in ("perplexity", "accuracy", "loss", "top5_accuracy")},
    "Several": {
        "accuracy": ("Accuracy", {"average": "micro"}, True),
        "loss": ("", {}, True),
        "exact_match": ("ExactMatch", {}, True),
        "auroc": ("AUROC", {}, True),
        "average_precision": ("AveragePrecision", {}, True),
        "f1": ("F1Score", {}, True),
        "precision": ("Precision", {}, True),
        "recall": ("Recall", {}, True),
    },
    "Values": {
        "mse": ("MeanSquaredError", {}, False),
        "rmse": ("MeanSquaredError", {"squared": False}, False),
        "mae": ("MeanAbsoluteError", {}, False),
        "r2": ("R2Score", {}, False),
        "explained_variance": ("ExplainedVariance", {}, False),
        "pearson": ("PearsonCorrCoef", {}, False),
        "spearman": ("SpearmanCorrCoef", {}, False),
        "loss": ("", {}, False),
    },
}
"""For each kind of task: its metrics by name, as (class of torchmetrics, settings, whether it reads probabilities)."""

_SMALLER = frozenset({"loss", "mse", "rmse", "mae", "perplexity", "calibration_error"})
_KINDS = {
    "Classes": "classification", "Pixels": "segmentation", "Tokens": "next-token prediction",
    "Several": "several labels", "Values": "regression",
}  # fmt: skip


def scores_of(kind: str, chosen: Sequence[str] | Mapping[str, Any]) -> dict[str, Score]:
    """Returns the metrics that a user chose, the default objective first.

    Args:
        kind: name of the kind of task.
        chosen: names; or a mapping from a name to None for a known metric, and to a function of (outputs, targets), or
            a pair of the function and a direction, for a metric of the user's own.

    Raises:
        InvalidInput: a name is unknown to this kind of task, or a function's direction cannot be told.

    Example:
        >>> list(scores_of("Values", ["mae", "r2"]))
        ['mae', 'r2']
        >>> scores_of("Values", {"worst": (lambda outputs, targets: 0.0, "minimize")})["worst"].direction
        'minimize'
        >>> scores_of("Values", ["auroc"])
        Traceback (most recent call last):
        automl.errors.InvalidInput: metric auroc needs probabilities of classes, which regression has none of; ...
    """
    if isinstance(chosen, str):
        chosen = [chosen]
    given = dict(chosen) if isinstance(chosen, Mapping) else dict.fromkeys(chosen)
    if not given:
        raise InvalidInput("scores is empty; name at least one metric, the objective first")
    return {name: _score(kind, name, how) for name, how in given.items()}


def _score(kind: str, name: str, how: Any) -> Score:
    if how is not None:
        function, direction = how if isinstance(how, list | tuple) and len(how) == 2 else (how, direction_of(name))
        if not callable(function) or direction not in ("maximize", "minimize"):
            raise InvalidInput(
                f"metric {name}={how!r}; give a function of (outputs, targets), and its direction where its name does "
                f'not say it: scores={{"{name}": (function, "maximize")}}'
            )
        return Score(name, str(direction), function=function)
    known = BY_KIND[kind]
    if name in known:
        metric, settings, probabilities = known[name]
        way = "minimize" if name in _SMALLER else "maximize"
        return Score(name, way, metric, settings, probabilities=probabilities)
    if any(name in other for other in BY_KIND.values()):
        needs = "probabilities of classes" if name in _CLASSES and _CLASSES[name][2] else "other targets"
        raise InvalidInput(f"metric {name} needs {needs}, which {_KINDS[kind]} has none of; known: {', '.join(known)}")
    raise InvalidInput(registry.unknown(f"metric of {_KINDS[kind]}", name, known))


def measuring(kind: str, score: Score, outputs: int, device: Any) -> Any:
    """Returns the object of torchmetrics that measures a score, on a device."""
    import torchmetrics

    task: dict[str, Any]
    if kind == "Values":
        room: Any = torchmetrics.regression
        prefix = ""
        one_each = score.metric in ("PearsonCorrCoef", "SpearmanCorrCoef")
        task = {"num_outputs": outputs} if outputs > 1 and one_each else {}
    else:
        room = torchmetrics.classification
        prefix = "Multilabel" if kind == "Several" else "Multiclass"
        task = {"num_labels": outputs} if kind == "Several" else {"num_classes": outputs}
    made = getattr(room, prefix + score.metric)(**task, **(score.settings or {}))
    return made.to(device)
