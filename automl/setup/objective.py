"""Which metric a search optimises, and which way it is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl import registry
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator
from automl.evaluators.directions import direction_of
from automl.evaluators.function import FunctionEvaluator


def objective_of(
    evaluator: Evaluator,
    objective: str | None,
    direction: str | None,
    stored: Mapping[str, Any] | None = None,
    default: str | None = None,
) -> tuple[str, str, str]:
    """Returns the name of a search's objective, its direction, and a notice if the direction was inferred from the
    name.

    The metric is `objective`, or else the stored one, or else `default`, or else the evaluator's first. The direction
    is `direction`, or else the stored one, or else the evaluator's. A `FunctionEvaluator` declares no directions: for
    it the name decides, so that `val_loss` is minimized; an unknown name is maximized.

    Args:
        evaluator: Evaluator that measures the objective.
        objective, direction: Values that the user gave; None if left out.
        stored: Stored settings of a study that is continued; None for a new study.
        default: Name of the space's default objective; None if it has none.

    Returns:
        Metric name; "maximize" or "minimize"; and a sentence for the user if the name made it "minimize", otherwise "".

    Raises:
        InvalidInput: the evaluator does not have the metric, or the name alone decides and is ambiguous (`distance`).

    Example:
        >>> import automl
        >>> objective_of(automl.FunctionEvaluator(len, objective_name="loss"), None, None)
        ('loss', 'minimize', "objective 'loss' is minimized, as its name says; give a direction where that is wrong")
    """
    metrics, free = evaluator.metrics, isinstance(evaluator, FunctionEvaluator)
    if objective is None and stored and (free or stored["objective"] in metrics):
        objective = stored["objective"]
    objective = objective or default or next(iter(metrics))
    if objective not in metrics and not free:
        raise InvalidInput(registry.unknown(f"objective of evaluator {evaluator.name}", objective, metrics))
    if direction is None and stored and objective == stored["objective"]:
        direction = stored["direction"]
    if direction is not None or not free:
        return objective, direction or metrics[objective], ""
    direction = direction_of(objective) or "maximize"
    said = f"objective {objective!r} is minimized, as its name says; give a direction where that is wrong"
    return objective, direction, said if direction == "minimize" else ""
