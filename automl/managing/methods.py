"""The methods of a study that keep it in order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from automl.errors import InvalidInput
from automl.managing import studies
from automl.managing.finding import find
from automl.managing.studies import Figures
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore


class Managed:
    """Part of `Study`: renaming, deleting, putting away, pausing, copying, merging, adopting.

    Attributes:
        database: that holds the study.
        store: of studies, there.
        name, settings, record_id: of the study.

    Example:
        >>> import automl
        >>> issubclass(automl.Study, Managed)
        True
    """

    database: Database
    store: StudyStore
    name: str
    settings: dict[str, Any]
    record_id: int

    def __init__(self, database: Database, record: StudyRecord) -> None:
        self.database = database
        self.store = StudyStore(database)
        self.name = record.name
        self.settings = record.settings
        self.record_id = record.id

    @classmethod
    @abstractmethod
    def open(cls, name: str, storage: str) -> Self:
        """Opens a stored study."""

    @abstractmethod
    def records(self) -> list[StudyRecord]:
        """Returns the records of all runs."""

    @abstractmethod
    def close(self) -> None:
        """Closes the database."""

    def rename(self, name: str) -> None:
        """Gives the study another name, with all that belongs to it.

        Raises:
            InvalidInput: the name is taken, or no name; or a living process runs the study.
        """
        studies.check_name(name)
        studies.rename(self.database, self.records(), self.name, name)
        self.name = name
        self.settings = self.store.by_id(self.record_id).settings

    def delete(self) -> int:
        """Deletes the study with its trials, and closes the database. What was evaluated stays in the cache.

        Returns:
            The number of trials that were deleted, those of all phases.

        Raises:
            StudyBusy: a living process runs the study.
        """
        gone = studies.delete(self.database, self.records())
        self.close()
        return gone

    def archive(self, archived: bool = True) -> None:
        """Puts the study away: `automl studies` lists it with `--all` only. `archived=False` takes it out again."""
        studies.archive(self.database, self.records(), archived)

    def pause(self, paused: bool = True, now: bool = False) -> None:
        """Pauses the study wherever it runs, or lets it go on with `paused=False`.

        Whoever runs it sees that within seconds: what is being evaluated is finished, workers are given back, and the
        search waits. Its hours do not run meanwhile. A search that is started under its name waits as well;
        `automl.resume` goes on.

        Args:
            paused: False to let it go on.
            now: True to break off what is being evaluated, which is evaluated again afterwards.

        Raises:
            InvalidInput: the study is finished.

        Example:
            >>> import automl
            >>> class Line(automl.Space):
            ...     x = automl.Integer(0, 20)
            >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
            >>> study = automl.search(Line(), evaluator=height, trials=20, workers=0, storage="sqlite:///line.db")
            >>> study.pause()
            Traceback (most recent call last):
            automl.errors.InvalidInput: study 'Line-1' is finished, so there is nothing to pause
        """
        records = self.records()
        if paused and all(record.state == "finished" for record in records):
            raise InvalidInput(f"study {self.name!r} is finished, so there is nothing to pause")
        studies.pause(self.database, records, paused, now)

    @property
    def paused(self) -> bool:
        """True if the study was paused and nobody has let it go on since."""
        return any(studies.PAUSED in record.settings for record in self.records())

    def coordinator(self) -> str | None:
        """Returns which process runs the study, such as "process 12 on node-3"; None if nobody does."""
        found = [self.store.coordinator(record.id) for record in self.records()]
        return next((one for one in found if one is not None), None)

    def copy(self, storage: str, name: str | None = None) -> Self:
        """Copies the study with its trials and evaluations into another database, and returns it there.

        Args:
            storage: URL of the other database, which is made if it does not exist.
            name: name of the copy; its own unless given.

        Raises:
            InvalidInput: the name is taken there.
        """
        studies.check_name(name)
        studies.copy(self.database, self.records(), self.name, storage, name or self.name)
        return type(self).open(name or self.name, storage)

    @classmethod
    def merge(cls, names: Sequence[str], name: str, storage: str = "sqlite:///automl.db") -> Self:
        """Adds a study with the trials of several, which stay as they are, and returns it.

        It is open: a search of this name goes on with it, compares it with random search and tests its winners.

        Args:
            names: names of studies of one space, evaluator and objective, at least two.
            name: name of the new study.
            storage: URL of the database that holds them.

        Raises:
            InvalidInput: there is no such study, they differ in what makes figures comparable, or the name is taken.
        """
        studies.check_name(name)
        database = Database(storage, create=False)
        try:
            store = StudyStore(database)
            records = [record for one in names for record in (store.runs(one) or [find(store, one)])]
            return cls(database, studies.merge(database, records, name))
        except BaseException:
            database.close()
            raise

    def adopt(self, figures: Figures | None = None) -> None:
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
        studies.let_adopt(self.database, self.records(), figures)
