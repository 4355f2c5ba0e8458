"""Spaces as rows: evaluations remember which one read their candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import xxhash
from sqlalchemy import Connection, select

from automl.jsontext import canonical, stored
from automl.storage.bulk import insert_into
from automl.storage.schema import space


@dataclass(frozen=True, slots=True)
class StoredSpace:
    """Space as stored in a database.

    Attributes:
        id: Number of the space in this database; 0 if it is not stored yet.
        target: Name of the space as a search gave it.
        settings: Mapping from name to value: the settings with which the space was made.
        source: Hash of the space's source; empty if the version of a package identifies it.
        imported: True if the name comes from an imported file only; what the name stands for here is then unknown.

    Example:
        >>> stored = StoredSpace(0, "cells.py:Cells", {"width": 16}, source="0" * 32, imported=False)
        >>> str(stored), len(stored.digest)  # the digest of target, settings and source
        ('cells.py:Cells with width=16', 16)
    """

    id: int
    target: str
    settings: Mapping[str, Any]
    source: str
    imported: bool

    @classmethod
    def of_study(cls, settings: Mapping[str, Any]) -> StoredSpace | None:
        """Returns the space of a study; None where its settings do not tell."""
        identity = settings.get("space")
        if isinstance(identity, str):
            return cls(0, identity, {}, "", False)
        if not isinstance(identity, Mapping) or not isinstance(identity.get("target"), str):
            return None
        code = identity.get("code")
        source = xxhash.xxh3_128_hexdigest(canonical(code).encode()) if code else identity.get("source") or ""
        return cls(0, identity["target"], identity.get("settings") or {}, str(source), False)

    @property
    def digest(self) -> bytes:
        """16 bytes that tell it from every other."""
        return xxhash.xxh3_128_digest(canonical([self.target, dict(self.settings), self.source]).encode())

    def __str__(self) -> str:
        if not self.settings:
            return self.target
        return f"{self.target} with {', '.join(f'{name}={canonical(self.settings[name])}' for name in self.settings)}"


def space_id(connection: Connection, given: StoredSpace) -> int:
    """Returns the number of a space, adding its row if there is none; a search here makes an imported one our own."""
    row = {
        "digest": given.digest,
        "target": given.target,
        "settings": canonical(dict(given.settings)),
        "source": given.source,
        "imported": int(given.imported),
    }
    insert = insert_into(connection.dialect.name, space).values(**row)
    connection.execute(insert.on_conflict_do_nothing(index_elements=[space.c.digest]))
    mine = space.c.digest == row["digest"]
    if not given.imported:
        connection.execute(space.update().where(mine, space.c.imported != 0).values(imported=0))
    return int(connection.execute(select(space.c.id).where(mine)).scalar_one())


def spaces_of(connection: Connection, ids: Iterable[int]) -> dict[int, StoredSpace]:
    """Returns the spaces with these numbers."""
    rows = connection.execute(select(space).where(space.c.id.in_(sorted(set(ids)))))
    return {
        row.id: StoredSpace(row.id, row.target, stored(row.settings), row.source, bool(row.imported)) for row in rows
    }
