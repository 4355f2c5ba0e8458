"""Features of classes as rows. Nothing but SQL; what the numbers are is written in `automl.hashing.features`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select

from automl.storage.bulk import chunks, folded, insert_into, unfolded
from automl.storage.evaluations import CHUNK
from automl.storage.schema import evaluation, feature, trial

_COLUMNS = ("hasher", "key", "version", "numbers")


def features_of(connection: Connection, hasher: bytes, version: int, keys: Collection[bytes]) -> dict[bytes, str]:
    """Returns the features of these classes by key, as JSON text; those of another version are as if not there."""
    found: dict[bytes, str] = {}
    for chunk in chunks(sorted(set(keys)), CHUNK):
        query = select(feature.c.key, feature.c.numbers).where(
            feature.c.hasher == hasher, feature.c.version == version, feature.c.key.in_(chunk)
        )
        found.update({bytes(row.key): row.numbers for row in connection.execute(query)})
    return found


def any_features(connection: Connection, hasher: bytes) -> bool:
    """Tells whether features of a hasher are stored."""
    return connection.execute(select(feature.c.key).where(feature.c.hasher == hasher).limit(1)).first() is not None


def keep_features(connection: Connection, hasher: bytes, version: int, rows: Sequence[tuple[bytes, str]]) -> None:
    """Stores features by key. Those of an older version are replaced; else the first that came stay."""
    insert = insert_into(connection.dialect.name, feature)
    if connection.dialect.name == "postgresql":
        insert = insert.from_select(list(_COLUMNS), select(unfolded(feature, _COLUMNS, {})))
    insert = insert.on_conflict_do_update(
        index_elements=list(feature.primary_key.columns),
        set_={"version": insert.excluded.version, "numbers": insert.excluded.numbers},
        where=feature.c.version < insert.excluded.version,
    )
    for chunk in chunks(sorted(dict(rows).items()), CHUNK):
        values = [(hasher, key, version, numbers) for key, numbers in chunk]
        if connection.dialect.name == "postgresql":
            connection.execute(insert, folded(_COLUMNS, values))
        else:
            connection.execute(insert, [dict(zip(_COLUMNS, one, strict=True)) for one in values])


def remove_unused_features(connection: Connection) -> int:
    """Deletes the features of classes that have neither an evaluation nor a trial, and returns how many had some."""
    kept = select(evaluation.c.key).union(select(trial.c.key))
    return connection.execute(feature.delete().where(feature.c.key.not_in(kept))).rowcount
