"""Evaluations as rows: inserting one is the claim to it. Nothing but SQL; what the rows are for is in `automl.cache`.

Every statement finds its rows by the primary key (context, key, replicate) and is executed for many rows at a time, in
the order of the keys, so that two processes on PostgreSQL wait for each other instead of deadlocking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, select, true

from automl.storage.bulk import chunks, insert_into, insert_won, unfolded, upsert_rows
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


def find_context(connection: Connection, fingerprint: bytes) -> int | None:
    """Returns the id of the context with this fingerprint."""
    found: int | None = connection.execute(select(context.c.id).where(context.c.fingerprint == fingerprint)).scalar()
    return found


def see_classes(connection: Connection, seen: Sequence[tuple[int, bytes, bytes, int]]) -> None:
    """Adds (context, key, digest of the candidate, how often) to the classes; give them in the order of the keys."""
    rows = [{"context": of, "key": key, "candidate": one, "times_seen": count} for of, key, one, count in seen]
    upsert_rows(connection, equivalence_class, rows, add="times_seen")


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
_place = and_(
    evaluation.c.context == bindparam("context_id"),
    evaluation.c.replicate.between(bindparam("first"), bindparam("last")),
)
_stored_sqlite = select(*_columns).where(_place, evaluation.c.key.in_(bindparam("key", expanding=True)))
_given = unfolded(evaluation, ("key",))
# OFFSET 0 keeps the planner from joining in another way than by one index look-up for each key.
_of_one_key = select(*_columns).where(_place, evaluation.c.key == _given.c.key).offset(0).lateral("found")
_stored_postgresql = select(_of_one_key).join_from(_given, _of_one_key, true())


def read_evaluations(
    connection: Connection, context_id: int, keys: Sequence[bytes], first: int, last: int
) -> list[Row[Any]]:
    """Returns the rows of these classes with replicates from `first` to `last`, both included."""
    query = _stored_sqlite if connection.dialect.name == "sqlite" else _stored_postgresql
    rows: list[Row[Any]] = []
    for chunk in chunks(keys, CHUNK):
        rows.extend(connection.execute(query, {"context_id": context_id, "key": chunk, "first": first, "last": last}))
    return rows


def insert_claims(connection: Connection, claims: Sequence[dict[str, Any]]) -> set[tuple[bytes, int]]:
    """Inserts claims and returns the (key, replicate) of those that are ours: somebody may have been faster.

    Each claim holds the columns context, key, replicate, seed, candidate, session, study and trial.
    """
    if not claims:
        return set()
    now = connection.execute(select(database_time())).scalar_one()
    fixed = {"state": CLAIMED, "error": "", "seconds": 0.0, "attempt": 1, "changed": now}
    won = insert_won(connection, evaluation, [{**claim, **fixed} for claim in claims])
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
            attempt=attempt + 1,
            error="",
            changed=database_time(),
        )
    )
    return connection.execute(statement).rowcount == 1


_end = (
    evaluation.update()
    .where(
        evaluation.c.context == bindparam("of_context"),
        evaluation.c.key == bindparam("of_key"),
        evaluation.c.replicate == bindparam("of_replicate"),
        evaluation.c.state == CLAIMED,
        evaluation.c.session == bindparam("of_session"),
        evaluation.c.attempt == bindparam("of_attempt"),
    )
    .values(
        state=bindparam("to_state"),
        metrics=bindparam("to_metrics"),
        error=bindparam("to_error"),
        seconds=bindparam("to_seconds"),
        changed=database_time(),
    )
)


def end_claims(connection: Connection, ends: Sequence[dict[str, Any]]) -> int:
    """Ends claims that are still ours and returns how many were.

    Each end holds of_context, of_key, of_replicate, of_session, of_attempt, to_state, to_metrics, to_error, to_seconds.
    """
    if not ends:
        return 0
    return connection.execute(_end, sorted(ends, key=lambda end: (end["of_key"], end["of_replicate"]))).rowcount
