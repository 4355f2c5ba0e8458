"""A trial holds its candidate's JSON, not the digest of a row elsewhere; a class names no candidate.

Trials arrive in order and digests in none: the row of each new spelling went to a random page, and a search of hits
spent most of its commits on writing those pages. What a class named was never read.

Tables are made anew and filled, since SQLite changes no column's type. Candidates that trials alone named stay until
`automl cache prune`.
"""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEPT = (
    "study, position, number, key, context, outcome, fitness, metrics, replicates, origin, parents, error, "
    "paid_seconds, saved_seconds, hash_seconds, costs, told_at"
)


def upgrade() -> None:
    _set_aside("trial", "pk_trial", "uq_trial_study_number")
    op.create_table(
        "trial",
        sa.Column("study", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("context", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("fitness", sa.Float),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("replicates", sa.Integer, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("parents", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("paid_seconds", sa.Float, nullable=False),
        sa.Column("saved_seconds", sa.Float, nullable=False),
        sa.Column("hash_seconds", sa.Float, nullable=False),
        sa.Column("costs", sa.Text, nullable=False),
        sa.Column("told_at", sa.Float, nullable=False),
        sa.Column("candidate", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("study", "position", name="pk_trial"),
        sa.UniqueConstraint("study", "number", name="uq_trial_study_number"),
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO trial ({_KEPT}, candidate) SELECT {_KEPT}, json FROM before_0003 "  # noqa: S608 - our own names
        "JOIN candidate ON candidate.digest = before_0003.candidate ORDER BY study, position"
    )
    op.drop_table("before_0003")
    _set_aside("equivalence_class", "pk_equivalence_class")
    op.create_table(
        "equivalence_class",
        sa.Column("context", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("times_seen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("context", "key", name="pk_equivalence_class"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO equivalence_class (context, key, times_seen) "
        "SELECT context, key, times_seen FROM before_0003 ORDER BY context, key"
    )
    op.drop_table("before_0003")


def _set_aside(table: str, *constraints: str) -> None:
    """Renames a table, so that a new one can have its name and, on PostgreSQL, those of its constraints."""
    op.rename_table(table, "before_0003")
    if op.get_bind().dialect.name == "postgresql":
        for constraint in constraints:
            op.drop_constraint(constraint, "before_0003")
