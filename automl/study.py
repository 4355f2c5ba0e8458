"""Study: what a search returns, and how a stored one is read again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl import managing, report
from automl.cache.store import EquivalenceCache
from automl.errors import AutoMLError, InvalidInput
from automl.evaluators.curves import LearningCurve
from automl.jsontext import canonical, parse
from automl.registry import unknown
from automl.selection.contest import best_of
from automl.selection.objectives import objectives_of
from automl.setup.stored import stored_parts, stored_space
from automl.spaces.space import Candidate, Space
from automl.storage.engine import Database
from automl.storage.studies import OUTCOMES, StudyRecord, StudyStore, TrialRecord

if TYPE_CHECKING:
    import pandas
    from torch import nn

    from automl.delivery.model import Delivery, TrainedModel
    from automl.setup.parts import Parts


@dataclass(frozen=True, slots=True)
class Best:
    """Best equivalence class of a study by validation fitness.

    Attributes:
        candidate: `Candidate` of this class that was proposed last.
        fitness: Mean of the objective over the replicates, in the objective's own direction.
        metrics: Mapping from metric name to mean over the replicates.
        trial: Number of the trial.
        replicates: Number of evaluations behind the mean, including those that confirmed the class after the search.

    Example:
        >>> best = Best(Candidate({"x": 20}), fitness=20.0, metrics={"value": 20.0}, trial=41, replicates=1)
        >>> best.candidate.value, best.fitness
        ({'x': 20}, 20.0)
    """

    candidate: Candidate
    fitness: float
    metrics: dict[str, float]
    trial: int
    replicates: int
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
        return self.study.trained(self.trial).module


class Report:
    """Evidence of a study, as text (`str`), as one self-contained HTML file (`save`) or as JSON data (`json`).

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=20, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> study = automl.search(Line(), **given)
        >>> found = study.report()
        >>> found.save("report.html").exists(), found.json()["study"]
        (True, 'Line-1')
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def __str__(self) -> str:
        from rich.console import Console

        # Plain text everywhere: notebooks ask rich for colours and for HTML of its own.
        console = Console(width=110, color_system=None, highlight=False, force_jupyter=False)
        with console.capture() as captured:
            report.render_terminal(self.data, console)
        return captured.get()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Is shown by notebooks: the whole page, in a frame of its own."""
        from automl.report.html import page  # matplotlib takes a second to load

        shown = escape(page(self.data))
        return f'<iframe srcdoc="{shown}" style="width:100%;height:40em;border:1px solid #ccc"></iframe>'

    def save(self, path: str | Path) -> Path:
        """Writes the HTML file and returns its path."""
        report.write_html(self.data, Path(path))
        return Path(path)

    def json(self) -> dict[str, Any]:
        """Returns the evidence as JSON data."""
        return report.to_json(self.data)


class Study:
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
        self._parts = parts
        self.database = database
        self.store = StudyStore(database)
        self.name = record.name
        self.settings = record.settings
        self.record_id = record.id
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
        """`Best` class by validation among those that satisfy the constraints. Confirmed once the search is over.

        Raises:
            InvalidInput: no trial that satisfies the constraints has succeeded yet.
        """
        found = best_of(self.store, self.store.by_id(self.record_id), objectives_of(self.settings))
        if found is None:
            what = "successful full evaluation" if "fidelities" in self.settings else "successful trial"
            raise InvalidInput(f"study {self.name} has no {what} yet; search on, or see its failures in the report")
        record, number = found
        assert record.fitness is not None  # a best class has one
        value = parse(record.candidate)
        try:
            candidate = self.space.decode(value)
        except AutoMLError:
            candidate = Candidate(value)  # its space was an object in somebody's program
        return Best(candidate, record.fitness, dict(record.metrics), number, record.replicates, self)

    def trials(self) -> Iterator[TrialRecord]:
        """Yields the recorded trials in the order in which they were told."""
        return self.store.trials(self.record_id)

    def trials_dataframe(self) -> pandas.DataFrame:
        """Returns one row per trial: number, outcome, fitness, fidelity, candidate (JSON), key (hex), seconds, metrics.

        Each field of the candidates has a column, such as `field.lr` or `field.blocks[0].width`; what a candidate
        lacks is missing there. `fidelity` is JSON, empty for a full evaluation. A trial that was asked to stop early
        has `{"reached":3}` there, the epoch, and no fitness.
        """
        import pandas

        fidelities = {
            number: canonical(settings) if settings else ""
            for number, settings in self.store.fidelities(self.record_id).items()
        }
        rows = [
            {
                "number": trial.number,
                "outcome": trial.outcome,
                "fitness": trial.fitness,
                "fidelity": fidelities.get(trial.context, ""),
                "candidate": trial.candidate,
                "key": trial.key.hex(),
                "replicates": trial.replicates,
                "origin": trial.origin,
                "parents": trial.parents,
                "paid_seconds": trial.paid_seconds,
                "saved_seconds": trial.saved_seconds,
                "hash_seconds": trial.hash_seconds,
                "told_at": trial.told_at,
                "error": trial.error,
                **{f"metrics.{name}": value for name, value in trial.metrics.items()},
                **{f"costs.{name}": value for name, value in trial.costs.items()},
                **_fields(parse(trial.candidate)),
            }
            for trial in self.trials()
        ]
        return pandas.DataFrame(rows)

    def learning_curves(self, number: int) -> list[LearningCurve]:
        """Returns the learning curves of the evaluations behind a trial, cached ones too.

        Args:
            number: number of the trial, such as `study.best.trial`.

        Returns:
            List with one curve for each replicate of the trial's class that reported something.

        Raises:
            InvalidInput: the study has no finished trial of this number.
        """
        trial = self.trial(number)
        cache = EquivalenceCache(self.database, namespace=str(self.settings.get("namespace", "default")))
        return list(cache.learning_curves(trial.context, [trial.key]).get(trial.key, {}).values())

    def trained(self, trial: int | None = None, replicate: int = 0, artefacts: str | None = None) -> TrainedModel:
        """Returns the trained network of a trial, with the test figures that it was measured with.

        The weights that the study has tested are kept. Where they are not, because the figure came from the cache or
        nobody tested this trial, the network is trained in this process, from the seed of the test figure.

        Args:
            trial: number of the trial; None takes the best.
            replicate: which of the seeds of the test figure. The first is fixed before any figure is read.
            artefacts: where the weights are, if they were moved since the study ended.

        Raises:
            InvalidInput: there is no such trial, its evaluator trains no network, or training again from its seed gives
                another figure than the stored one.
        """
        if replicate < 0:
            raise InvalidInput(f"replicate={replicate}: give 0 or more")
        number = self.best.trial if trial is None else trial
        return self._delivery(artefacts).model(self.trial(number), replicate)

    def train(
        self, candidate: Candidate | None = None, on: str = "train+validation", seeds: int = 1
    ) -> list[TrainedModel]:
        """Trains a candidate anew from fresh seeds in this process, and measures it on the test part.

        Args:
            candidate: of the space; None takes the best.
            on: "train+validation", for all data but the test part, or "train".
            seeds: number of trainings.

        Raises:
            InvalidInput: the evaluator cannot train on these parts, or a training fails.
        """
        return self._delivery(None).train(self.best.candidate if candidate is None else candidate, on, seeds)

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

    def export(self, to: str, folder: str | Path, trial: int | None = None, artefacts: str | None = None) -> Path:
        """Writes a trial's trained network for people without automl, checks what was written, returns the folder.

        The folder has a README that says how to run the network. Candidates that are no network (programs,
        expressions) are written as a Python file with "python".

        Args:
            to: "pt2", "onnx", "python", "safetensors", or a registered exporter.
            folder: a new or empty folder.
            trial: number of the trial; None takes the best.
            artefacts: where the weights are, if they were moved since the study ended.

        Raises:
            InvalidInput: it cannot be written in this form, or what was written computes something else. No folder is
                left behind then.
        """
        from automl.delivery.exporting import export_trial

        number = self.best.trial if trial is None else trial
        return export_trial(self, self.trial(number), to, Path(folder), artefacts)

    @property
    def parts(self) -> Parts:
        """The parts of the search: space, evaluator, strategy; made again from their names if it was opened by name.

        Raises:
            InvalidInput: the space or the evaluator was an object in somebody's program, or has changed.
        """
        if self._parts is None:
            self._parts = stored_parts(self.name, self.settings)
        return self._parts

    def _delivery(self, artefacts: str | None) -> Delivery:
        from automl.delivery.model import Delivery

        return Delivery(self.database, self.name, self.record_id, self.settings, self.parts, artefacts)

    def trial(self, number: int) -> TrialRecord:
        """Returns one recorded trial.

        Raises:
            InvalidInput: the study has no finished trial of this number.
        """
        found = self.store.trial(self.record_id, number)
        if found is None:
            raise InvalidInput(f"study {self.name} has no trial {number}; its trials are numbered from 0")
        return found

    def show(self, number: int) -> str:
        """Returns all that is stored of one trial as text: candidate, figures, learning curves, traceback.

        Raises:
            InvalidInput: the study has no finished trial of this number.
        """
        trial = self.trial(number)
        traceback = EquivalenceCache(self.database).traceback(trial.context, trial.key)
        curves = self.learning_curves(number)
        return report.trial_text(self.name, trial, curves, traceback)

    def rename(self, name: str) -> None:
        """Gives the study another name, with all that belongs to it.

        Raises:
            InvalidInput: the name is taken, or no name; or a living process runs the study.
        """
        managing.check_name(name)
        managing.rename(self.database, self._records(), self.name, name)
        self.name = name
        self.settings = self.store.by_id(self.record_id).settings

    def delete(self) -> int:
        """Deletes the study with its trials, and closes the database. What was evaluated stays in the cache.

        Returns:
            The number of trials that were deleted, those of all phases.

        Raises:
            StudyBusy: a living process runs the study.
        """
        gone = managing.delete(self.database, self._records())
        self.close()
        return gone

    def archive(self, archived: bool = True) -> None:
        """Puts the study away: `automl studies` lists it with `--all` only. `archived=False` takes it out again."""
        managing.archive(self.database, self._records(), archived)

    def copy(self, storage: str, name: str | None = None) -> Study:
        """Copies the study with its trials and evaluations into another database, and returns it there.

        Args:
            storage: URL of the other database, which is made if it does not exist.
            name: name of the copy; its own unless given.

        Raises:
            InvalidInput: the name is taken there.
        """
        managing.check_name(name)
        managing.copy(self.database, self._records(), self.name, storage, name or self.name)
        return Study.open(name or self.name, storage)

    @classmethod
    def merge(cls, names: Sequence[str], name: str, storage: str = "sqlite:///automl.db") -> Study:
        """Adds a study with the trials of several, which stay as they are, and returns it.

        It is open: a search of this name goes on with it, compares it with random search and tests its winners.

        Args:
            names: names of studies of one space, evaluator and objective, at least two.
            name: name of the new study.
            storage: URL of the database that holds them.

        Raises:
            InvalidInput: there is no such study, they differ in what makes figures comparable, or the name is taken.
        """
        managing.check_name(name)
        database = Database(storage, create=False)
        try:
            store = StudyStore(database)
            records = [record for one in names for record in (store.runs(one) or [find(store, one)])]
            return cls(database, managing.merge(database, records, name))
        except BaseException:
            database.close()
            raise

    def adopt(self, figures: managing.Figures | None = None) -> None:
        """Lets the next search of this name take over a space and an evaluator that were changed since.

        Its evaluations stay. Where the evaluator was changed, its figures are asked about: the search is refused unless
        `figures` says what becomes of them. A candidate that the new space cannot read, or that computes another
        function there, cannot be taken over, and the search says so.

        Args:
            figures: "keep" if the changed evaluator measures what it measured before.

        Example:
            >>> import automl
            >>> class Line(automl.Space):
            ...     x = automl.Integer(0, 20)
            >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
            >>> given = dict(evaluator=height, baseline=False, workers=0, storage="sqlite:///line.db", study="line")
            >>> automl.search(Line(), trials=20, **given).adopt()
            >>> class Line(automl.Space):
            ...     x = automl.Integer(0, 30)
            >>> len(list(automl.search(Line(), trials=30, **given).trials()))
            30
        """
        managing.let_adopt(self.database, self._records(), figures)

    def _records(self) -> list[StudyRecord]:
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
            "state": "finished" if self.finished else "open",
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

    def learning_curves(self, number: int) -> list[LearningCurve]:
        """Raises InvalidInput, since every run has a trial of each number."""
        raise InvalidInput(f"{self.name} has several runs; ask one: study.runs[0].learning_curves({number})")

    def trial(self, number: int) -> TrialRecord:
        """Raises InvalidInput, since every run has a trial of each number."""
        raise InvalidInput(f"{self.name} has several runs; ask one: study.runs[0].trial({number})")

    def report(self) -> Report:
        return Report(report.compare([run.report().data for run in self._runs], self.name))


def _fields(value: Any, path: str = "field") -> dict[str, Any]:
    """Returns the fields of a candidate by path; empty for one that is no JSON object."""
    if isinstance(value, dict):
        inner = [_fields(item, f"{path}.{name}") for name, item in value.items()]
    elif isinstance(value, list):
        inner = [_fields(item, f"{path}[{place}]") for place, item in enumerate(value)]
    else:
        return {path: value} if path != "field" else {}
    return {name: item for found in inner for name, item in found.items()}


def find(store: StudyStore, name: str) -> StudyRecord:
    """Returns a study's stored record by name.

    Raises:
        InvalidInput: there is no such study; the message offers the nearest names.

    Example:
        >>> studies = StudyStore(Database("sqlite:///cells.db"))
        >>> find(studies, "cells")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown study 'cells'; known: none
    """
    record = store.find(name)
    if record is None:
        raise InvalidInput(unknown("study", name, [item.name for item in store.all() if item.kind == "search"]))
    return record
