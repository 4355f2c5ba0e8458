"""Who watches a search. Observers are told what happened and change nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.records import TrialRecord


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """How one study's loop stands, in numbers.

    Attributes:
        queued: Number of trials that wait for a free worker.
        waiting: Number of trials that wait for an evaluation under way, here or in another process.
        retries: Number of evaluations that were lost to a worker or machine and tried again, in this run.
        features: Number of functions whose features were computed in this run.
        commits: Number of transactions in which results and trials were written, in this run.
        commit_seconds: Seconds that they took.
        budget_left: Share of the budget that is left, from 0 to 1, of the limit that is nearest; None without a limit.

    Example:
        >>> figures = LoopFigures(0, 4, 1, 0, commits=20, commit_seconds=0.1, budget_left=0.25)
        >>> figures.commit_seconds / figures.commits  # seconds of one transaction
        0.005
    """

    queued: int
    waiting: int
    retries: int
    features: int
    commits: int
    commit_seconds: float
    budget_left: float | None


class Observer:
    """Base class of observers: objects that a search informs of its progress. Override the methods that you need.

    - `begin(settings, phase, trials, evaluations)`: a study starts or continues, with what is recorded so far.
    - `turn(settings, trials, in_flight, evaluations)`: called once in each pass of the search loop, after results were
      written to the database. `trials` is the list of `TrialRecord` written since the last call (it may be empty),
      `in_flight` the number of evaluations on workers, `evaluations` the number of evaluations counted so far.
    - `went_on`, `keyed`, `figures`, `note`, `end`, `close`: see each method.

    A search has several phases, such as the search itself, the confirmation of its best candidates, random search and
    the tests. Each phase has a `begin`, calls of `turn` and an `end`. All methods are called in the process of the
    search, between two passes of its loop, so they should return quickly.

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
        >>> counter.trials >= 5  # 5 of the search, and those of the confirmation
        True
    """

    def note(self, text: str) -> None:
        """Called with a sentence that the user should read; an empty text carries no message."""

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        """Called when a study starts or resumes, with the numbers of trials recorded and evaluations counted so far."""

    def went_on(self, settings: LoopSettings, best: float | None) -> None:
        """Called after `begin` with the best fitness of the trials recorded before; None if there is none."""

    def keyed(self, settings: LoopSettings, candidates: int, by_json: int) -> None:
        """Called with the number of candidates that this run has hashed, and how many were keyed by their JSON."""

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        """Called in each pass of the loop with the trials recorded since the last call.

        Args:
            settings: Settings of the study's loop.
            trials: Records written to the database since the last call; may be empty.
            in_flight: Number of evaluations on workers.
            evaluations: Number of evaluations counted since the study began, in units of one full evaluation.
        """

    def figures(self, settings: LoopSettings, figures: LoopFigures) -> None:
        """Called about once a second, and before `end`, with how the loop stands."""

    def end(self, settings: LoopSettings) -> None:
        """Called when the study's loop has ended."""

    def close(self) -> None:
        """Called last, once: no other method is called afterwards. Of several runs, protocols or visits of a loop of
        one's own after the last one.
        """


class Several(Observer):
    """Observer that tells several others.

    Example:
        >>> class Loud(Observer):
        ...     def note(self, text):
        ...         print(text.upper())
        >>> Several([Loud(), Loud()]).note("done")
        DONE
        DONE
    """

    def __init__(self, others: Sequence[Observer]) -> None:
        self.others = others

    def note(self, text: str) -> None:
        for one in self.others:
            one.note(text)

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        for one in self.others:
            one.begin(settings, phase, trials, evaluations)

    def went_on(self, settings: LoopSettings, best: float | None) -> None:
        for one in self.others:
            one.went_on(settings, best)

    def keyed(self, settings: LoopSettings, candidates: int, by_json: int) -> None:
        for one in self.others:
            one.keyed(settings, candidates, by_json)

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        for one in self.others:
            one.turn(settings, trials, in_flight, evaluations)

    def figures(self, settings: LoopSettings, figures: LoopFigures) -> None:
        for one in self.others:
            one.figures(settings, figures)

    def end(self, settings: LoopSettings) -> None:
        for one in self.others:
            one.end(settings)

    def close(self) -> None:
        for one in self.others:
            one.close()


@contextlib.contextmanager
def closed_at_end(observers: Sequence[Observer]) -> Iterator[None]:
    """Closes observers after the body, which may be several searches, or several visits to one.

    Example:
        >>> class Loud(Observer):
        ...     def close(self):
        ...         print("closed")
        >>> with closed_at_end([Loud()]):
        ...     print("searched")
        searched
        closed
    """
    try:
        yield
    finally:
        for observer in observers:
            observer.close()


class Callbacks(Observer):
    """Observer that calls a user's functions with (study, trial record) after each trial.

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
