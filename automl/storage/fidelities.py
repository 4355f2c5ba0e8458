"""Which contexts are fidelities of one evaluation, and which classes were evaluated in two of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from automl.storage.evaluations import DONE
from automl.storage.schema import context, evaluation


def at_full_fidelity(description: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the description of the full evaluation of which the one described is perhaps an approximation."""
    return {**description, "fidelity": {}} if "fidelity" in description else description


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
    described = {row.id: json.loads(row.description) for row in rows}
    full = at_full_fidelity(json.loads(own.description))
    return {place: found.get("fidelity", {}) for place, found in described.items() if at_full_fidelity(found) == full}


def classes_in_both(connection: Connection, one: int, other: int, most: int) -> list[bytes]:
    """Returns the keys of classes with a finished evaluation in both contexts, `most` at most, in the order of keys."""

    def done(context_id: int) -> Any:
        here = (evaluation.c.context == context_id, evaluation.c.state == DONE, evaluation.c.replicate >= 0)
        return select(evaluation.c.key).where(*here)

    query = done(one).where(evaluation.c.key.in_(done(other))).distinct().order_by(evaluation.c.key).limit(most)
    return [bytes(key) for key in connection.execute(query).scalars()]
