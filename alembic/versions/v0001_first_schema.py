"""The first schema: contexts, classes, evaluations, sessions, studies, trials.

It repeats the tables instead of importing them: what a released migration does must never change.
"""

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "context",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(16), nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_context"),
        sa.UniqueConstraint("fingerprint", name="uq_context_fingerprint"),
    )
    op.create_table(
        "candidate",
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.Column("json", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_candidate"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "equivalence_class",
        sa.Column("context", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("candidate", sa.LargeBinary(16), nullable=False),
        sa.Column("times_seen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("context", "key", name="pk_equivalence_class"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evaluation",
        sa.Column("context", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("replicate", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("candidate", sa.LargeBinary(16), nullable=False),
        sa.Column("metrics", sa.Text),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("session", sa.Integer),
        sa.Column("attempt", sa.SmallInteger, nullable=False),
        sa.Column("study", sa.Integer),
        sa.Column("trial", sa.BigInteger),
        sa.Column("changed", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("context", "key", "replicate", name="pk_evaluation"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("boot", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("began", sa.Float, nullable=False),
        sa.Column("heartbeat", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "study",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("parent", sa.Integer),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("trials", sa.BigInteger, nullable=False),
        sa.Column("coordinator", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
        sa.UniqueConstraint("name", name="uq_study_name"),
    )
    op.create_index("ix_study_parent", "study", ["parent"])
    op.create_table(
        "trial",
        sa.Column("study", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("candidate", sa.LargeBinary(16), nullable=False),
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
        sa.PrimaryKeyConstraint("study", "position", name="pk_trial"),
        sa.UniqueConstraint("study", "number", name="uq_trial_study_number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "writer",
        sa.Column("id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_writer"),
    )


def downgrade() -> None:
    for table in ("writer", "trial", "study", "session", "evaluation", "equivalence_class", "candidate", "context"):
        op.drop_table(table)
