"""Which contexts are fidelities of one evaluation, and which classes were evaluated in two of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, select

from automl.jsontext import stored
from automl.storage.bulk import chunks
from automl.storage.evaluations import CHUNK, DONE
from automl.storage.schema import context, evaluation


def at_full_fidelity(description: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the description of the full evaluation of which the one described is perhaps an approximation."""
    return {**description, "fidelity": {}} if "fidelity" in description else description


def description_of(connection: Connection, context_id: int) -> str:
    """Returns the description (JSON) of a context."""
    return str(connection.execute(select(context.c.description).where(context.c.id == context_id)).scalar_one())


def fidelities_of(connection: Connection, context_id: int) -> dict[int, dict[str, Any]]:
    """Returns the contexts that differ from this one in fidelity alone, itself included, with their fidelities.

    `{}` is the full evaluation.
    """
    where = context.c.id == context_id
    own = connection.execute(select(context.c.namespace, context.c.description).where(where)).one_or_none()
    if own is None:  # pruned away
        return {}
    rows = connection.execute(
        select(context.c.id, context.c.description).where(context.c.namespace == own.namespace).order_by(context.c.id)
    )
    described = {row.id: stored(row.description) for row in rows}
    full = at_full_fidelity(stored(own.description))
    return {place: found.get("fidelity", {}) for place, found in described.items() if at_full_fidelity(found) == full}


def rekeyed_among(connection: Connection, contexts: Collection[int]) -> tuple[int, ...]:
    """Returns those of the contexts that hold evaluations whose seeds come from older keys."""
    return tuple(
        one
        for one in sorted(contexts)
        if connection.execute(
            select(evaluation.c.key).where(evaluation.c.context == one, evaluation.c.found.is_not(None)).limit(1)
        ).first()
    )


def seeds_kept(
    connection: Connection, context_id: int, others: Collection[int], keys: Collection[bytes]
) -> dict[tuple[bytes, int], int]:
    """Returns the seeds that replicates of these classes have in other fidelities, where they come from older keys.

    A fuller evaluation goes on where a cheaper one ended, so it needs that seed. One that this context has used already
    for another replicate is left out: the same evaluation would count twice.
    """
    kept: dict[tuple[bytes, int], int] = {}
    used: set[tuple[bytes, int]] = set()
    for chunk in chunks(sorted(keys), CHUNK):
        rows = select(evaluation.c.context, evaluation.c.key, evaluation.c.replicate, evaluation.c.seed).where(
            evaluation.c.context.in_([context_id, *others]), evaluation.c.key.in_(chunk)
        )
        for row in connection.execute(rows.order_by(evaluation.c.context)):
            if row.context == context_id:
                used.add((row.key, row.seed))
            else:
                kept.setdefault((row.key, row.replicate), row.seed)
    return {place: seed for place, seed in kept.items() if (place[0], seed) not in used}


def classes_in_both(connection: Connection, one: int, other: int, most: int) -> list[bytes]:
    """Returns the keys of classes with a finished evaluation in both contexts, `most` at most, in the order of keys."""

    def done(context_id: int) -> Any:
        here = (evaluation.c.context == context_id, evaluation.c.state == DONE, evaluation.c.replicate >= 0)
        return select(evaluation.c.key).where(*here)

    query = done(one).where(evaluation.c.key.in_(done(other))).distinct().order_by(evaluation.c.key).limit(most)
    return [bytes(key) for key in connection.execute(query).scalars()]
