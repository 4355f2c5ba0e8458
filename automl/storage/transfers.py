"""Rows of the cache on their way out of one database and into another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, select, tuple_

from automl.storage.artefacts import keep_artefacts
from automl.storage.bulk import insert_rows
from automl.storage.candidates import digest, store_candidates
from automl.storage.curves import keep_curves
from automl.storage.engine import Database
from automl.storage.evaluations import CLAIMED, DONE, FAILED, LOST, read_evaluations
from automl.storage.schema import candidate, context, curve, database_time, equivalence_class, evaluation, feature


def contexts(database: Database) -> list[Row[Any]]:
    """Returns id, fingerprint, namespace and description of all contexts."""
    query = select(context.c.id, context.c.fingerprint, context.c.namespace, context.c.description)
    with database.read() as connection:
        return list(connection.execute(query.order_by(context.c.id)))


def unmoved(database: Database, contexts: Sequence[int]) -> set[int]:
    """Returns those of the contexts that hold anything whose copy does not stand under a newer key, or nothing."""
    moved = select(evaluation.c.key).where(evaluation.c.moved.is_not(None)).limit(1)
    still = select(evaluation.c.key).where(evaluation.c.moved.is_(None)).limit(1)
    with database.read() as connection:
        return {
            one
            for one in contexts
            if connection.execute(still.where(evaluation.c.context == one)).first()
            or not connection.execute(moved.where(evaluation.c.context == one)).first()
        }


def facts(
    database: Database, context_id: int, hasher: bytes, features_version: int, page: int = 1000
) -> Iterator[Row[Any]]:
    """Yields the finished evaluations of one context with their candidates' JSON, by key, read in pages.

    Args:
        database: to read.
        context_id: of the context.
        hasher: the mark of the context's hasher, under which the features of its classes stand.
        features_version: features of another version are left out.
        page: rows that are read at once.
    """
    place = tuple_(evaluation.c.key, evaluation.c.replicate)
    query = (
        select(
            evaluation.c.key,
            evaluation.c.replicate,
            evaluation.c.seed,
            evaluation.c.metrics,
            evaluation.c.error,
            evaluation.c.seconds,
            evaluation.c.space,
            evaluation.c.found,
            candidate.c.json,
            equivalence_class.c.times_seen,
            curve.c.points,
            feature.c.numbers,
        )
        .join_from(evaluation, candidate, evaluation.c.candidate == candidate.c.digest)
        .outerjoin(
            equivalence_class,
            and_(
                equivalence_class.c.context == evaluation.c.context,
                equivalence_class.c.key == evaluation.c.key,
            ),
        )
        .outerjoin(
            curve,
            and_(
                curve.c.context == evaluation.c.context,
                curve.c.key == evaluation.c.key,
                curve.c.replicate == evaluation.c.replicate,
            ),
        )
        .outerjoin(
            feature,
            and_(
                feature.c.hasher == hasher,
                feature.c.key == evaluation.c.key,
                feature.c.version == features_version,
            ),
        )
        .where(
            evaluation.c.context == context_id,
            evaluation.c.state.in_([DONE, FAILED]),
            evaluation.c.moved.is_(None),  # else its copy stands for it
        )
        .order_by(evaluation.c.key, evaluation.c.replicate)
        .limit(page)
    )
    last: tuple[bytes, int] | None = None
    while True:
        with database.read() as connection:
            rows: list[Row[Any]] = list(connection.execute(query if last is None else query.where(place > last)))
        yield from rows
        if len(rows) < page:
            return
        last = (rows[-1].key, rows[-1].replicate)


def merge(connection: Connection, context_id: int, given: Sequence[dict[str, Any]]) -> tuple[int, int, int]:
    """Merges finished evaluations into one context and returns how many were (added, known, added as extra replicates).

    A replicate that is there with the same result is known. One that is there with another result (the same seed on
    another machine) is kept as a further replicate: nothing that somebody paid for is thrown away. What is only claimed
    here is filled.

    Args:
        connection: in a writing transaction.
        context_id: of the context.
        given: key, replicate, seed, metrics, error, seconds, candidate (JSON text), times_seen, curve (JSON text, empty
            without one), space (its number, None where the file does not tell), found.
    """
    keys = sorted({row["key"] for row in given})
    here: dict[bytes, dict[int, Row[Any]]] = {key: {} for key in keys}
    for one in read_evaluations(connection, context_id, [(key, -(1 << 63), (1 << 63) - 1) for key in keys]):
        here[one.key][one.replicate] = one
    store_candidates(connection, [(digest(row["candidate"]), row["candidate"]) for row in given])
    classes = {row["key"]: (context_id, row["key"], row["times_seen"]) for row in reversed(given)}
    seen = ("context", "key", "times_seen")
    insert_rows(connection, equivalence_class, seen, [classes[key] for key in keys], ignoring=True)
    taken = {key: set(rows) for key, rows in here.items()}
    now = connection.execute(select(database_time())).scalar_one()
    added = known = extra = 0
    fresh = []
    curves = []  # of rows that are there afterwards, wherever they came to stand
    for row in given:
        key, replicate = row["key"], row["replicate"]
        stored = here[key].get(replicate)
        if stored is not None and stored.state in (CLAIMED, LOST):
            if _fill(connection, _row(context_id, row, replicate, now)):
                added += 1
                curves.append(_curve(context_id, row, replicate))
            continue
        same = next((number for number, one in here[key].items() if _same(one, row)), None)
        if same is not None:
            known += 1
            curves.append(_curve(context_id, row, same))
            continue
        if replicate in taken[key]:
            if replicate < 0:
                known += 1  # an audit compares one encoding once
                continue
            replicate = next(number for number in range(len(taken[key]) + 1) if number not in taken[key])
            extra += 1
        added += 1
        taken[key].add(replicate)
        fresh.append(_row(context_id, row, replicate, now))
        curves.append(_curve(context_id, row, replicate))
    fresh.sort(key=lambda row: (row["key"], row["replicate"]))
    if fresh:
        insert_rows(connection, evaluation, tuple(fresh[0]), [tuple(row.values()) for row in fresh], ignoring=True)
    reported = sorted((one for one in curves if one["points"]), key=lambda one: (one["key"], one["replicate"]))
    keep_curves(connection, reported, ("seed", "metrics"))
    links = [link for one in curves for link in _links(one)]
    keep_artefacts(connection, links, ("seed", "metrics"), over=False)
    return added, known, extra


def _same(stored: Row[Any], row: dict[str, Any]) -> bool:
    return bool(stored.seed == row["seed"] and stored.metrics == row["metrics"] and stored.error == row["error"])


def _curve(context_id: int, row: dict[str, Any], replicate: int) -> dict[str, Any]:
    place = {"context": context_id, "key": row["key"], "replicate": replicate}
    own = {"seed": row["seed"], "metrics": row["metrics"], "artefacts": row.get("artefacts", ())}
    return place | {"points": row["curve"], **own}


def _links(one: dict[str, Any]) -> list[dict[str, Any]]:
    place = {name: one[name] for name in ("context", "key", "replicate", "seed", "metrics")}
    names = ("relation", "name", "digest", "size")
    return [place | dict(zip(names, link, strict=True)) for link in one["artefacts"]]


def _row(context_id: int, row: dict[str, Any], replicate: int, now: float) -> dict[str, Any]:
    """Returns the columns of a row in the order of the table."""
    return {
        "context": context_id,
        "key": row["key"],
        "replicate": replicate,
        "state": FAILED if row["metrics"] is None else DONE,
        "seed": row["seed"],
        "candidate": digest(row["candidate"]),
        "metrics": row["metrics"],
        "error": row["error"],
        "seconds": row["seconds"],
        "session": None,
        "attempt": 1,
        "study": None,
        "trial": None,
        "changed": now,
        "space": row["space"],
        "found": row["found"],
    }


def _fill(connection: Connection, row: dict[str, Any]) -> int:
    place = ("context", "key", "replicate")
    statement = evaluation.update().where(
        *(evaluation.c[name] == row[name] for name in place), evaluation.c.state.in_([CLAIMED, LOST])
    )
    values = {name: value for name, value in row.items() if name not in (*place, "attempt")}
    return connection.execute(statement.values(**values)).rowcount
