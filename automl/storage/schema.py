"""The tables. Keys and digests are 16 bytes, JSON is canonical text, times are seconds since 1970.

There are no foreign keys: every reference is written in the same transaction as what it refers to, and checking them
again would cost a look-up for each row on the hot path. Tables whose primary key is what they are looked up by have no
row id on SQLite, so that a look-up reads one tree and not two.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

REVISION: Final = "0006"
"""The newest migration, named here so that opening a database need not load alembic; a test holds it to be the head."""

APPLICATION_ID: Final = 0x4155_544D
"""Stands in the header of our SQLite files ("AUTM"), which tells them from everybody else's."""


class Bytes(LargeBinary):
    """Bytes as both drivers take and return them by themselves; a conversion for each value would cost a tenth."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Values go to the driver as they are."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Values come from the driver as they are."""


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

context = Table(
    "context",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", Bytes(16), nullable=False),
    Column("namespace", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created", Float, nullable=False),
    UniqueConstraint("fingerprint"),
)

# Candidates that have been evaluated. A trial holds its own as it is: trials come in order, digests in none, and a row
# at a random place would cost a search of hits a page of the log for each.
candidate = Table(
    "candidate",
    metadata,
    Column("digest", Bytes(16), primary_key=True),
    Column("json", Text, nullable=False),
    sqlite_with_rowid=False,
)

equivalence_class = Table(
    "equivalence_class",
    metadata,
    Column("context", Integer, primary_key=True, autoincrement=False),
    Column("key", Bytes(16), primary_key=True),
    Column("times_seen", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

evaluation = Table(
    "evaluation",
    metadata,
    Column("context", Integer, primary_key=True, autoincrement=False),
    Column("key", Bytes(16), primary_key=True),
    Column("replicate", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("candidate", Bytes(16), nullable=False),
    Column("metrics", Text),
    Column("error", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("session", Integer),
    Column("attempt", SmallInteger, nullable=False),
    Column("study", Integer),
    Column("trial", BigInteger),
    Column("changed", Float, nullable=False),
    Column("space", Integer),  # that read the candidate; None where nobody wrote it down
    Column("moved", Integer),  # the context in which a copy stands under a newer key: this row is then history
    Column("found", Text),  # of such a copy: which key its seed came from (JSON)
    sqlite_with_rowid=False,
)

space = Table(
    "space",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", Bytes(16), nullable=False),
    Column("target", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("imported", SmallInteger, nullable=False),
    UniqueConstraint("digest"),
)
"""Spaces that made evaluations: how each is named, its settings, and the hash of its source, empty where a package's
version answers for it. What an import names is not loaded by that name, unless it is a registered one."""

rekeyed = Table(
    "rekeyed",
    metadata,
    Column("hasher", Bytes(16), primary_key=True),
    Column("space", Integer, primary_key=True, autoincrement=False),
    Column("candidate", Bytes(16), primary_key=True),
    Column("key", Bytes(16), nullable=False),
    sqlite_with_rowid=False,
)
"""New keys by the hasher that made them, until the evaluations stand under them; empty at all other times."""

curve = Table(
    "curve",
    metadata,
    Column("context", Integer, primary_key=True, autoincrement=False),
    Column("key", Bytes(16), primary_key=True),
    Column("replicate", BigInteger, primary_key=True, autoincrement=False),
    Column("points", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Learning curves apart from their evaluations: few have one, and a look-up need not read past it."""

feature = Table(
    "feature",
    metadata,
    Column("hasher", Bytes(16), primary_key=True),
    Column("key", Bytes(16), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("numbers", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Features of functions, once a class: by the digest of the hasher's description, which holds version and probe, and by
key. They belong to no context, for what is evaluated is no part of them, and a class need not be evaluated."""

artefact = Table(
    "artefact",
    metadata,
    Column("context", Integer, primary_key=True, autoincrement=False),
    Column("key", Bytes(16), primary_key=True),
    Column("replicate", BigInteger, primary_key=True, autoincrement=False),
    Column("relation", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("digest", Bytes(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Index(None, "digest"),
    sqlite_with_rowid=False,
)
"""Contents that evaluations have left ("made") or used ("read"), by name. The contents lie outside of the database."""

session = Table(
    "session",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("host", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text, nullable=False),
    Column("began", Float, nullable=False),
    Column("heartbeat", Float, nullable=False),
    Column("ended", Float),
    sqlite_autoincrement=True,
)

study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Integer),
    Column("settings", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("trials", BigInteger, nullable=False),
    Column("coordinator", Integer),
    UniqueConstraint("name"),
    Index(None, "parent"),
)

trial = Table(
    "trial",
    metadata,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("key", Bytes(16), nullable=False),
    Column("context", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("fitness", Float),
    Column("metrics", Text, nullable=False),
    Column("replicates", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("parents", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("paid_seconds", Float, nullable=False),
    Column("saved_seconds", Float, nullable=False),
    Column("hash_seconds", Float, nullable=False),
    Column("costs", Text, nullable=False),
    Column("told_at", Float, nullable=False),
    Column("candidate", Text, nullable=False),  # last: a long one then lies apart from what is read without it
    UniqueConstraint("study", "number"),
    sqlite_with_rowid=False,
)

writer = Table(
    "writer",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("seen", Float, nullable=False),
)
"""The number of the last transaction that each writing connection committed (PostgreSQL only: see `engine`)."""


class database_time(FunctionElement[float]):  # noqa: N801 - reads as an SQL function
    """Seconds since 1970 by the database's own clock, so that no two machines' clocks are ever compared."""

    type = Float()
    inherit_cache = True


@compiles(database_time, "sqlite")
def _sqlite_time(_element: database_time, _compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_time, "postgresql")
def _postgresql_time(_element: database_time, _compiler: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"
