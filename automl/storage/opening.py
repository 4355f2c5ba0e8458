"""Before a database is used: whether it is there, whole, ours, and of the schema that we know."""

from __future__ import annotations

import logging
import os
import re
import struct
import time
import weakref
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, literal, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from automl.errors import StorageRefused
from automl.storage import migrate
from automl.storage.connections import make_engine
from automl.storage.schema import APPLICATION_ID, REVISION, metadata
from automl.storage.urls import parse_url, shown, sqlite_path

log = logging.getLogger(__name__)

_MAGIC = b"SQLite format 3\0"
_LOCK = 0x6175746F6D6C
"""Advisory lock under which PostgreSQL schemas are created, so that two first users do not both create one."""


def prepare(url: URL, url_shown: str, *, create: bool) -> None:
    """Makes sure that the database can be used, creating it where it is new and `create` allows it.

    Raises:
        StorageRefused: it cannot be used; nothing was written.
    """
    if refuse_unusable(url, url_shown, create=create) is None:
        create_or_upgrade(url, url_shown)
    elif create and url.get_backend_name() == "sqlite":
        _finish_creation(url)


def refuse_unusable(url: URL, url_shown: str, *, create: bool) -> str | None:
    """Returns the revision of a usable database, None where it is new and `create` allows that; writes nothing.

    Raises:
        StorageRefused: it cannot be used.
    """
    found = inspect_existing(url, url_shown, missing_ok=create)
    if found is not None and found != REVISION:
        if found in migrate.known():
            raise StorageRefused(
                f"the database {url_shown} has the schema {found}, and this version of automl needs {REVISION}; "
                f"copy it for safety, then run `automl db upgrade --storage {url_shown}`"
            )
        raise StorageRefused(newer(url_shown, found))
    return found


def newer(url_shown: str, found: str) -> str:
    """Returns the sentence for a schema that this version does not know."""
    return (
        f"the database {url_shown} has the schema {found}, which this version of automl does not know; "
        "it was written by a newer one: update automl"
    )


HELD: weakref.WeakSet[Any] = weakref.WeakSet()
"""The databases that this process has open, each with the attribute `held`, the path of its file."""


def is_held(path: Path) -> bool:
    """Tells whether this process has a database open in this file.

    Nobody may open such a file by itself: closing it again gives up all locks of the process on it (POSIX), SQLite's
    among them. Another process that closes the database then takes itself for the last one, and removes the log
    under us.
    """
    return any(one.held == str(path) for one in list(HELD))


def inspect_existing(url: URL, url_shown: str, *, missing_ok: bool = False) -> str | None:
    """Returns the revision of the database, or None where it is new (allowed by `missing_ok`); writes nothing.

    Raises:
        StorageRefused: it is missing, damaged, unreachable or not ours.
    """
    sqlite = url.get_backend_name() == "sqlite"
    try:
        if sqlite and not _file_to_inspect(sqlite_path(url), url_shown, missing_ok=missing_ok):
            return None
    except OSError as error:  # even looking may be forbidden, or the name too long
        why = (error.strerror or str(error)).lower()
        raise StorageRefused(f"the storage {url_shown} cannot be used: {why}; choose another place") from error
    engine = make_engine(url, writing=False)
    try:
        with engine.connect() as connection:
            found = _revision_if_ours(connection, url_shown)
            if found is not None and sqlite:
                _touch_every_table(connection)
    except DBAPIError as error:
        raise StorageRefused(_cannot_open(error, url, url_shown)) from error
    finally:
        engine.dispose()
    if found is None and not missing_ok:
        raise StorageRefused(f"the database {url_shown} is empty: no search has used it yet; check the storage URL")
    return found


def _revision_if_ours(connection: Connection, url_shown: str) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    ours = {"alembic_version", "context", "evaluation", "study"} <= tables
    if connection.dialect.name == "sqlite":
        ours = ours and connection.exec_driver_sql("PRAGMA application_id").scalar() == APPLICATION_ID
    found = migrate.revision_of(connection) if ours else None
    if found is None:
        some = ", ".join(sorted(tables)[:3])
        raise StorageRefused(
            f"the database {url_shown} is not one of automl's (it holds other tables: {some}); "
            "name a new file or an empty database"
        )
    return found


def _touch_every_table(connection: Connection) -> None:
    """Reads the first page of each table, so that a file that lost its end is noticed before work begins."""
    for table in metadata.sorted_tables:
        if inspect(connection).has_table(table.name):
            connection.execute(select(literal(1)).select_from(table).limit(1)).first()


