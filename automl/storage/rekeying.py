"""Evaluations on their way from old keys to new ones. Nothing but SQL; what is done with it is in `automl.cache.rekey`.

The old row stays as it was, for the studies that were told of it, and says where its copy stands. Copies are made in
one transaction for a whole context, so that old keys answer until all new ones do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection, Row, and_, func, literal_column, select, true

from automl.storage.bulk import chunks, folded, insert_into, insert_rows, unfolded, upsert_rows
from automl.storage.engine import Database
from automl.storage.evaluations import CHUNK, DONE, FAILED, LOST
from automl.storage.schema import (
    artefact,
    candidate,
    curve,
    equivalence_class,
    evaluation,
    rekeyed,
    trial,
)

UNKNOWN: Final = 0
"""Stands for the space of evaluations that do not say which one made them."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Finished evaluations of one context and space that stand under old keys alone.

    Attributes:
        context, space: numbers; `UNKNOWN` for no space.
        evaluations: how many.
        seconds: what they took.
    """

    context: int
    space: int
    evaluations: int
    seconds: float


class Waiting(NamedTuple):
    """A finished evaluation under an old key; `new_key` is None where it is not computed yet."""

    new_key: bytes | None
    key: bytes
    replicate: int
    seed: int
    candidate: bytes
    changed: float
    seconds: float
    found: str | None


class Standing(Protocol):
    """An evaluation where others come, a row of `read_evaluations`."""

    state: str
    seed: int
    metrics: str | None
    error: str


ALL: Final = (-(1 << 63), (1 << 63) - 1)
"""The first and the last replicate that there can be."""


def _waits(context_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        evaluation.c.context == context_id,
        evaluation.c.moved.is_(None),
        evaluation.c.state.in_([DONE, FAILED]),
    )


_space = func.coalesce(evaluation.c.space, UNKNOWN)


def pending(database: Database, contexts: Sequence[int]) -> list[Pending]:
    """Returns what stands under old keys in these contexts, by context and space."""
    found = []
    with database.read() as connection:
        for one in contexts:
            query = select(_space, func.count(), func.sum(evaluation.c.seconds)).where(*_waits(one))
            rows = connection.execute(query.group_by(_space).order_by(_space))
            found += [Pending(one, space, count, seconds) for space, count, seconds in rows]
    return found


def any_pending(database: Database, context_id: int) -> bool:
    """Tells whether a finished evaluation of a context stands under an old key alone."""
    with database.read() as connection:
        return connection.execute(select(literal_column("1")).where(*_waits(context_id)).limit(1)).first() is not None


def pending_candidates(database: Database, context_id: int, space: int) -> list[bytes]:
    """Returns the digests of the candidates that were evaluated, of what `pending` counts."""
    query = select(evaluation.c.candidate).where(*_waits(context_id), _space == space).distinct()
    with database.read() as connection:
        return list(connection.execute(query.order_by(evaluation.c.candidate)).scalars())


def keys_of(database: Database, hasher: bytes, space: int, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
    """Returns the new keys of candidates by their digests, as far as they are computed."""
    with database.read() as connection:
        return _keys_of(connection, hasher, space, wanted)


def _keys_of(connection: Connection, hasher: bytes, space: int, wanted: Collection[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for chunk in chunks(sorted(set(wanted)), CHUNK):
        query = select(rekeyed.c.candidate, rekeyed.c.key).where(
            rekeyed.c.hasher == hasher, rekeyed.c.space == space, rekeyed.c.candidate.in_(chunk)
        )
        found.update({row.candidate: row.key for row in connection.execute(query)})
    return found


def candidates_of(database: Database, wanted: Sequence[bytes]) -> dict[bytes, str]:
    """Returns the JSON of candidates by their digests."""
    query = select(candidate.c.digest, candidate.c.json).where(candidate.c.digest.in_(wanted))
    with database.read() as connection:
        return {row.digest: row.json for row in connection.execute(query)}


def standing_under(database: Database, contexts: Sequence[int], keys: Collection[bytes]) -> set[bytes]:
    """Returns those of the keys under which an evaluation stands in one of the contexts."""
    found: set[bytes] = set()
    with database.read() as connection:
        for one in contexts:
            for chunk in chunks(sorted(keys), CHUNK):
                query = select(evaluation.c.key).where(evaluation.c.context == one, evaluation.c.key.in_(chunk))
                found.update(connection.execute(query.distinct()).scalars())
    return found


def keep_keys(database: Database, hasher: bytes, space: int, keys: dict[bytes, bytes]) -> None:
    """Stores new keys by the digests of their candidates; another process may have been faster."""
    columns = ("hasher", "space", "candidate", "key")
    rows = [(hasher, space, one, keys[one]) for one in sorted(keys)]
    database.write(lambda connection: insert_rows(connection, rekeyed, columns, rows, ignoring=True))


def forget_keys(database: Database, hashers: Collection[bytes]) -> None:
    """Removes the new keys that were stored on the way."""
    these = rekeyed.delete().where(rekeyed.c.hasher.in_(sorted(hashers)))
    database.write(lambda connection: connection.execute(these).rowcount)


# --- a whole context -------------------------------------------------------------------------------------------------


def lock(connection: Connection) -> None:
    """Lets nobody write evaluations until the end of this transaction; SQLite has no other writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE evaluation IN SHARE ROW EXCLUSIVE MODE")


