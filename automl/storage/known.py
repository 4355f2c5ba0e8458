"""What a context's evaluations say, class by class: reading only, in the order of the keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from automl.jsontext import stored
from automl.storage.bulk import chunks
from automl.storage.engine import Database
from automl.storage.evaluations import CHUNK, DONE, FAILED
from automl.storage.schema import candidate, context, evaluation

PAGE = 5000
"""Classes that are read at one time."""


class Ended(NamedTuple):
    """One replicate of a class that has ended.

    Attributes:
        key: of the class.
        candidate: digest of the one that was evaluated.
        space: number of the space that read it; None where nobody wrote it down.
        metrics: None where the evaluation failed.
    """

    key: bytes
    candidate: bytes
    space: int | None
    metrics: dict[str, Any] | None


def contexts_of(database: Database, namespace: str | None) -> list[tuple[int, dict[str, Any]]]:
    """Returns number and description of all contexts, or of those of one part of the cache, the oldest first."""
    query = select(context.c.id, context.c.description).order_by(context.c.id)
    if namespace is not None:
        query = query.where(context.c.namespace == namespace)
    with database.read() as connection:
        return [(row.id, stored(row.description)) for row in connection.execute(query)]


def ended_in(database: Database, context_id: int, replicates: int) -> Iterator[Ended]:
    """Yields what has ended in a context, the replicates of a class one after the other.

    No page holds a transaction open.

    Args:
        database: holds it.
        context_id: number of the context.
        replicates: only so many of each class, the first ones.
    """
    mine = (evaluation.c.context == context_id) & evaluation.c.replicate.between(0, replicates - 1)
    keys = select(evaluation.c.key).where(mine).distinct().order_by(evaluation.c.key).limit(PAGE)
    columns = [evaluation.c[name] for name in ("key", "candidate", "space", "state", "metrics")]
    rows = select(*columns).where(mine, evaluation.c.state.in_((DONE, FAILED)), evaluation.c.moved.is_(None))
    rows = rows.order_by(evaluation.c.key, evaluation.c.replicate)
    after = None
    while True:
        with database.read() as connection:
            page = keys if after is None else keys.where(evaluation.c.key > after)
            found = [bytes(key) for key in connection.execute(page).scalars()]
            if not found:
                return
            between = rows.where(evaluation.c.key.between(found[0], found[-1]))
            ended = [
                Ended(
                    bytes(row.key),
                    bytes(row.candidate),
                    row.space,
                    stored(row.metrics) if row.state == DONE and row.metrics is not None else None,
                )
                for row in connection.execute(between)
            ]
        yield from ended
        after = found[-1]


def texts_of(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, str]:
    """Returns the JSON of candidates by digest."""
    found: dict[bytes, str] = {}
    for chunk in chunks(sorted(set(digests)), CHUNK):
        query = select(candidate.c.digest, candidate.c.json).where(candidate.c.digest.in_(chunk))
        found.update({bytes(row.digest): row.json for row in connection.execute(query)})
    return found
