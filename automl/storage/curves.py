"""Learning curves as rows, beside the evaluations that reported them; only a result that was accepted has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Text, bindparam, select, tuple_

from automl.storage.bulk import chunks, insert_into
from automl.storage.evaluations import CHUNK, DONE
from automl.storage.schema import curve, evaluation

_PLACE = ("context", "key", "replicate")
_OWNER = (*_PLACE, "session", "attempt")


def keep_curves(connection: Connection, curves: Sequence[dict[str, Any]]) -> None:
    """Stores curves of evaluations that have just ended in this transaction.

    Each holds context, key, replicate, session, attempt and points (canonical JSON). One whose claim had been taken
    over by somebody else is dropped, as its result was.
    """
    accepted = select(*(evaluation.c[name] for name in _PLACE), bindparam("points", type_=Text)).where(
        evaluation.c.state == DONE, *(evaluation.c[name] == bindparam(f"of_{name}") for name in _OWNER)
    )
    insert = insert_into(connection.dialect.name, curve).from_select([*_PLACE, "points"], accepted)
    insert = insert.on_conflict_do_update(
        index_elements=list(curve.primary_key.columns), set_={"points": insert.excluded.points}
    )
    rows = [{"points": one["points"]} | {f"of_{name}": one[name] for name in _OWNER} for one in curves]
    connection.execute(insert, rows)


def curves_of(connection: Connection, context: int, keys: Sequence[bytes]) -> list[Row[Any]]:
    """Returns (key, replicate, points) of these classes, by key and replicate, audits excluded."""
    columns = (curve.c.key, curve.c.replicate, curve.c.points)
    rows: list[Row[Any]] = []
    for chunk in chunks(sorted(set(keys)), CHUNK):
        query = select(*columns).where(curve.c.context == context, curve.c.key.in_(chunk), curve.c.replicate >= 0)
        rows.extend(connection.execute(query.order_by(curve.c.key, curve.c.replicate)))
    return rows


def classes_with_curves(connection: Connection, context: int, most: int) -> list[bytes]:
    """Returns the keys of classes with a curve in a context, `most` at most, in the order of keys."""
    query = select(curve.c.key).where(curve.c.context == context, curve.c.replicate == 0)
    return [bytes(key) for key in connection.execute(query.order_by(curve.c.key).limit(most)).scalars()]


def remove_curves(connection: Connection, places: Sequence[tuple[int, bytes, int]]) -> None:
    """Deletes the curves at (context, key, replicate)."""
    place = tuple_(*(curve.c[name] for name in _PLACE))
    connection.execute(curve.delete().where(place.in_(places)))
