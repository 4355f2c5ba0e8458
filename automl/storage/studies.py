"""Studies and their trials as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, get_args

from sqlalchemy import Connection, Row, Select, and_, func, select
from sqlalchemy.exc import IntegrityError

from automl.errors import StorageError, StudyBusy, StudyExists
from automl.jsontext import canonical, stored
from automl.storage.bulk import chunks, insert_rows
from automl.storage.engine import Database
from automl.storage.evaluations import see_classes
from automl.storage.fidelities import fidelities_of
from automl.storage.schema import database_time, evaluation, study, trial
from automl.storage.sessions import dead_among, read_sessions

Kind = Literal["search", "rating", "baseline", "seconds", "confirmation", "test", "ablation"]
Outcome = Literal["miss", "partial", "hit", "joined", "failed"]
"""What a trial took: evaluations of its own, one more replicate, nothing, or one that was running; or it failed."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """Study as stored in a database.

    Attributes:
        id: Number of the study, unique in the database.
        name: Name of the study, unique in the database.
        kind: Role of the study: "search", "baseline", "confirmation", "test", "ablation", ….
        parent: Number of the search that a baseline or test study belongs to; None for a search.
        settings: JSON settings that must be unchanged when the study is resumed.
        state: "open" or "finished".
        created: Time of creation in seconds since 1970, by the database's clock.
        trials: Number of trials that the strategy was told.

    Example:
        >>> studies = StudyStore(Database("sqlite:///cells.db"))
        >>> record = studies.create("cells", "search", {"seed": 0})
        >>> record.state, record.trials, record.settings
        ('open', 0, {'seed': 0})
    """

    id: int
    name: str
    kind: Kind
    parent: int | None
    settings: dict[str, Any]
    state: Literal["open", "finished"]
    created: float
    trials: int


@dataclass(slots=True)
class TrialRecord:
    """One proposal of a study and its outcome, written once, when the strategy was told.

    Attributes:
        number: Number of the trial in the order of proposals, from 0.
        candidate: Canonical JSON of the candidate.
        key: Functional hash of the candidate, 16 bytes.
        context: Number of the context that the key belongs to.
        outcome: "miss" (the trial caused its evaluation), "hit" (all results came from the cache), "partial" (one more
            replicate was evaluated), "joined" (it waited for an evaluation that was running already) or "failed".
        fitness: Value of the objective, in its own direction; None for a failed trial and below a full evaluation,
            whose values are comparable only among themselves.
        metrics: Mapping from metric name to mean over the replicates.
        replicates: Number of results in these means.
        origin: Way in which the strategy made the candidate, such as "sample" or "mutate".
        parents: Numbers of the trials whose candidates were varied to make this one.
        error: One line that says why the trial failed; empty on success.
        paid_seconds: Seconds of the evaluations that this trial caused.
        saved_seconds: Seconds that the evaluations whose results came from the cache had taken.
        hash_seconds: Seconds that computing the key took.
        costs: Mapping from name to cost of this very candidate (parameters, FLOPs); never served by key.
        told_at: Seconds from the begin of the study to the completion of the trial, on the coordinator's running clock.
        position: Number of the trial in the order of completion, from 0: the order in which the strategy was told.

    Example:
        >>> served = TrialRecord(7, '{"x":3}', bytes(16), context=1, outcome="hit", fitness=0.93, saved_seconds=41.0)
        >>> served.outcome, served.paid_seconds
        ('hit', 0.0)
    """

    number: int
    candidate: str
    key: bytes
    context: int
    outcome: Outcome
    fitness: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    replicates: int = 0
    origin: str = ""
    parents: tuple[int, ...] = ()
    error: str = ""
    paid_seconds: float = 0.0
    saved_seconds: float = 0.0
    hash_seconds: float = 0.0
    costs: Mapping[str, Any] = field(default_factory=dict)
    told_at: float = 0.0
    position: int = 0


class Standing(NamedTuple):
    """Position, key, outcome and fitness of one trial: all that ranking needs, and quick to read.

    Example:
        >>> Standing(position=0, key=bytes(16), outcome="miss", fitness=0.93).fitness
        0.93
    """

    position: int
    key: bytes
    outcome: Outcome
    fitness: float | None


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
            return [_study(row) for row in found]

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
        """Returns a study as it stands now."""
        return self._read(select(study).where(study.c.id == study_id))[0]

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
            return [_study(row) for row in connection.execute(query)]

    def coordinate(self, study_id: int, session_id: int) -> None:
        """Makes the session the study's one coordinator, taking over from a dead one.

        Raises:
            StudyBusy: another living session coordinates it.
        """

        def claim(connection: Connection) -> None:
            query = select(study.c.coordinator, study.c.name).where(study.c.id == study_id).with_for_update()
            holder, name = connection.execute(query).one()
            if holder not in (None, session_id) and holder not in dead_among(self.database, connection, {holder}):
                who = read_sessions(connection, [holder])[0].name()
                raise StudyBusy(
                    f"the study {name!r} is being run by {who}; wait for it, or end that process and try again"
                )
            connection.execute(study.update().where(study.c.id == study_id).values(coordinator=session_id))

        self.database.write(claim)

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
        return map(_trial, self._by_position(select(trial), study_id, after_position, page))

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
                found.update((row.position, _trial(row)) for row in connection.execute(query))
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
        return None if row is None else _trial(row)

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

    def finish(self, study_id: int) -> None:
        """Marks the study as finished."""
        self.database.write(
            lambda connection: (
                connection.execute(study.update().where(study.c.id == study_id).values(state="finished")).rowcount
            )
        )

    def note_workers(self, study_id: int, hardware: Sequence[str]) -> None:
        """Adds hardware not yet recorded for this study."""

        def write(connection: Connection) -> None:
            mine = study.c.id == study_id
            settings = stored(connection.execute(select(study.c.settings).where(mine)).scalar_one())
            met = settings.get("environment", {}).get("workers", [])
            if new := [one for one in hardware if one not in met]:
                settings["environment"] = {**settings.get("environment", {}), "workers": [*met, *new]}
                connection.execute(study.update().where(mine).values(settings=canonical(settings)))

        self.database.write(write)

    def note(self, study_id: int, name: str, value: Any) -> None:
        """Keeps a JSON value in the record of a study's environment, which nothing is compared with."""

        def write(connection: Connection) -> None:
            mine = study.c.id == study_id
            settings = stored(connection.execute(select(study.c.settings).where(mine)).scalar_one())
            settings["environment"] = {**settings.get("environment", {}), name: value}
            connection.execute(study.update().where(mine).values(settings=canonical(settings)))

        self.database.write(write)

    def change_hasher(self, study_id: int, hasher: Mapping[str, Any], note: Mapping[str, Any]) -> None:
        """Writes which hasher a study's keys come from now, and keeps a note of it in the study's environment."""

        def write(connection: Connection) -> None:
            mine = study.c.id == study_id
            settings = stored(connection.execute(select(study.c.settings).where(mine)).scalar_one())
            environment = settings.get("environment") or {}
            settings["hasher"] = dict(hasher)
            settings["environment"] = {**environment, "rekeyed": [*environment.get("rekeyed", []), dict(note)]}
            connection.execute(study.update().where(mine).values(settings=canonical(settings)))

        self.database.write(write)

    def reopen(self, changed: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Opens finished studies again, each with settings in which a bound was raised; all of them or none."""

        def write(connection: Connection) -> None:
            for study_id, settings in changed:
                mine = study.update().where(study.c.id == study_id)
                connection.execute(mine.values(state="open", settings=canonical(settings)))

        self.database.write(write)


def _append(connection: Connection, study_id: int, trials: Sequence[TrialRecord]) -> None:
    texts: dict[int, str] = {}
    rows = [_row(study_id, one, texts) for one in trials]
    insert_rows(connection, trial, _COLUMNS, rows, ignoring=False)
    see_classes(connection, _seen(trials))
    connection.execute(study.update().where(study.c.id == study_id).values(trials=study.c.trials + len(rows)))


def _seen(trials: Iterable[TrialRecord]) -> list[tuple[int, bytes, int]]:
    times = Counter((one.context, one.key) for one in trials)
    return [(*place, times[place]) for place in sorted(times)]


_COLUMNS = tuple(column.name for column in trial.columns)


def _text(figures: Mapping[str, Any], texts: dict[int, str]) -> str:
    """Returns the JSON of a trial's figures; the trials of one class share theirs, which are then written only once.

    Args:
        figures: of a trial that lives as long as `texts`.
        texts: what was written before, by the identity of the figures.
    """
    if (text := texts.get(id(figures))) is None:
        text = texts[id(figures)] = canonical(figures)
    return text


def _row(study_id: int, one: TrialRecord, texts: dict[int, str]) -> tuple[Any, ...]:
    """Returns the values of all columns, in their order."""
    return (
        study_id,
        one.position,
        one.number,
        one.key,
        one.context,
        one.outcome,
        one.fitness,
        _text(one.metrics, texts),
        one.replicates,
        one.origin,
        "[" + ",".join(map(str, one.parents)) + "]",
        one.error,
        one.paid_seconds,
        one.saved_seconds,
        one.hash_seconds,
        _text(one.costs, texts) if one.costs else "{}",
        one.told_at,
        one.candidate,
    )


def _trial(row: Row[Any]) -> TrialRecord:
    metrics, parents, costs = stored(f"[{row.metrics},{row.parents},{row.costs}]")  # one call for all three
    return TrialRecord(
        number=row.number,
        candidate=row.candidate,
        key=row.key,
        context=row.context,
        outcome=row.outcome,
        fitness=row.fitness,
        metrics=metrics,
        replicates=row.replicates,
        origin=row.origin,
        parents=tuple(parents),
        error=row.error,
        paid_seconds=row.paid_seconds,
        saved_seconds=row.saved_seconds,
        hash_seconds=row.hash_seconds,
        costs=costs,
        told_at=row.told_at,
        position=row.position,
    )


def _study(row: Row[Any]) -> StudyRecord:
    settings = stored(row.settings)
    return StudyRecord(row.id, row.name, row.kind, row.parent, settings, row.state, row.created, row.trials)
