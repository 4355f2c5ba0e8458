"""Candidates' JSON, each stored once under its digest."""

from __future__ import annotations

from collections.abc import Iterable

import xxhash
from sqlalchemy import Connection

from automl.storage.bulk import insert_rows
from automl.storage.schema import candidate


def digest(json: str) -> bytes:
    """Returns the 16 bytes that stand for a candidate's canonical JSON."""
    return xxhash.xxh3_128_digest(json.encode())


def store_candidates(connection: Connection, candidates: Iterable[tuple[bytes, str]]) -> None:
    """Stores (digest, JSON) pairs, passing over those that are there.

    In the order of their digests: two transactions that store the same ones then wait for each other instead of
    deadlocking.
    """
    insert_rows(connection, candidate, ("digest", "json"), sorted(dict(candidates).items()), ignoring=True)
