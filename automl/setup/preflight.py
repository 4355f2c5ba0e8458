"""What is checked of the parts of a search before anything is opened or written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl import registry
from automl.errors import AutoMLError, InvalidEnqueued, InvalidInput, InvalidSpace
from automl.evaluators.base import Evaluator, Work
from automl.evaluators.function import FunctionEvaluator
from automl.jsontext import canonical
from automl.selection.objectives import objectives_of
from automl.setup.parts import Parts
from automl.spaces.space import Space


def check_first_sample(space: Space, evaluator: Evaluator, seed: int) -> None:
    """Insists that one sampled candidate reads back, has a behaviour that can be made, and suits the evaluator.

    Raises:
        InvalidSpace: it does not; the space's own error is quoted.
    """
    from automl.behaviour import Module
    from automl.spaces.space import checked

    candidate = None
    try:
        candidate = space.sample(np.random.default_rng(seed))
        checked(space, candidate.value)
        behaviour = space.behaviour(candidate)
        training = dict(space.training(candidate))
        canonical(training)
        evaluator.check(Work(behaviour, training, candidate.json))
        if isinstance(behaviour, Module):
            behaviour.build()
    except AutoMLError:
        raise
    except Exception as error:
        where = f"candidate {candidate.json}" if candidate is not None else "sampling"
        raise InvalidSpace(
            f"space {space.kind} fails on its first sample ({where}): {type(error).__name__}: {error}"
        ) from error


def check_goals(parts: Parts, seed: int) -> None:
    """Insists that whatever the strategy optimizes or bounds is a metric of the evaluator or a cost of the space.

    What a plain function returns is known once it was called, so its metrics are left to the strategy to refuse.

    Raises:
        InvalidInput: an objective or constraint that is neither.
    """
    objectives = objectives_of(parts.identity())
    wanted = [*(one.metric for one in objectives.all), *(one.metric for one in objectives.constraints)]
    known = {"fitness", *parts.evaluator.metrics}
    if isinstance(parts.evaluator, FunctionEvaluator) or known.issuperset(wanted):
        return
    known.update(parts.space.costs(parts.space.sample(np.random.default_rng(seed))))
    for metric in wanted:
        if metric not in known:
            raise InvalidInput(registry.unknown("metric of objectives and constraints", metric, known))


def check_enqueued(parts: Parts, values: Sequence[Any]) -> None:
    """Insists that all candidates that are to be proposed first belong to the space.

    Raises:
        InvalidEnqueued: one does not; its number is named.
    """
    for number, value in enumerate(values, 1):
        try:
            parts.space.decode(value)
        except InvalidInput as error:
            raise InvalidEnqueued(number, str(error)) from error
