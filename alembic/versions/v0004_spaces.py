"""Evaluations remember the space that made them, and where they stood before their keys changed.

New keys are computed from the candidate that was evaluated, which takes the space that reads it. Evaluations of studies
get theirs from the studies' settings; of imported ones nobody wrote it down.

`evaluation.space` names the space. `evaluation.moved` is the context in which a copy under a newer key stands. `found`,
of such a copy, says which key its seed came from. `rekeyed` holds new keys while they are being computed.
"""

import json
from typing import Any

import sqlalchemy as sa
import xxhash

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    space = op.create_table(
        "space",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("imported", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_space"),
        sa.UniqueConstraint("digest", name="uq_space_digest"),
    )
    op.create_table(
        "rekeyed",
        sa.Column("hasher", sa.LargeBinary(16), nullable=False),
        sa.Column("space", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("candidate", sa.LargeBinary(16), nullable=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.PrimaryKeyConstraint("hasher", "space", "candidate", name="pk_rekeyed"),
        sqlite_with_rowid=False,
    )
    op.add_column("evaluation", sa.Column("space", sa.Integer))
    op.add_column("evaluation", sa.Column("moved", sa.Integer))
    op.add_column("evaluation", sa.Column("found", sa.Text))
    _fill(op.get_bind(), space)


def _fill(connection: sa.Connection, space: sa.Table) -> None:
    studies = connection.execute(sa.text("SELECT id, settings FROM study ORDER BY id")).all()
    ids: dict[bytes, int] = {}
    of_study = []
    for study, settings in studies:
        identity = _identity(json.loads(settings))
        if identity is None:
            continue
        target, own, source = identity
        digest = xxhash.xxh3_128_digest(_canonical([target, own, source]).encode())
        if digest not in ids:
            row = {"digest": digest, "target": target, "settings": _canonical(own), "source": source, "imported": 0}
            connection.execute(space.insert().values(**row))
            found = connection.execute(sa.select(space.c.id).where(space.c.digest == digest))
            ids[digest] = found.scalar_one()
        of_study.append({"study": study, "space": ids[digest]})
    if not of_study:
        return
    made = op.create_table(
        "space_of_study",
        sa.Column("study", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("space", sa.Integer, nullable=False),
    )
    connection.execute(made.insert(), of_study)
    connection.execute(
        sa.text(
            "UPDATE evaluation SET space = (SELECT space_of_study.space FROM space_of_study "
            "WHERE space_of_study.study = evaluation.study) WHERE study IS NOT NULL"
        )
    )
    op.drop_table("space_of_study")


def _identity(settings: dict[str, Any]) -> tuple[str, dict[str, Any], str] | None:
    """Returns target, settings and source of a study's space; None where its settings do not tell."""
    stored = settings.get("space")
    if isinstance(stored, str):
        return stored, {}, ""
    if not isinstance(stored, dict) or not isinstance(stored.get("target"), str):
        return None
    code = stored.get("code")
    source = xxhash.xxh3_128_hexdigest(_canonical(code).encode()) if code else stored.get("source") or ""
    return stored["target"], dict(stored.get("settings") or {}), str(source)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
