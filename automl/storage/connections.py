"""Connections to a database: how they are set up for reading and for writing."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

BUSY_SECONDS = 60.0
"""How long SQLite waits for another process's transaction."""

_BY_INDEX = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
"""Every statement of the hot path names its rows by a primary key. On a young table the planner has no figures yet,
takes it for small and reads all of it; without this, the cost of a proposal would grow until the first autovacuum."""


def make_engine(url: URL, *, writing: bool) -> Engine:
    """Returns an engine whose connections are set up for writing or for reading."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, writing=writing)
    engine = sqlalchemy.create_engine(
        url,
        poolclass=NullPool if writing else None,
        pool_pre_ping=not writing,
        hide_parameters=True,
        connect_args={
            "connect_timeout": 10,
            "application_name": "automl",
            # A dead peer is noticed within a minute even when it says nothing.
            "keepalives_idle": 20,
            "keepalives_interval": 5,
            "keepalives_count": 4,
            **({"options": _BY_INDEX} if writing else {}),
        },
    )
    if not writing:
        engine = engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    return engine


def _sqlite_engine(url: URL, *, writing: bool) -> Engine:
    engine = sqlalchemy.create_engine(
        url,
        poolclass=NullPool if writing else None,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None  # transactions are begun by us, below
        cursor = dbapi_connection.cursor()
        try:
            cursor.execute("PRAGMA synchronous=FULL")
        except UnicodeDecodeError as error:  # the driver reads SQLite's own message, which quotes what is in the file
            raise sqlite3.DatabaseError("database disk image is malformed: its schema is no text") from error
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA wal_autocheckpoint=16000")
        if not writing:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    begin = "BEGIN IMMEDIATE" if writing else "BEGIN"

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
