"""Learning curves: what evaluations report on their way, beside their results."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "curve",
        sa.Column("context", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("replicate", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("points", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("context", "key", "replicate", name="pk_curve"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("curve")
