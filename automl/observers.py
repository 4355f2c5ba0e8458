"""Who watches a search. Observers are told what happened and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.studies import TrialRecord


class Observer:
    """Base class of all observers, who are told what a search does. Override the methods that you want.

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
        """Is told a sentence that the user should read; an empty one says nothing."""

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        """Is told that a study starts or resumes, with the trials recorded and the evaluations counted so far."""

    def went_on(self, settings: LoopSettings, best: float | None) -> None:
        """Is told the best fitness of the trials recorded before; None where there is none."""

    def keyed(self, settings: LoopSettings, candidates: int, by_json: int) -> None:
        """Is told how many candidates this run has hashed, and how many of them by their JSON."""

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        """Is told the trials that one turn of the loop recorded, and how many evaluations are with workers."""

    def end(self, settings: LoopSettings) -> None:
        """Is told that the study's loop has ended."""

    def close(self) -> None:
        """Is told that nothing more will come."""


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