def _file_to_inspect(path: Path, url_shown: str, *, missing_ok: bool) -> bool:
    """Looks at an SQLite file without opening it as a database; False: there is nothing in it yet."""
    if path.is_dir():
        raise StorageRefused(f"the storage {url_shown} is a folder; name a file in it, such as {path.name}/automl.db")
    if not path.exists():
        if not missing_ok:
            raise StorageRefused(f"there is no database at {url_shown}; check the storage URL, or run a search first")
        _refuse_unwritable(path, url_shown)
        return False
    _refuse_unwritable(path, url_shown)
    if is_held(path):
        return True  # it was looked at when it was opened, and SQLite looks again
    try:
        with path.open("rb") as file:
            header = file.read(100)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise StorageRefused(f"the database {url_shown} cannot be read: {error.strerror}") from error
    if size == 0:
        return True
    if not header.startswith(_MAGIC):
        raise StorageRefused(f"the file {path} is not an SQLite database; name a new file, it will be created")
    if len(header) == 100 and not _has_log(path):
        page, pages = _pages(header)
        if size < page * pages:
            raise StorageRefused(
                f"the database {url_shown} is damaged: it has been cut short "
                f"({size:,} of {page * pages:,} bytes are there); restore it from a copy"
            )
    return True


def _pages(header: bytes) -> tuple[int, int]:
    """Returns (bytes of a page, number of pages) from the first 100 bytes of an SQLite file."""
    page: int = struct.unpack(">H", header[16:18])[0]
    pages: int = struct.unpack(">I", header[28:32])[0]
    current = header[24:28] == header[92:96]  # else the count was left by a version of SQLite that did not keep it
    return (65536 if page == 1 else page), (pages if current else 0)


def _has_log(path: Path) -> bool:
    """True where a log lies beside the file: then the file alone does not say how long it should be."""
    return any(
        log.exists() and log.stat().st_size > 0
        for log in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-journal"))
    )


def _refuse_unwritable(path: Path, url_shown: str) -> None:
    if not path.parent.is_dir():
        raise StorageRefused(
            f"the storage {url_shown} cannot be written: there is no folder {path.parent}; create it first"
        )
    # SQLite needs the folder too, even for reading: its log lies beside the file.
    for place in (path, path.parent) if path.exists() else (path.parent,):
        if not os.access(place, os.W_OK):
            raise StorageRefused(
                f"the storage {url_shown} cannot be written: {place} is read-only for this user; choose another"
            )


def _cannot_open(error: DBAPIError, url: URL, url_shown: str) -> str:
    text = " ".join(str(error.orig).split())
    if url.password:
        text = _without(str(url.password), text)
    if url.get_backend_name() == "sqlite":
        if "malformed" in text or "not a database" in text:
            return f"the database {url_shown} is damaged ({text}); restore it from a copy"
        return f"the database {url_shown} cannot be opened: {text}"
    return f"PostgreSQL at {url_shown} cannot be used: {text}; check that the server runs, and the URL"


def _without(password: str, text: str) -> str:
    """Returns text without the password; a short one is looked for as a word, or no word would be left."""
    whole = re.escape(password)
    return re.sub(whole if len(password) >= 6 else rf"(?<!\w){whole}(?!\w)", "***", text)


def create_or_upgrade(url: URL, url_shown: str) -> None:
    """Applies all missing migrations in one transaction; of several processes at once, one does and the others wait.

    Raises:
        StorageRefused: the database cannot be written.
    """
    engine = make_engine(url, writing=True)
    try:
        with engine.connect() as connection:
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                if _revision_if_ours(connection, url_shown) != REVISION:
                    migrate.apply(connection)
            if connection.dialect.name == "sqlite":
                _use_write_ahead_log(connection)
    except DBAPIError as error:
        raise StorageRefused(_cannot_open(error, url, url_shown)) from error
    finally:
        engine.dispose()


def _finish_creation(url: URL) -> None:
    """Switches to write-ahead logging where whoever created the file was killed before that."""
    engine = make_engine(url, writing=True)
    try:
        with engine.connect() as connection:
            _use_write_ahead_log(connection)
    finally:
        engine.dispose()


def _use_write_ahead_log(connection: Connection) -> None:
    """Switches the file to write-ahead logging, which stays with it.

    Only after the schema is in the file itself, so that our mark in its header can be seen before the log is read. The
    PRAGMA journal_mode=WAL needs exclusive access and ignores the busy timeout, so it is retried for a while.
    """
    raw = connection.connection.dbapi_connection
    assert raw is not None
    cursor = raw.cursor()
    for _ in range(200):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except Exception as error:  # the driver's own OperationalError
            if "locked" not in str(error):
                raise
        else:
            break
        time.sleep(0.05)
    else:
        log.warning(
            "%s has no write-ahead log, for another process holds it: until it is opened anew readers wait for writers",
            connection.engine.url.database,
        )
    cursor.close()


def current(url: str) -> str | None:
    """Returns the revision of the database at `url`.

    Raises:
        StorageRefused: there is no such database, or it is not ours.
    """
    parsed = parse_url(url)
    return inspect_existing(parsed, shown(parsed))


def upgrade(url: str) -> tuple[str | None, str]:
    """Brings the database at `url` to the newest schema, in one transaction, and returns (from, to).

    A new database is created. A current one is left as it is.

    Raises:
        StorageRefused: it is not ours, damaged, unreachable, or of a newer automl than this one.
    """
    parsed = parse_url(url)
    found = inspect_existing(parsed, shown(parsed), missing_ok=True)
    if found is not None and found not in migrate.known():
        raise StorageRefused(newer(shown(parsed), found))
    create_or_upgrade(parsed, shown(parsed))
    return found, migrate.head()
