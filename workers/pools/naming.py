"""What evaluations are called in dashboards, process lists and logs: by study and trial."""

from __future__ import annotations

import math
from collections.abc import Sequence

from automl.pool import Job

LONGEST = 100
"""Characters of a study's name, and of a candidate, that are shown at most."""

MOST_NAMES = 1000
"""Calls that get a name of their own where Ray keeps twenty time series for each name among its own metrics."""


class CallNames:
    """Names calls by their trials; where each name costs something, only the first of them, and the others by study.

    Args:
        free: True if Ray's metrics leave names out (`RAY_metric_cardinality_level=low` on its nodes).

    Example:
        >>> from automl.evaluators.base import Evaluation
        >>> CallNames(free=True).of("cells", [Job(0, "{}", Evaluation(seed=1), trial=7)])
        'cells trial 7'
    """

    def __init__(self, free: bool) -> None:
        self._left = math.inf if free else MOST_NAMES

    def of(self, study: str, jobs: Sequence[Job]) -> str:
        """Returns the name of a call that runs these jobs, at least one, of a study."""
        self._left -= 1
        return call_name(study, jobs) if self._left >= 0 else study[:LONGEST]


def call_name(study: str, jobs: Sequence[Job]) -> str:
    """Returns the name of a call that runs these jobs.

    Args:
        study: which they belong to.
        jobs: at least one.

    Example:
        >>> from automl.evaluators.base import Evaluation
        >>> jobs = [Job(number, "{}", Evaluation(seed=1), trial=number + 10) for number in range(3)]
        >>> call_name("cells", jobs[:1]), call_name("cells", jobs)
        ('cells trial 10', 'cells trials 10 to 12 (3)')
    """
    study, first = study[:LONGEST], jobs[0]
    if first.artefact:
        return f"{study} artefact {first.artefact}"
    trials = [job.trial for job in jobs if job.trial >= 0]
    if not trials:
        return study
    if len(trials) == 1:
        return f"{study} trial {trials[0]}"
    return f"{study} trials {min(trials)} to {max(trials)} ({len(trials)})"
