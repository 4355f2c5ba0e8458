"""Candidates' JSON, each stored once under its digest."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import xxhash
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from automl.storage.schema import candidate


def digest(json: str) -> bytes:
    """Returns the 16 bytes that stand for a candidate's canonical JSON."""
    return xxhash.xxh3_128_digest(json.encode())


@lru_cache(maxsize=64)
def insert_ignoring(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Returns an insertion into `table` that passes over rows whose primary key stands there already."""
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return insert.on_conflict_do_nothing(index_elements=list(table.primary_key.columns))


def store_candidates(connection: Connection, candidates: Iterable[tuple[bytes, str]]) -> None:
    """Stores (digest, JSON) pairs, passing over those that are there.

    In the order of their digests: two transactions that store the same ones then wait for each other instead of
    deadlocking.
    """
    rows = [{"digest": one, "json": text} for one, text in sorted(dict(candidates).items())]
    if rows:
        connection.execute(insert_ignoring(connection.dialect.name, candidate), rows)
