"""Learning curves as rows, beside the evaluations that reported them; only a result that was accepted has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Text, bindparam, select

from automl.storage.bulk import chunks, insert_into
from automl.storage.evaluations import CHUNK, DONE
from automl.storage.schema import curve, evaluation

_PLACE = ("context", "key", "replicate")


def keep_curves(connection: Connection, curves: Sequence[dict[str, Any]], owner: Sequence[str]) -> None:
    """Stores curves of evaluations that have just been written in this transaction.

    Args:
        connection: in a writing transaction.
        curves: each holds context, key, replicate, points (canonical JSON) and the columns of `owner`.
        owner: columns of the evaluation that show whether it is the one that reported. Where somebody else was faster
            the curve is dropped, as the result was.
    """
    if not curves:
        return
    found = (*_PLACE, *owner)
    accepted = select(*(evaluation.c[name] for name in _PLACE), bindparam("points", type_=Text)).where(
        evaluation.c.state == DONE, *(evaluation.c[name] == bindparam(f"of_{name}") for name in found)
    )
    insert = insert_into(connection.dialect.name, curve).from_select([*_PLACE, "points"], accepted)
    insert = insert.on_conflict_do_update(
        index_elements=list(curve.primary_key.columns), set_={"points": insert.excluded.points}
    )
    connection.execute(
        insert, [{"points": one["points"]} | {f"of_{name}": one[name] for name in found} for one in curves]
    )


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
    if places:
        one = curve.delete().where(*(curve.c[name] == bindparam(f"of_{name}") for name in _PLACE))
        connection.execute(
            one, [{f"of_{name}": value for name, value in zip(_PLACE, place, strict=True)} for place in places]
        )
