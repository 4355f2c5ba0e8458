"""Evaluations as rows: inserting one is the claim to it. Nothing but SQL; what the rows are for is in `automl.cache`.

Every statement finds its rows by the primary key (context, key, replicate) and is executed for many rows at a time, in
the order of the keys, so that two processes on PostgreSQL wait for each other instead of deadlocking.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, literal_column, select, true

from automl.storage.bulk import (
    Values,
    chunks,
    driver_text,
    folded,
    insert_into,
    insert_rows,
    insert_won,
    unfolded,
    upsert_rows,
)
from automl.storage.schema import context, database_time, equivalence_class, evaluation

CLAIMED: Final = "claimed"
DONE: Final = "done"
FAILED: Final = "failed"
LOST: Final = "lost"

CHUNK: Final = 1000
"""Keys in one statement."""

LOWEST: Final = -(1 << 62)


def context_id(connection: Connection, fingerprint: bytes, namespace: str, description: str) -> int:
    """Returns the id of the context with this fingerprint, adding its row if there is none."""
    values = {"fingerprint": fingerprint, "namespace": namespace, "description": description}
    connection.execute(
        insert_into(connection.dialect.name, context)
        .values(**values, created=database_time())
        .on_conflict_do_nothing(index_elements=[context.c.fingerprint])
    )
    return int(connection.execute(select(context.c.id).where(context.c.fingerprint == fingerprint)).scalar_one())


def see_classes(connection: Connection, seen: Sequence[tuple[int, bytes, int]]) -> None:
    """Adds (context, key, how often) to the classes; give them in the order of the keys."""
    columns = ("context", "key", "times_seen")
    upsert_rows(connection, equivalence_class, columns, list(seen), add="times_seen")


_columns = [
    evaluation.c[name]
    for name in (
        "key",
        "replicate",
        "state",
        "seed",
        "candidate",
        "metrics",
        "error",
        "seconds",
        "session",
        "attempt",
        "study",
        "trial",
    )
]
Range = tuple[bytes, int, int]
"""A key with the first and the last replicate that are wanted of it, both included."""

_RANGE: Final = ("key", "first", "last")
_given = unfolded(evaluation, _RANGE, {"first": evaluation.c.replicate, "last": evaluation.c.replicate})
_in_range = and_(
    evaluation.c.context == bindparam("context_id"),
    evaluation.c.key == _given.c.key,
    evaluation.c.replicate.between(_given.c.first, _given.c.last),
)
# OFFSET 0 keeps the planner from joining in another way than by one index look-up for each key.
_of_one_key = select(*_columns).where(_in_range).offset(0).lateral("found")
_stored_postgresql = select(_of_one_key).join_from(_given, _of_one_key, true())
# CROSS JOIN is SQLite's word for the same: look up the right side for each row of the left.
_stored_sqlite = (
    "WITH given (key, first, last) AS (VALUES {}) "  # noqa: S608 - nothing but our own column names
    f"SELECT {', '.join(f'evaluation.{one.name}' for one in _columns)} FROM given CROSS JOIN evaluation "
    "WHERE evaluation.context = ? AND evaluation.key = given.key "
    "AND evaluation.replicate BETWEEN given.first AND given.last"
)


def read_evaluations(connection: Connection, context_id: int, wanted: Sequence[Range]) -> list[Row[Any]]:
    """Returns the rows of these classes within the ranges wanted; give each key once."""
    rows: list[Row[Any]] = []
    for chunk in chunks(wanted, CHUNK):
        if connection.dialect.name == "sqlite":
            values = (*(value for one in chunk for value in one), context_id)
            rows.extend(
                connection.exec_driver_sql(_stored_sqlite.format(", ".join(["(?, ?, ?)"] * len(chunk))), values)
            )
        else:
            rows.extend(connection.execute(_stored_postgresql, {"context_id": context_id} | folded(_RANGE, chunk)))
    return rows


_CLAIM: Final = tuple(one.name for one in evaluation.columns if one.name not in ("metrics", "moved", "found"))
_of_claim = itemgetter(*_CLAIM)


def insert_claims(connection: Connection, claims: Sequence[dict[str, Any]]) -> set[tuple[bytes, int]]:
    """Inserts claims and returns the (key, replicate) of those that are ours: somebody may have been faster.

    Each claim holds the columns context, key, replicate, seed, candidate, session, study, trial and space.
    """
    if not claims:
        return set()
    now = connection.execute(select(database_time())).scalar_one()
    fixed = {"state": CLAIMED, "error": "", "seconds": 0.0, "attempt": 1, "changed": now}
    rows = [_of_claim(claim | fixed) for claim in claims]
    won = insert_won(connection, evaluation, _CLAIM, rows)
    return {(bytes(key), replicate) for _, key, replicate in won}


def take_over(connection: Connection, claim: dict[str, Any], session: int | None, attempt: int) -> bool:
    """Makes a lost claim, or a dead session's, ours; False when somebody else has just done so.

    Args:
        connection: in a writing transaction.
        claim: as in `insert_claims`.
        session: who had it.
        attempt: which attempt that was.
    """
    had = evaluation.c.session.is_(None) if session is None else evaluation.c.session == session
    statement = (
        evaluation.update()
        .where(
            evaluation.c.context == claim["context"],
            evaluation.c.key == claim["key"],
            evaluation.c.replicate == claim["replicate"],
            evaluation.c.state.in_([CLAIMED, LOST]),
            evaluation.c.attempt == attempt,
            had,
        )
        .values(
            state=CLAIMED,
            candidate=claim["candidate"],
            session=claim["session"],
            study=claim["study"],
            trial=claim["trial"],
            space=claim["space"],
            attempt=attempt + 1,
            error="",
            changed=database_time(),
        )
    )
    return connection.execute(statement).rowcount == 1


def keep_reached(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Stores results of evaluations that stopped early, each in the context of the epoch that it reached.

    Args:
        connection: in a writing transaction.
        rows: context, key, replicate, seed, candidate (digest), metrics (canonical JSON), seconds, study, trial,
            space. One that is there already is the same one.
    """
    fixed = {"state": DONE, "error": "", "session": None, "attempt": 1, "moved": None, "found": None}
    now = connection.execute(select(database_time())).scalar_one()
    columns = tuple(column.name for column in evaluation.columns)
    whole = [fixed | row | {"changed": now} for row in rows]
    insert_rows(connection, evaluation, columns, [tuple(row[name] for name in columns) for row in whole], ignoring=True)


