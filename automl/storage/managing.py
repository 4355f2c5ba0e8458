"""Studies renamed, deleted, merged, and copied to another database, rows and all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, select
from sqlalchemy.exc import IntegrityError

from automl.errors import StorageError, StudyBusy, StudyExists
from automl.jsontext import canonical, stored
from automl.storage.artefacts import MADE, READ
from automl.storage.bulk import chunks, insert_rows
from automl.storage.candidates import store_candidates
from automl.storage.engine import Database
from automl.storage.evaluations import CLAIMED, context_id
from automl.storage.schema import (
    artefact,
    candidate,
    context,
    curve,
    database_time,
    equivalence_class,
    evaluation,
    study,
    trial,
)
from automl.storage.sessions import dead_among, read_sessions
from automl.storage.spaces import space_id, spaces_of

_PAGE = 2000


def family(connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    """Returns the studies with these numbers and those that belong to them, oldest first."""
    mine = (study.c.id.in_(ids)) | (study.c.parent.in_(ids))
    return list(connection.execute(select(study).where(mine).order_by(study.c.id)))


def _insist_free(database: Database, connection: Connection, rows: Sequence[Row[Any]]) -> None:
    """Insists that nobody runs one of the studies.

    Raises:
        StudyBusy: a living process does.
    """
    holders = {row.coordinator for row in rows if row.coordinator is not None}
    alive = holders - set(dead_among(database, connection, holders)) if holders else set()
    for row in rows:
        if row.coordinator in alive:
            who = read_sessions(connection, [row.coordinator])[0].name()
            raise StudyBusy(f"the study {row.name!r} is being run by {who}; wait for it, or end that process")


def _insist_untouched(database: Database, connection: Connection, rows: Sequence[Row[Any]]) -> None:
    """Insists that nobody runs one of the studies, and that nobody has an evaluation that one of them has asked for.

    Raises:
        StudyBusy: a living process does, or has.
    """
    _insist_free(database, connection, rows)
    names = {row.id: row.name for row in rows}
    out = select(evaluation.c.study, evaluation.c.session).where(
        evaluation.c.study.in_(names), evaluation.c.state == CLAIMED, evaluation.c.session.is_not(None)
    )
    found = connection.execute(out).all()
    holders = {row.session for row in found}
    alive = holders - set(dead_among(database, connection, holders)) if holders else set()
    held = [row for row in found if row.session in alive]
    if held:
        who = read_sessions(connection, [held[0].session])[0].name()
        raise StudyBusy(
            f"{who} has evaluations that the study {names[held[0].study]!r} has asked for and that are not told yet "
            f"({len(held):,}); tell them, give them back, or close the study there"
        )


def insist_free(database: Database, ids: Sequence[int]) -> None:
    """Insists that nobody runs one of the studies with these numbers, or what belongs to them.

    Raises:
        StudyBusy: a living process does.
    """
    with database.read() as connection:
        _insist_free(database, connection, family(connection, ids))


def _written(database: Database, write: Callable[[Connection], int], name: str) -> int:
    try:
        return database.write(write)
    except StorageError as error:
        if isinstance(error.__cause__, IntegrityError):
            raise StudyExists(f"a study named {name!r} exists already; choose another name") from error
        raise


def rename(database: Database, ids: Sequence[int], old: str, new: str) -> int:
    """Gives studies, and those that belong to them, names that begin with `new` instead of `old`.

    Raises:
        StudyExists: the new name is taken.
        StudyBusy: a living process runs one of them, or has an evaluation that one has asked for.
    """

    def write(connection: Connection) -> int:
        rows = family(connection, ids)
        _insist_untouched(database, connection, rows)
        taken = study.c.name.startswith(f"{new}/", autoescape=True) | (study.c.name == new)
        if connection.execute(select(study.c.id).where(taken, study.c.id.not_in([row.id for row in rows]))).first():
            raise StudyExists(f"a study named {new!r} exists already; choose another name")
        for row in rows:
            values: dict[str, Any] = {"name": f"{new}{row.name[len(old) :]}"}
            settings = stored(row.settings)
            if settings.get("repeat"):
                # The parts of the cache keep the name that the search had when it began.
                repeat = {"caches": old, **settings["repeat"], "study": new}
                values["settings"] = canonical({**settings, "repeat": repeat})
            connection.execute(study.update().where(study.c.id == row.id).values(**values))
        return len(rows)

    return _written(database, write, new)


def delete(database: Database, ids: Sequence[int]) -> int:
    """Deletes studies, those that belong to them, and their trials; returns how many trials there were.

    Evaluations stay, and no longer say which study caused them: a later study could be given the number.

    Raises:
        StudyBusy: a living process runs one of them, or has an evaluation that one has asked for.
    """

    def write(connection: Connection) -> int:
        rows = family(connection, ids)
        _insist_untouched(database, connection, rows)
        own = [row.id for row in rows]
        connection.execute(evaluation.update().where(evaluation.c.study.in_(own)).values(study=None, trial=None))
        gone = connection.execute(trial.delete().where(trial.c.study.in_(own))).rowcount
        connection.execute(study.delete().where(study.c.id.in_(own)))
        return gone

    return database.write(write)


def write_settings(
    database: Database,
    ids: Sequence[int],
    change: Callable[[dict[str, Any]], Mapping[str, Any]],
    running: bool = False,
) -> None:
    """Replaces the settings of studies by what `change` makes of them, all of them or none.

    Args:
        database: holds them.
        ids: their numbers.
        change: returns the new settings.
        running: whether they may be changed while a process runs them, which must look for the change itself.

    Raises:
        StudyBusy: a living process runs one of them, and has read what is changed here.
    """

    def write(connection: Connection) -> None:
        rows = connection.execute(select(study).where(study.c.id.in_(ids)).with_for_update()).all()
        if not running:
            _insist_untouched(database, connection, family(connection, ids))
        for row in rows:
            changed = canonical(dict(change(stored(row.settings))))
            connection.execute(study.update().where(study.c.id == row.id).values(settings=changed))

    database.write(write)


def merge(database: Database, ids: Sequence[int], name: str, settings: Mapping[str, Any]) -> int:
    """Adds one search with the trials of several, one after the other, and returns how many trials it has.

    Where they rated first, the new one has a study of ratings with all of theirs.

    Args:
        database: holds them.
        ids: of the searches, in order.
        name: of the new one.
        settings: of the new one.

    Raises:
        StudyExists: the name is taken.
        StudyBusy: a living process runs one of them.
    """

    def write(connection: Connection) -> int:
        rows = family(connection, ids)
        _insist_free(database, connection, [row for row in rows if row.id in ids])
        made, trials = _merged(connection, ids, name, "search", settings)
        rated = {row.parent: row for row in rows if row.kind == "rating"}
        if rated:
            own = [rated[one].id for one in ids if one in rated]
            budget = {
                one: settings[one]
                for one in ("trials", "evaluations", "hours", "until", "repeat", "enqueue", "begin_from")
            }
            of_first = {**stored(next(iter(rated.values())).settings), **budget}
            _merged(connection, own, f"{name}/rated", "rating", of_first, made)
        return trials

    return _written(database, write, name)


def _merged(
    connection: Connection,
    ids: Sequence[int],
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    parent: int | None = None,
) -> tuple[int, int]:
    """Adds a study with the trials of several; returns its number and how many trials it has."""
    values = {"name": name, "kind": kind, "settings": canonical(dict(settings)), "state": "open"}
    connection.execute(study.insert().values(**values, parent=parent, created=database_time(), trials=0))
    made = int(connection.execute(select(study.c.id).where(study.c.name == name)).scalar_one())
    before, seconds = 0, 0.0
    for one in ids:
        found = connection.execute(select(trial).where(trial.c.study == one).order_by(trial.c.position)).all()
        moved = [
            {
                **row._mapping,
                "study": made,
                "position": row.position + before,
                "number": row.number + before,
                "parents": canonical([number + before for number in stored(row.parents)]),
                "told_at": row.told_at + seconds,
            }
            for row in found
        ]
        _insert(connection, trial, moved)
        before += max((row.number for row in found), default=-1) + 1
        seconds = max((row["told_at"] for row in moved), default=seconds)
    connection.execute(study.update().where(study.c.id == made).values(trials=before))
    return made, before


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], ignoring: bool = False) -> None:
    columns = tuple(column.name for column in table.columns)
    insert_rows(connection, table, columns, [tuple(row[name] for name in columns) for row in rows], ignoring=ignoring)


def copy(
    source: Database, target: Database, ids: Sequence[int], names: Mapping[str, str]
) -> tuple[int, int, list[str]]:
    """Copies studies, those that belong to them and the evaluations behind their trials into another database.

    Args:
        source: is read.
        target: is written to, in one transaction.
        ids: of the studies.
        names: mapping from the name of each study, and of each that belongs to one, to its name there.

    Returns:
        Numbers of trials and of evaluations that were added, and the digests of the artefacts that belong to them.

    Raises:
        StudyExists: a name is taken there.
    """
    with source.read() as connection:
        studies = family(connection, ids)
        own = [row.id for row in studies]
        trials = connection.execute(
            select(trial).where(trial.c.study.in_(own)).order_by(trial.c.study, trial.c.position)
        ).all()
        met = select(trial.c.context, trial.c.key).where(trial.c.study.in_(own)).distinct().subquery()
        evaluations, links = _of(connection, evaluation, met), _of(connection, artefact, met)
        classes, curves = _of(connection, equivalence_class, met), _of(connection, curve, met)
        evaluations, links = _with_makers(connection, evaluations, links)
        used = {row.context for row in (*trials, *evaluations)}
        contexts = connection.execute(select(context).where(context.c.id.in_(used or {-1}))).all()
        spaces = spaces_of(connection, {row.space for row in evaluations if row.space is not None})
        digests = sorted({row.candidate for row in evaluations})
        texts = [
            (row.digest, row.json)
            for chunk in chunks(digests, _PAGE)
            for row in connection.execute(select(candidate).where(candidate.c.digest.in_(chunk)))
        ]

    def write(connection: Connection) -> tuple[int, int, list[str]]:
        for row in studies:
            if connection.execute(select(study.c.id).where(study.c.name == names[row.name])).first():
                raise StudyExists(f"a study named {names[row.name]!r} exists there already; choose another name")
        numbers: dict[int, int] = {}
        for row in studies:
            values = {**row._mapping, "name": names[row.name], "coordinator": None}
            values["parent"] = numbers.get(row.parent) if row.parent is not None else None
            del values["id"]
            connection.execute(study.insert().values(**values))
            numbers[row.id] = int(
                connection.execute(select(study.c.id).where(study.c.name == values["name"])).scalar_one()
            )
        places = {row.id: context_id(connection, row.fingerprint, row.namespace, row.description) for row in contexts}
        there = {number: space_id(connection, found) for number, found in spaces.items()}
        store_candidates(connection, texts)
        _insert(connection, trial, [_moved(row, places) | {"study": numbers[row.study]} for row in trials])
        known = {
            (row.context, row.key, row.replicate)
            for place in places.values()
            for row in connection.execute(
                select(evaluation.c.context, evaluation.c.key, evaluation.c.replicate).where(
                    evaluation.c.context == place
                )
            )
        }
        fresh = [
            _moved(row, places)
            | {
                "study": numbers.get(row.study),
                "trial": row.trial if row.study in numbers else None,
                "space": there.get(row.space),
                "session": None,
                "moved": None,
            }
            for row in evaluations
            if row.state in ("done", "failed")
        ]
        fresh = [row for row in fresh if (row["context"], row["key"], row["replicate"]) not in known]
        added = {(row["context"], row["key"], row["replicate"]) for row in fresh}
        _insert(connection, evaluation, sorted(fresh, key=lambda row: (row["context"], row["key"], row["replicate"])))
        _insert(connection, equivalence_class, [_moved(row, places) for row in classes], ignoring=True)
        moved = [_moved(row, places) for row in curves]
        mine = [row for row in moved if (row["context"], row["key"], row["replicate"]) in added]
        _insert(connection, curve, mine, ignoring=True)
        left = [_moved(row, places) for row in links]
        left = [row for row in left if (row["context"], row["key"], row["replicate"]) in added]
        _insert(connection, artefact, left, ignoring=True)
        return len(trials), len(fresh), sorted({bytes(row["digest"]).hex() for row in left})

    return target.write(write)


def _with_makers(
    connection: Connection, evaluations: Sequence[Row[Any]], links: Sequence[Row[Any]]
) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """Returns evaluations and links, with those that have made what these evaluations read, and what those read."""
    found, linked = list(evaluations), list(links)
    met = {(row.context, bytes(row.key)) for row in found}
    wanted = {row.digest for row in links if row.relation == READ}
    while wanted:
        made = select(artefact.c.context, artefact.c.key).where(
            artefact.c.relation == MADE, artefact.c.digest.in_(wanted)
        )
        new = {(row.context, bytes(row.key)) for row in connection.execute(made)} - met
        met |= new
        wanted = set()
        for number, key in sorted(new):
            for table, rows in ((evaluation, found), (artefact, linked)):
                here = select(table).where(table.c.context == number, table.c.key == key)
                rows += connection.execute(here.order_by(*table.primary_key.columns))
                wanted |= {row.digest for row in rows if table is artefact and row.relation == READ}
    return found, linked


def _of(connection: Connection, table: Table, met: Any) -> list[Row[Any]]:
    """Returns the rows of these classes, by their primary key."""
    place = and_(table.c.context == met.c.context, table.c.key == met.c.key)
    query = select(table).join_from(table, met, place).order_by(*table.primary_key.columns)
    return list(connection.execute(query))


def _moved(row: Row[Any], places: Mapping[int, int]) -> dict[str, Any]:
    return {**row._mapping, "context": places[row.context]}


@dataclass(frozen=True)
class Move:
    """Trials of studies that are to stand in other contexts.

    Attributes:
        ids: of the studies.
        places: mapping from the number of a context to that of the one which takes its place.
        found: mapping from the number of an old context to its fidelity group's fingerprint, 32 hexadecimal digits,
            and the version of its hasher as JSON object: evaluations remember where their seeds come from.
    """

    ids: Sequence[int]
    places: Mapping[int, int]
    found: Mapping[int, str]


def _move_trials(connection: Connection, move: Move) -> None:
    """Lets trials of studies stand in other contexts, and copies the evaluations behind them there."""
    ids, places, found = move.ids, move.places, move.found
    met = select(trial.c.context, trial.c.key).where(trial.c.study.in_(ids)).distinct().subquery()
    evaluations, curves = _of(connection, evaluation, met), _of(connection, curve, met)
    classes, links = _of(connection, equivalence_class, met), _of(connection, artefact, met)
    fresh = []
    for row in evaluations:
        if row.context not in places or row.state not in ("done", "failed") or row.replicate < 0:
            continue
        origin = row.found or canonical(
            {**stored(found[row.context]), "key": bytes(row.key).hex(), "replicate": row.replicate}
        )
        fresh.append(_moved(row, places) | {"session": None, "moved": None, "found": origin})
    _insert(connection, evaluation, fresh, ignoring=True)
    _insert(
        connection, equivalence_class, [_moved(row, places) for row in classes if row.context in places], ignoring=True
    )
    _insert(connection, curve, [_moved(row, places) for row in curves if row.context in places], ignoring=True)
    _insert(connection, artefact, [_moved(row, places) for row in links if row.context in places], ignoring=True)
    for old, new in places.items():
        change = trial.update().where(trial.c.study.in_(ids), trial.c.context == old)
        connection.execute(change.values(context=new))


def contexts_of(database: Database, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Returns the contexts that trials of these studies stand in: a mapping from number to description."""
    met = select(trial.c.context).where(trial.c.study.in_(ids)).distinct()
    with database.read() as connection:
        rows = connection.execute(select(context.c.id, context.c.description).where(context.c.id.in_(met)))
        return {row.id: stored(row.description) for row in rows}


def adopt(
    database: Database,
    settings: Mapping[int, Mapping[str, Any]],
    without: str,
    moves: Sequence[Move],
) -> None:
    """Gives studies other settings, and their trials other contexts, in one transaction.

    Args:
        database: holds them.
        settings: of each study, by its number: those that take the place of its own of the same names.
        without: name of a setting that is dropped.
        moves: trials to be moved; each study is in one of them at most.

    Raises:
        StudyBusy: a living process runs one of them.
    """

    def write(connection: Connection) -> None:
        rows = connection.execute(select(study).where(study.c.id.in_(list(settings)))).all()
        _insist_untouched(database, connection, rows)
        for row in rows:
            before = stored(row.settings)
            before.pop(without, None)
            changed = canonical({**before, **settings[row.id]})
            connection.execute(study.update().where(study.c.id == row.id).values(settings=changed))
        for move in moves:
            _move_trials(connection, move)

    database.write(write)
