"""Who watches a search. Observers are told what happened and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.studies import TrialRecord


class Observer:
    """Base of all observers; each method may be left out.

    Example:
        >>> import automl
        >>> class Counter(Observer):
        ...     trials = 0
        ...     def turn(self, settings, trials, in_flight, evaluations):
        ...         self.trials += len(trials)
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> counter = Counter()
        >>> given = dict(evaluator=height, trials=5, baseline=False, workers=0, storage="sqlite:///counted.db")
        >>> automl.search(Line(), observers=[counter], **given).close()
        >>> counter.trials >= 5  # those of the confirmation are told too
        True
    """

    def note(self, text: str) -> None:
        """Something that the user should know, in a sentence; empty where there is nothing."""

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        """A study starts or resumes with so many trials recorded and evaluations counted."""

    def went_on(self, settings: LoopSettings, best: float | None) -> None:
        """The trials that were recorded before have this best fitness; None where there is none."""

    def keyed(self, settings: LoopSettings, candidates: int, by_json: int) -> None:
        """So many candidates were hashed in this run, so many of them by their JSON and not by their function."""

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        """One turn of the loop ended: these trials were recorded, so many evaluations are with workers."""

    def end(self, settings: LoopSettings) -> None:
        """The study's loop ended."""

    def close(self) -> None:
        """Nothing more will be told."""


class Callbacks(Observer):
    """Calls a user's functions after each trial, with the study and the trial's record.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> seen = []
        >>> see = lambda study, trial: seen.append(trial.number)
        >>> given = dict(evaluator=height, trials=3, baseline=False, workers=0, storage="sqlite:///seen.db")
        >>> automl.search(Line(), callbacks=[see], **given).close()
        >>> seen
        [0, 1, 2]
    """

    def __init__(self, study: Any, functions: Sequence[Callable[[Any, TrialRecord], None]]) -> None:
        self._study = study
        self._functions = functions

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        for trial in trials:
            for function in self._functions:
                function(self._study, trial)
