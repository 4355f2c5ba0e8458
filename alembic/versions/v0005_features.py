"""Features of functions: numbers that the hasher reads off a class, which strategies learn from."""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feature",
        sa.Column("hasher", sa.LargeBinary(16), nullable=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("numbers", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("hasher", "key", name="pk_feature"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("feature")