def movable(connection: Connection, context_id: int, hasher: bytes, space: int, read_by: int) -> list[Waiting]:
    """Returns what `pending` counts with the new keys.

    Args:
        connection: in a writing transaction.
        context_id: the old context.
        hasher: that made the new keys.
        space: the one that the evaluations remember.
        read_by: the one whose keys they get: another where they remember none.
    """
    columns = [evaluation.c[name] for name in Waiting._fields[1:]]
    rows = connection.execute(select(*columns).where(*_waits(context_id), _space == space)).all()
    new = _keys_of(connection, hasher, read_by, [row.candidate for row in rows])
    return [Waiting(new.get(row.candidate), *row) for row in rows]


_PLACED: Final = ("key", "replicate", "new_key", "new_replicate", "found")
"""What is said of each evaluation that gets a copy: its old place, its new one, and where its seed came from."""
_OLD: Final = {"new_key": evaluation.c.key, "new_replicate": evaluation.c.replicate}
_KEPT: Final = (
    *("state", "seed", "candidate", "metrics", "error", "seconds", "session", "attempt", "study", "trial", "changed"),
)


def copy_evaluations(
    connection: Connection, old: int, new: int, space: int, placed: Sequence[tuple[bytes, int, bytes, int, str]]
) -> None:
    """Copies evaluations and their learning curves to their new places.

    Args:
        connection: in a writing transaction.
        old, new: contexts.
        space: that read their candidates.
        placed: the values of key, replicate, new key, new replicate and found.
    """
    given = unfolded(evaluation, _PLACED, _OLD)
    for table, kept in ((evaluation, _KEPT), (curve, ("points",)), (artefact, ("relation", "name", "digest", "size"))):
        columns = ["context", "key", "replicate", *kept, *(["space", "found"] if table is evaluation else [])]
        if connection.dialect.name == "sqlite":
            more = "?, ?" if table is evaluation else ""
            text = (
                f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT ?, ?, ?, {', '.join(kept)}"  # noqa: S608
                f"{', ' + more if more else ''} FROM {table.name} WHERE context = ? AND key = ? AND replicate = ?"
            )
            for chunk in chunks(placed, CHUNK):
                rows = [
                    (new, new_key, number, *((space, found) if more else ()), old, key, replicate)
                    for key, replicate, new_key, number, found in chunk
                ]
                connection.exec_driver_sql(text, rows)
            continue
        said = [literal_column(str(int(space))), given.c.found] if table is evaluation else []
        mine = (table.c.context == old, table.c.key == given.c.key, table.c.replicate == given.c.replicate)
        # OFFSET 0 keeps the planner from joining in another way than by one index look-up for each row.
        found = select(*(table.c[one] for one in kept)).where(*mine).offset(0).lateral("found")
        place: tuple[Any, ...] = (literal_column(str(int(new))), given.c.new_key, given.c.new_replicate)
        query = select(*place, *found.c, *said).join_from(given, found, true())
        statement = insert_into("postgresql", table).from_select(columns, query)
        for chunk in chunks(placed, CHUNK):
            connection.execute(statement, folded(_PLACED, chunk))


def remove_lost(connection: Connection, new: int, places: Sequence[tuple[bytes, int]]) -> None:
    """Removes what nobody finished: somebody has finished it under an old key."""
    for key, replicate in places:
        connection.execute(
            evaluation.delete().where(
                evaluation.c.context == new,
                evaluation.c.key == key,
                evaluation.c.replicate == replicate,
                evaluation.c.state == LOST,
            )
        )


_MOVED: Final = ("key", "replicate")


def mark_moved(connection: Connection, old: int, new: int, space: int, places: Sequence[tuple[bytes, int]]) -> None:
    """Notes of evaluations under old keys that they stand in a new context, and which space read them."""
    given = unfolded(evaluation, _MOVED, {})
    statement = (
        evaluation.update()
        .where(
            evaluation.c.context == old,
            evaluation.c.key == given.c.key,
            evaluation.c.replicate == given.c.replicate,
        )
        .values(moved=new, space=space)
    )
    for chunk in chunks(places, CHUNK):
        if connection.dialect.name == "sqlite":
            text = "UPDATE evaluation SET moved = ?, space = ? WHERE context = ? AND key = ? AND replicate = ?"
            connection.exec_driver_sql(text, [(new, space, old, *place) for place in chunk])
        else:
            connection.execute(statement, folded(_MOVED, chunk))


