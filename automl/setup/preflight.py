"""What is checked of the parts of a search before anything is opened or written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl import registry
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator
from automl.evaluators.function import FunctionEvaluator
from automl.selection.objectives import objectives_of
from automl.setup.enqueued import enqueued_values
from automl.setup.first import first_work, further_faults
from automl.setup.parts import Parts
from automl.spaces.contract import costs_of
from automl.spaces.space import Space


def check_first_sample(space: Space, evaluator: Evaluator, seed: int) -> None:
    """Insists that the first sampled candidates read back, have behaviours that can be made, and suit the evaluator.

    Raises:
        InvalidSpace: they do not; the space's own error is quoted.
    """
    for error in further_faults(space, evaluator, seed, first_work(space, evaluator, seed)):
        raise error


def check_goals(parts: Parts, seed: int) -> None:
    """Insists that whatever the strategy optimizes or bounds is a metric of the evaluator or a cost of the space.

    What a plain function returns is known once it was called, so its metrics are left to the strategy to refuse.

    Raises:
        InvalidInput: an objective or constraint that is neither.
    """
    identity = parts.identity()
    objectives = objectives_of({**identity, **(identity.get("rating") or {}), "rating": None})
    wanted = [*(one.metric for one in objectives.all), *(one.metric for one in objectives.constraints)]
    known = {"fitness", *parts.rater.metrics}
    if isinstance(parts.rater, FunctionEvaluator) or known.issuperset(wanted):
        return
    known.update(costs_of(parts.priced.load(), parts.space.sample(np.random.default_rng(seed)))[0])
    for metric in wanted:
        if metric not in known:
            raise InvalidInput(registry.unknown("metric of objectives and constraints", metric, known))


def check_enqueued(parts: Parts, values: Sequence[Any]) -> None:
    """Insists that all candidates that are to be proposed first belong to the space.

    Raises:
        InvalidEnqueued: one does not; its number is named.
    """
    enqueued_values(parts.space, values)