END: Final = ("state", "metrics", "error", "seconds", "context", "key", "replicate", "session", "attempt")
"""What the end of a claim says: its result, and which claim of whom it was."""

_RESULT: Final = END[:4]
_end_sqlite = (
    evaluation.update()
    .where(
        evaluation.c.state == literal_column(f"'{CLAIMED}'"),
        *(evaluation.c[name] == bindparam(f"of_{name}") for name in END[4:]),
    )
    .values({name: bindparam(f"to_{name}") for name in _RESULT} | {"changed": database_time()})
)
_end_text = driver_text(_end_sqlite, (*(f"to_{name}" for name in _RESULT), *(f"of_{name}" for name in END[4:])))
_ends = unfolded(evaluation, END, {})
_end_postgresql = (
    evaluation.update()
    .where(evaluation.c.state == CLAIMED, *(evaluation.c[name] == _ends.c[name] for name in END[4:]))
    .values({name: _ends.c[name] for name in _RESULT} | {"changed": database_time()})
)


def end_claims(connection: Connection, ends: Sequence[Values]) -> int:
    """Ends claims that are still ours and returns how many were. Each end holds the columns of `END`."""
    if not ends:
        return 0
    rows = sorted(ends, key=lambda end: end[5:7])
    if connection.dialect.name == "sqlite":
        return connection.exec_driver_sql(_end_text, rows).rowcount
    return connection.execute(_end_postgresql, folded(END, rows)).rowcount