def count_classes(connection: Connection, old: int, new: int, classes: Sequence[tuple[bytes, bytes]]) -> None:
    """Adds how often old classes were seen to new ones: (old key, new key), each old one once."""
    seen: dict[bytes, int] = {}
    for chunk in chunks(classes, CHUNK):
        to = dict(chunk)
        query = select(equivalence_class.c.key, equivalence_class.c.times_seen).where(
            equivalence_class.c.context == old, equivalence_class.c.key.in_(list(to))
        )
        for row in connection.execute(query):
            seen[to[row.key]] = seen.get(to[row.key], 0) + row.times_seen
    columns = ("context", "key", "times_seen")
    rows = [(new, key, seen[key]) for key in sorted(seen)]
    upsert_rows(connection, equivalence_class, columns, rows, add="times_seen")


def moved_before(connection: Connection, old: int, keys: Collection[bytes]) -> set[bytes]:
    """Returns those of the old classes of which an evaluation was moved before."""
    found: set[bytes] = set()
    for chunk in chunks(sorted(keys), CHUNK):
        query = select(evaluation.c.key).where(
            evaluation.c.context == old, evaluation.c.key.in_(chunk), evaluation.c.moved.is_not(None)
        )
        found.update(connection.execute(query.distinct()).scalars())
    return found


class Copy(NamedTuple):
    """Where an evaluation stood, its seed, and the key under which its copy stands."""

    old_key: bytes
    old_replicate: int
    seed: int
    key: bytes


def copies(database: Database, old: int, keys: Collection[bytes]) -> list[Copy]:
    """Returns the copies of those of a context's evaluations that stood under the keys.

    Each context is read once, whatever plan a database would make of a join by columns that no index has.
    """
    was: dict[tuple[int, int, bytes], tuple[bytes, int]] = {}
    found: list[Copy] = []
    with database.read() as connection:
        for chunk in chunks(sorted(keys), CHUNK):
            query = select(*(evaluation.c[name] for name in ("moved", "seed", "candidate", "key", "replicate"))).where(
                evaluation.c.context == old, evaluation.c.key.in_(chunk), evaluation.c.moved.is_not(None)
            )
            for row in connection.execute(query):
                was[row.moved, row.seed, row.candidate] = row.key, row.replicate
        for new in sorted({moved for moved, _, _ in was}):
            query = select(evaluation.c.seed, evaluation.c.candidate, evaluation.c.key).where(
                evaluation.c.context == new, evaluation.c.found.is_not(None)
            )
            found += [
                Copy(*was[new, row.seed, row.candidate], row.seed, row.key)
                for row in connection.execute(query)
                if (new, row.seed, row.candidate) in was
            ]
    return found


# --- studies ---------------------------------------------------------------------------------------------------------


def trials_under(database: Database, study: int, contexts: Sequence[int], page: int) -> Iterator[list[Row[Any]]]:
    """Yields position, context and candidate of a study's trials in these contexts, page by page."""
    after = -1
    query = select(trial.c.position, trial.c.context, trial.c.candidate).where(
        trial.c.study == study, trial.c.context.in_(contexts)
    )
    while True:
        with database.read() as connection:
            rows: list[Row[Any]] = list(
                connection.execute(query.where(trial.c.position > after).order_by(trial.c.position).limit(page))
            )
        if rows:
            yield rows
        if len(rows) < page:
            return
        after = rows[-1].position


_CHANGED: Final = ("study", "position", "key", "context")


def change_trials(connection: Connection, study: int, changed: Sequence[tuple[int, int, bytes]]) -> None:
    """Gives trials new keys: (position, new context, new key)."""
    rows = [(study, position, key, context_id) for position, context_id, key in changed]
    if connection.dialect.name == "sqlite":
        text = "UPDATE trial SET key = ?, context = ? WHERE study = ? AND position = ?"
        connection.exec_driver_sql(text, [(key, at, study, position) for study, position, key, at in rows])
        return
    given = unfolded(trial, _CHANGED, {})
    statement = (
        trial.update()
        .where(trial.c.study == given.c.study, trial.c.position == given.c.position)
        .values(key=given.c.key, context=given.c.context)
    )
    connection.execute(statement, folded(_CHANGED, rows))


def served_another(database: Database, study: int) -> int:
    """Returns how many trials of a study were served what no evaluation of their own class has reached."""
    own = and_(evaluation.c.context == trial.c.context, evaluation.c.key == trial.c.key)
    query = (
        select(func.count())
        .select_from(trial)
        .where(
            trial.c.study == study,
            trial.c.outcome.in_(["hit", "joined"]),
            ~select(literal_column("1")).select_from(evaluation).where(own).exists(),
        )
    )
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())
