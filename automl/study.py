"""Study: what a search returns, and how a stored one is read again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any

from automl import report
from automl.cache.store import EquivalenceCache
from automl.delivery.studied import Delivered
from automl.errors import AutoMLError, InvalidInput
from automl.evaluators.curves import LearningCurve
from automl.jsontext import parse
from automl.managing import find
from automl.managing.methods import Managed
from automl.report.analysed import Analysed
from automl.report.frames import trials_frame
from automl.report.reading.logs import log_lines
from automl.report.shown import Report
from automl.selection.contest import best_of
from automl.selection.objectives import objectives_of
from automl.setup.stored import stored_parts, stored_space
from automl.spaces.space import Candidate, Space
from automl.storage.engine import Database
from automl.storage.records import OUTCOMES, StudyRecord, TrialRecord
from automl.storage.studies import StudyStore

if TYPE_CHECKING:
    import pandas
    from torch import nn

    from automl.delivery.ensemble import Ensemble
    from automl.setup.parts import Parts


@dataclass(frozen=True, slots=True)
class Best:
    """Best equivalence class by validation fitness of all that a study has evaluated, its random search included.

    The verdict of a report compares each side's own winner all the same.

    Attributes:
        candidate: `Candidate` of this class that was proposed last.
        fitness: Mean of the objective over the replicates, in the objective's own direction.
        metrics: Mapping from metric name to mean over the replicates.
        trial: Number of the trial; None if random search found it, whose trials are those of another study.
        replicates: Number of evaluations behind the mean, including those that confirmed the class after the search.
        found_in: Name of the study that found it: that of the search, or of its random search, such as "mine/random".

    Example:
        >>> best = Best(Candidate({"x": 20}), fitness=20.0, metrics={"value": 20.0}, trial=41, replicates=1)
        >>> best.candidate.value, best.fitness
        ({'x': 20}, 20.0)
    """

    candidate: Candidate
    fitness: float
    metrics: dict[str, float]
    trial: int | None
    replicates: int
    found_in: str = ""
    record: TrialRecord | None = field(default=None, repr=False, compare=False)
    study: Study | None = field(default=None, repr=False, compare=False)

    def model(self) -> nn.Module:
        """Returns the trained network that the test figure was measured with, on the CPU and in evaluation mode.

        `Study.trained` returns it with its figures, and `Study.export` writes it for people without automl.

        Raises:
            InvalidInput: the evaluator trains no network, or its weights are gone and training again gives another
                figure.
        """
        if self.study is None:
            raise InvalidInput("this best candidate belongs to no study; ask study.best")
        return self.study.trained().module


class Study(Managed, Delivered, Analysed):
    """One named search in a database, with its trials, its best candidate and its report.

    Attributes:
        name: Name of the study.
        settings: Stored JSON settings: space, evaluator, strategy, seeds, budget, versions of libraries.
        record_id: Number of the study in the database.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=20, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> automl.search(Line(), study="line", **given).close()
        >>> study = Study.open("line", "sqlite:///line.db")  # later, or from another process
        >>> study.finished, study.best.fitness, len(list(study.trials()))
        (True, 20.0, 20)
    """

    def __init__(
        self, database: Database, record: StudyRecord, space: Space | None = None, parts: Parts | None = None
    ) -> None:
        super().__init__(database, record)
        self._parts = parts
        self._space = space

    @property
    def runs(self) -> list[Study]:
        """List of the runs of the search; `[self]` if it ran once."""
        return [self]

    @classmethod
    def open(cls, name: str, storage: str = "sqlite:///automl.db") -> Study:
        """Opens a stored study for reading, or all runs of a repeated search as a `RepeatedStudy`.

        Raises:
            InvalidInput: there is no study of this name; the message offers the nearest.
            StorageRefused: the database cannot be used.
        """
        database = Database(storage, create=False)
        try:
            store = StudyStore(database)
            if store.find(name) is None and (runs := store.runs(name)):
                return RepeatedStudy(name, [Study(database, record) for record in runs])
            return cls(database, find(store, name))
        except BaseException:
            database.close()
            raise

    @property
    def finished(self) -> bool:
        """True when the whole budget was used, the baseline and the test figures included."""
        record = self.store.find(self.name)
        return record is not None and record.state == "finished"

    @property
    def space(self) -> Space:
        """The space; loaded from its target if the study was opened by name.

        Raises:
            InvalidInput: the space was an object in a user's program, or its file is missing or changed.
        """
        if self._space is None:
            self._space = stored_space(self.settings)
        return self._space

    @property
    def best(self) -> Best:
        """`Best` class by validation of all that was evaluated, random search included, among those that satisfy the
        constraints. Confirmed once the search is over. `found_in` names where it comes from.

        Raises:
            InvalidInput: no trial that satisfies the constraints has succeeded yet.
        """
        found = best_of(self.store, self.store.by_id(self.record_id), objectives_of(self.settings))
        if found is None:
            what = "successful full evaluation" if "fidelities" in self.settings else "successful trial"
            raise InvalidInput(f"study {self.name} has no {what} yet; search on, or see its failures in the report")
        record = found.trial
        assert record.fitness is not None  # a best class has one
        value = parse(record.candidate)
        try:
            candidate = self.space.decode(value)
        except AutoMLError:
            candidate = Candidate(value)  # its space was an object in somebody's program
        number = found.record.number if found.study.id == self.record_id else None
        figures = dict(record.metrics)
        return Best(candidate, record.fitness, figures, number, record.replicates, found.study.name, found.record, self)

    def trials(self) -> Iterator[TrialRecord]:
        """Yields the recorded trials in the order in which they were told."""
        return self.store.trials(self.record_id)

    def trials_dataframe(self) -> pandas.DataFrame:
        """Returns one row per trial: number, outcome, fitness, fidelity, candidate (JSON), key (hex), seconds, metrics.

        Each field of the candidates has a column, such as `field.lr` or `field.blocks[0].width`; what a candidate
        lacks is missing there. `fidelity` is JSON, empty for a full evaluation. A trial that was asked to stop early
        has `{"reached":3}` there, the epoch, and no fitness.
        """
        return trials_frame(self.trials(), self.store.fidelities(self.record_id))

    def learning_curves(self, number: int | None = None) -> list[LearningCurve]:
        """Returns the learning curves of the evaluations behind a trial, cached ones too.

        Args:
            number: number of the trial; None takes the best.

        Returns:
            List with one curve for each replicate of the trial's class that reported something.

        Raises:
            InvalidInput: the study has no finished trial of this number.
        """
        trial = self.trial(number)
        cache = EquivalenceCache(self.database, namespace=str(self.settings.get("namespace", "default")))
        return list(cache.learning_curves(trial.context, [trial.key]).get(trial.key, {}).values())

    def ablate(
        self, tricks: Sequence[str] | None = None, settings: Mapping[str, Any] | None = None, **run: Any
    ) -> Study:
        """Trains the winners and the random sample again with tricks of training left out, see `automl.ablate`.

        Args:
            tricks: names of tricks; None takes all that the evaluator has.
            settings: other settings of the evaluator, for one protocol more.
            run: workers and limits of this run, as `automl.ablate` takes them.

        Returns:
            This study, whose report then has a section on search and protocol.

        Raises:
            InvalidInput: the study is not finished, or its evaluator has no such trick.
        """
        import automl  # what runs searches stands on a higher floor; the package finds it when it is asked

        return automl.ablate(self, tricks=tricks, settings=settings, **run)

    @property
    def parts(self) -> Parts:
        """The parts of the search: space, evaluator, strategy; made again from their names if it was opened by name.

        Raises:
            InvalidInput: the space or the evaluator was an object in somebody's program, or has changed.
        """
        if self._parts is None:
            self._parts = stored_parts(self.name, self.settings)
        return self._parts

    def trial(self, number: int | None = None) -> TrialRecord:
        """Returns one recorded trial; the best's without a number.

        Raises:
            InvalidInput: the study has no finished trial of this number.
        """
        if number is None:
            best = self.best.record
            assert best is not None
            return best
        found = self.store.trial(self.record_id, number)
        if found is None:
            raise InvalidInput(f"study {self.name} has no trial {number}; its trials are numbered from 0")
        return found

    def show(self, number: int | None = None) -> str:
        """Returns all that is known of one trial as text: candidate, figures, learning curves, traceback, and where its
        worker's log has what it printed.

        Args:
            number: number of the trial; None takes the best.

        Raises:
            InvalidInput: the study has no finished trial of this number.
        """
        trial = self.trial(number)
        name = self.best.found_in if number is None else self.name
        traceback = EquivalenceCache(self.database).traceback(trial.context, trial.key)
        curves = self.learning_curves(number)
        root = self.store.by_id(self.record_id)
        root = root if root.parent is None else self.store.by_id(root.parent)
        log = log_lines(root.settings.get("environment", {}).get("logs", []), name, trial)
        return report.trial_text(name, trial, curves, traceback, log)

    def records(self) -> list[StudyRecord]:
        """Returns what is stored of the study itself, or of each of its runs."""
        return [self.store.by_id(run.record_id) for run in self.runs]

    def report(self) -> Report:
        """Returns the evidence: best candidates, both comparisons with random candidates, what the cache saved."""
        try:
            space: Space | None = self.space
        except AutoMLError:
            space = None  # the figures stand without the pictures
        return Report(report.collect(self.database, self.name, space))

    def close(self) -> None:
        """Closes the database."""
        self.database.close()

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self.database.url_shown})"

    def _repr_html_(self) -> str:
        """Is shown by notebooks: what was searched, the trials by outcome, and the best candidate."""
        outcomes = [self.store.outcomes(run.record_id) for run in self.runs]
        counts = {name: sum(found.get(name, 0) for found in outcomes) for name in OUTCOMES}
        rows = {
            "trials": ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none yet",
            "state": "finished" if self.finished else "paused" if self.paused else "open",
        }
        with contextlib.suppress(InvalidInput):
            best = self.best
            rows |= {f"best {self.settings['objective']}": f"{best.fitness:.6g}", "candidate": best.candidate.json}
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
        return f"<table><caption>Study {escape(self.name)}, {escape(self.database.url_shown)}</caption>{cells}</table>"


class RepeatedStudy(Study):
    """Several runs of one search, each with its own seed and its own part of the cache, opened together.

    The members are those of `Study`, over all runs: `best` is the best candidate of all runs by validation, `trials()`
    yields the trials of the first run, then those of the second, and so on, and `report()` pools the runs. `runs` is
    the list of their studies. With `warm_cache=True` the runs share one part of the cache; they are then not
    independent, and the report says so. `Study.open` with the name of the search opens all runs again.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=5, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> study = automl.search(Line(), study="line", repeats=2, **given)
        >>> [run.name for run in study.runs]
        ['line/1', 'line/2']
    """

    def __init__(self, name: str, runs: Sequence[Study]) -> None:
        self._runs = list(runs)
        first = runs[0]
        super().__init__(first.database, first.store.runs(name)[0], first._space)
        self.name = name

    @property
    def runs(self) -> list[Study]:
        return list(self._runs)

    @property
    def finished(self) -> bool:
        return all(run.finished for run in self._runs)

    @property
    def best(self) -> Best:
        found = []
        for run in self._runs:
            with contextlib.suppress(InvalidInput):
                found.append(run.best)
        if not found:
            return self._runs[0].best  # raises, and says why
        worth = objectives_of(self.settings).fitness.worth
        return max(found, key=lambda best: worth(best.fitness))

    def trials(self) -> Iterator[TrialRecord]:
        return chain.from_iterable(run.trials() for run in self._runs)

    def trials_dataframe(self) -> pandas.DataFrame:
        """Returns one row per trial as `Study.trials_dataframe` does, with the name of its run in `study`."""
        import pandas

        return pandas.concat([run.trials_dataframe().assign(study=run.name) for run in self._runs], ignore_index=True)

    def learning_curves(self, number: int | None = None) -> list[LearningCurve]:
        """Raises InvalidInput, since every run has a trial of each number."""
        raise InvalidInput(f"{self.name} has several runs; ask one: study.runs[0].learning_curves({number})")

    def trial(self, number: int | None = None) -> TrialRecord:
        """Raises InvalidInput, since every run has a trial of each number."""
        raise InvalidInput(f"{self.name} has several runs; ask one: study.runs[0].trial({number})")

    def ensemble(self, k: int = 10, library: int = 20, *, artefacts: str | None = None, **run: Any) -> Ensemble:
        """Raises InvalidInput, since every run has networks of its own."""
        raise InvalidInput(f"{self.name} has several runs; ask one: study.runs[0].ensemble({k})")

    def report(self) -> Report:
        return Report(report.compare([run.report().data for run in self._runs], self.name))
