"""Creates, finds, reads and continues the studies of a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select
from sqlalchemy.exc import IntegrityError

from automl.errors import InvalidInput, StorageError, StudyBusy, StudyExists
from automl.jsontext import canonical, stored
from automl.storage.bulk import chunks, insert_rows
from automl.storage.engine import Database
from automl.storage.evaluations import see_classes
from automl.storage.fidelities import fidelities_of
from automl.storage.records import (
    TRIAL_COLUMNS,
    Kind,
    Outcome,
    Standing,
    StudyRecord,
    TrialRecord,
    read_study,
    read_trial,
    trial_row,
)
from automl.storage.schema import database_time, evaluation, study, trial
from automl.storage.sessions import dead_among, read_sessions


class StudyStore:
    """Creates, finds, reads and continues the studies of one database.

    Example:
        >>> studies = StudyStore(Database("sqlite:///cells.db"))
        >>> record = studies.create("cells", "search", {})
        >>> studies.find("cells") == record, studies.find("other") is None, list(studies.trials(record.id))
        (True, True, [])
    """

    def __init__(self, database: Database):
        self.database = database

    def create(self, name: str, kind: Kind, settings: Mapping[str, Any], parent: int | None = None) -> StudyRecord:
        """Adds a study.

        Raises:
            StudyExists: the name is taken.
            InvalidInput: the settings are not JSON.
        """
        return self.create_many([(name, settings)], kind, parent)[0]

    def create_many(
        self, named: Sequence[tuple[str, Mapping[str, Any]]], kind: Kind, parent: int | None = None
    ) -> list[StudyRecord]:
        """Adds studies by name, all of them or none.

        Raises:
            StudyExists: a name is taken.
            InvalidInput: settings are not JSON.
        """
        rows = [
            {"name": name, "kind": kind, "parent": parent, "settings": canonical(settings), "state": "open"}
            for name, settings in named
        ]

        def insert(connection: Connection) -> list[StudyRecord]:
            for row in rows:
                connection.execute(study.insert().values(**row, created=database_time(), trials=0))
            found = [connection.execute(select(study).where(study.c.name == row["name"])).one() for row in rows]
            return [read_study(row) for row in found]

        try:
            return self.database.write(insert) if rows else []
        except StorageError as error:
            if isinstance(error.__cause__, IntegrityError):
                names = " or ".join(repr(name) for name, _ in named)
                raise StudyExists(f"a study named {names} exists already; choose another name, or resume it") from error
            raise

    def find(self, name: str) -> StudyRecord | None:
        """Returns the study of this name."""
        found = self._read(select(study).where(study.c.name == name))
        return found[0] if found else None

    def by_id(self, study_id: int) -> StudyRecord:
        """Returns a study as it stands now.

        Raises:
            InvalidInput: it was deleted meanwhile.
        """
        found = self._read(select(study).where(study.c.id == study_id))
        if not found:
            raise InvalidInput(f"the study with the number {study_id} was deleted; its evaluations are in the cache")
        return found[0]

    def runs(self, name: str) -> list[StudyRecord]:
        """Returns the runs of a study that was asked for several times, NAME/1 first."""
        mine = study.c.name.startswith(f"{name}/", autoescape=True)
        found = self._read(select(study).where(mine, study.c.kind == "search"))
        return sorted(found, key=lambda record: int(record.name.rpartition("/")[2]))

    def all(self) -> list[StudyRecord]:
        """Returns all studies, oldest first."""
        return self._read(select(study).order_by(study.c.id))

    def phase_studies(self, study_id: int) -> list[StudyRecord]:
        """Returns the studies of a search's later phases, oldest first."""
        return self._read(select(study).where(study.c.parent == study_id).order_by(study.c.id))

    def _read(self, query: Select[Any]) -> list[StudyRecord]:
        with self.database.read() as connection:
            return [read_study(row) for row in connection.execute(query)]

    def coordinate(self, study_id: int, session_id: int) -> None:
        """Makes the session the study's one coordinator, taking over from a dead one.

        Raises:
            StudyBusy: another living session coordinates it.
        """

        def claim(connection: Connection) -> None:
            query = select(study.c.coordinator, study.c.name).where(study.c.id == study_id).with_for_update()
            found = connection.execute(query).first()
            if found is None:
                raise InvalidInput(f"the study with the number {study_id} was deleted")
            holder, name = found
            if holder not in (None, session_id) and holder not in dead_among(self.database, connection, {holder}):
                who = read_sessions(connection, [holder])[0].name()
                raise StudyBusy(
                    f"the study {name!r} is being run by {who}; wait for it, or end that process and try again"
                )
            connection.execute(study.update().where(study.c.id == study_id).values(coordinator=session_id))

        self.database.write(claim)

    def coordinator(self, study_id: int) -> str | None:
        """Returns who coordinates a study, such as "process 12 on node-3"; None if no living process does."""
        with self.database.read() as connection:
            holder = connection.execute(select(study.c.coordinator).where(study.c.id == study_id)).scalar_one()
            if holder is None or holder in dead_among(self.database, connection, {holder}):
                return None
            return read_sessions(connection, [holder])[0].name()

    def release(self, study_id: int, session_id: int) -> None:
        """Gives the study up, if the session still coordinates it."""
        mine = study.update().where(study.c.id == study_id, study.c.coordinator == session_id)
        self.database.write(lambda connection: connection.execute(mine.values(coordinator=None)).rowcount)

    def append_trials(self, study_id: int, trials: Sequence[TrialRecord], connection: Connection | None = None) -> None:
        """Writes trials that have been told, each exactly once, in the order of their positions.

        Raises:
            StorageError: one of these positions or numbers stands there already: the study has two coordinators, or the
                caller counted wrongly.
        """
        if trials:
            self.database.within(connection, lambda given: _append(given, study_id, trials))

    def trials(self, study_id: int, after_position: int = -1, page: int = 5000) -> Iterator[TrialRecord]:
        """Yields the trials in the order in which they were told, reading them page by page.

        No page holds a transaction open while its trials are being used, so it never disturbs a running study.
        """
        return map(read_trial, self._by_position(select(trial), study_id, after_position, page))

    def trials_at(self, study_id: int, positions: Sequence[int]) -> list[TrialRecord]:
        """Returns the trials at these positions of the completion order, in the order asked for.

        Args:
            study_id: their study.
            positions: from 0, as `TrialRecord.position`; one may be asked for twice.

        Raises:
            StorageError: the study has no trial at one of them.
        """
        found: dict[int, TrialRecord] = {}
        for chunk in chunks(sorted({*positions}), 500):
            query = select(trial).where(trial.c.study == study_id, trial.c.position.in_(chunk))
            with self.database.read() as connection:
                found.update((row.position, read_trial(row)) for row in connection.execute(query))
        missing = [str(position) for position in positions if position not in found]
        if missing:
            raise StorageError(
                f"study {study_id} has no trial at position {', '.join(missing[:5])}; its rows are incomplete"
            )
        return [found[position] for position in positions]

    def trial(self, study_id: int, number: int) -> TrialRecord | None:
        """Returns the trial that was proposed as number `number`; None where none was told yet."""
        query = select(trial).where(trial.c.study == study_id, trial.c.number == number)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else read_trial(row)

    def standings(self, study_id: int) -> Iterator[Standing]:
        """Yields the trials as `trials` does, without what has to be read as JSON: a tenth of its time."""
        query = select(trial.c.position, trial.c.key, trial.c.outcome, trial.c.fitness)
        return map(Standing._make, self._by_position(query, study_id, -1, 20_000))

    def outcomes(self, study_id: int) -> dict[Outcome, int]:
        """Returns the number of trials of each outcome that occurs in a study."""
        query = select(trial.c.outcome, func.count()).where(trial.c.study == study_id).group_by(trial.c.outcome)
        with self.database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def _by_position(self, query: Select[Any], study_id: int, after: int, page: int) -> Iterator[Row[Any]]:
        query = query.where(trial.c.study == study_id).order_by(trial.c.position).limit(page)
        while True:
            with self.database.read() as connection:
                rows = connection.execute(query.where(trial.c.position > after)).all()
            yield from rows
            if len(rows) < page:
                return
            after = rows[-1].position

    def served_by(self, study_id: int) -> tuple[str, ...]:
        """Returns the names of other searches whose evaluations served this one, or a study that belongs to it.

        Those in other namespaces are not asked about, so that a search in one of its own costs nothing.
        """
        studies = self.all()
        own = {item.id for item in studies if study_id in (item.id, item.parent)}
        namespace = next(item.settings.get("namespace") for item in studies if item.id == study_id)
        roots = {
            item.id: item.parent or item.id
            for item in studies
            if item.id not in own and item.settings.get("namespace") == namespace
        }
        if not roots:
            return ()
        mine = select(trial.c.context, trial.c.key, func.max(trial.c.replicates).label("seen"))
        mine = mine.where(trial.c.study.in_(own)).group_by(trial.c.context, trial.c.key)
        met = mine.subquery()
        place = (evaluation.c.context == met.c.context, evaluation.c.key == met.c.key)
        served = (evaluation.c.replicate >= 0, evaluation.c.replicate < met.c.seen, evaluation.c.study.in_(roots))
        query = select(evaluation.c.study).join_from(met, evaluation, and_(*place)).where(*served).distinct()
        with self.database.read() as connection:
            payers = {roots[payer] for payer in connection.execute(query).scalars()}
        return tuple(item.name for item in studies if item.id in payers)

    def fidelities(self, study_id: int) -> dict[int, dict[str, Any]]:
        """Returns the fidelity settings of each context that the study's trials can stand in."""
        with self.database.read() as connection:
            one = connection.execute(select(trial.c.context).where(trial.c.study == study_id).limit(1)).scalar()
            return {} if one is None else fidelities_of(connection, one)

    def by_number(self, study_id: int) -> list[TrialRecord]:
        """Returns all trials in the order in which they were proposed: for studies of a few."""
        return sorted(self.trials(study_id), key=lambda one: one.number)

    def finish(self, study_id: int, connection: Connection | None = None) -> None:
        """Marks the study as finished."""
        mine = study.update().where(study.c.id == study_id)
        self.database.within(connection, lambda given: given.execute(mine.values(state="finished")).rowcount)

    def note_workers(self, study_id: int, hardware: Sequence[str]) -> None:
        """Adds hardware not yet recorded for this study."""

        def write(connection: Connection) -> None:
            settings = _settings_to_change(connection, study_id)
            met = settings.get("environment", {}).get("workers", [])
            if new := [one for one in hardware if one not in met]:
                settings["environment"] = {**settings.get("environment", {}), "workers": [*met, *new]}
                _write_settings(connection, study_id, settings)

        self.database.write(write)

    def note(self, study_id: int, name: str, value: Any, connection: Connection | None = None) -> None:
        """Keeps a JSON value in the record of a study's environment, which nothing is compared with."""

        def write(given: Connection) -> None:
            settings = _settings_to_change(given, study_id)
            settings["environment"] = {**settings.get("environment", {}), name: value}
            _write_settings(given, study_id, settings)

        self.database.within(connection, write)

    def note_logs(self, study_id: int, places: Mapping[str, str], most: int = 20) -> None:
        """Adds where the workers of this run write their logs to a study's environment; the last `most` are kept."""

        def write(connection: Connection) -> None:
            settings = _settings_to_change(connection, study_id)
            found = settings.get("environment", {}).get("logs", [])
            if places not in found:
                settings["environment"] = {**settings.get("environment", {}), "logs": [*found, dict(places)][-most:]}
                _write_settings(connection, study_id, settings)

        self.database.write(write)

    def change_hasher(self, study_id: int, hasher: Mapping[str, Any], note: Mapping[str, Any]) -> None:
        """Writes which hasher a study's keys come from now, and keeps a note of it in the study's environment."""

        def write(connection: Connection) -> None:
            settings = _settings_to_change(connection, study_id)
            environment = settings.get("environment") or {}
            settings["hasher"] = dict(hasher)
            settings["environment"] = {**environment, "rekeyed": [*environment.get("rekeyed", []), dict(note)]}
            _write_settings(connection, study_id, settings)

        self.database.write(write)

    def reopen(self, changed: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Opens finished studies again, each with settings in which a bound was raised; all of them or none."""

        def write(connection: Connection) -> None:
            for study_id, settings in changed:
                mine = study.update().where(study.c.id == study_id)
                connection.execute(mine.values(state="open", settings=canonical(settings)))

        self.database.write(write)


def _settings_to_change(connection: Connection, study_id: int) -> dict[str, Any]:
    """Reads a study's settings; another process that wants to change them waits for the end of this transaction."""
    query = select(study.c.settings).where(study.c.id == study_id).with_for_update()
    found: dict[str, Any] = stored(connection.execute(query).scalar_one())
    return found


def _write_settings(connection: Connection, study_id: int, settings: Mapping[str, Any]) -> None:
    connection.execute(study.update().where(study.c.id == study_id).values(settings=canonical(settings)))


def _append(connection: Connection, study_id: int, trials: Sequence[TrialRecord]) -> None:
    texts: dict[int, str] = {}
    rows = [trial_row(study_id, one, texts) for one in trials]
    insert_rows(connection, trial, TRIAL_COLUMNS, rows, ignoring=False)
    see_classes(connection, _seen(trials))
    connection.execute(study.update().where(study.c.id == study_id).values(trials=study.c.trials + len(rows)))


def _seen(trials: Iterable[TrialRecord]) -> list[tuple[int, bytes, int]]:
    times = Counter((one.context, one.key) for one in trials)
    return [(*place, times[place]) for place in sorted(times)]
