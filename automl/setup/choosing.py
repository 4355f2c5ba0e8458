"""Which strategy a search gets that names none. The choice is made once, and the study keeps it by its name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl.behaviour import Graph
from automl.evaluators.base import Evaluator
from automl.isolation.limits import FAULTS, alarm
from automl.spaces.space import Space

SURROGATE = "surrogate"
"""Learns from few evaluations; a proposal takes it some milliseconds."""

EVOLUTION = "regularized_evolution"
"""Proposes thousands of candidates a second."""

MOST_EVALUATIONS = 2_000
"""Evaluations that the surrogate is for."""

SAMPLE_SECONDS = 5.0
"""Allowed for a sample of a space that declares no fields."""


def choose(space: Space, evaluator: Evaluator, most: int, of_evolution: Sequence[str] = ()) -> tuple[str, str]:
    """Returns the name of a strategy, and a sentence that says why it is this one.

    The surrogate is for up to `MOST_EVALUATIONS` evaluations that each take longer than one of its proposals, in a
    space with something to learn from: declared fields, or graphs, whose features the hash reads off. On the tables
    that it was measured on it needs a fifth of the evaluations that evolution does. Evolution is for everything else.

    Args:
        space: Space of the search.
        evaluator: Evaluator that the strategy learns from.
        most: Largest number of evaluations.
        of_evolution: Names of settings that the user gave and that evolution alone has.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> for trials in 100, 100_000:
        ...     print(*choose(Line(), height, trials))
        surrogate Strategy surrogate, for none was named: it is for up to 2,000 evaluations that take longer than its...
        regularized_evolution Strategy regularized_evolution, for none was named: 100,000 evaluations are ...
    """
    why = _against_surrogate(space, evaluator, most, of_evolution)
    name = EVOLUTION if why else SURROGATE
    why = why or f"it is for up to {MOST_EVALUATIONS:,} evaluations that take longer than its milliseconds a proposal"
    return name, f"Strategy {name}, for none was named: {why}."


def _against_surrogate(space: Space, evaluator: Evaluator, most: int, of_evolution: Sequence[str]) -> str:
    """Returns why the surrogate is not the strategy; empty where it is."""
    if of_evolution:
        return f"{of_evolution[0]} is a setting of it"
    if most > MOST_EVALUATIONS:
        return f"{most:,} evaluations are more than the {MOST_EVALUATIONS:,} that the surrogate is for"
    if evaluator.inline and "cost_seconds" not in evaluator.metrics:
        return f"evaluator {evaluator.name} takes less than a proposal of the surrogate, which takes milliseconds"
    if not space.record.fields and not _of_graphs(space):
        return f"candidates of {space.kind} have neither declared fields nor a graph for the surrogate to learn from"
    return ""


def _of_graphs(space: Space) -> bool:
    """Tells whether a space's first sample is a graph. What is wrong with the space is said later on."""
    try:
        with alarm(SAMPLE_SECONDS):
            return isinstance(space.behaviour(space.sample(np.random.default_rng(0))), Graph)
    except FAULTS:  # the user's code may raise anything
        return False
