"""Artefacts: which content an evaluation left behind (its weights, a supernet), and which ones it read."""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artefact",
        sa.Column("context", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("replicate", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("relation", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("context", "key", "replicate", "relation", "name", name="pk_artefact"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_artefact_digest", "artefact", ["digest"])


def downgrade() -> None:
    op.drop_table("artefact")
