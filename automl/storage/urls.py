"""Storage URLs: what a user writes, and what may be shown of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import sqlalchemy
from sqlalchemy.engine import URL

from automl.errors import StorageRefused

FORMS = "sqlite:///automl.db or postgresql+psycopg://user:password@host/database"


def parse_url(url: str) -> URL:
    """Returns the parsed URL, PostgreSQL always with the psycopg driver.

    Raises:
        StorageRefused: it is not a URL, of a database that is not supported, or its driver is not installed.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # Neither the text nor what was raised is shown: a mistyped URL may still hold a password.
        raise StorageRefused(f"the storage is not a database URL; write it like {FORMS}") from None
    if "@" in (parsed.host or ""):
        raise StorageRefused("the storage's user name or password holds an @; write it as %40 in the URL")
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.host or parsed.username or parsed.port:
            raise StorageRefused("an SQLite storage has no host: put three slashes before the file; write " + FORMS)
        if parsed.database in (None, "", ":memory:"):
            raise StorageRefused(
                f"the storage {url!r} names no file, and a search must outlive its process; write {FORMS}"
            )
        return parsed.set(drivername="sqlite+pysqlite")
    if backend in ("postgresql", "postgres"):
        if importlib.util.find_spec("psycopg") is None:
            raise StorageRefused(
                f"the storage {shown(parsed)} needs the PostgreSQL driver, which is not installed; "
                "run: pip install 'automl-functional-hashing[postgresql]'"
            )
        return parsed.set(drivername="postgresql+psycopg")
    raise StorageRefused(f"storage of the kind {backend!r} is not supported; use {FORMS}")


def shown(url: URL) -> str:
    """Returns the URL as it may be printed: without its password, wherever it stands."""
    hidden = {name: "***" for name in url.query if "password" in name.lower() or name.lower() == "sslkey"}
    return (
        url.update_query_dict(hidden).render_as_string(hide_password=True).replace("+pysqlite", "").replace("%2A", "*")
    )


def sqlite_path(url: URL) -> Path:
    """Returns the file of an SQLite URL, absolute, so that a later change of folder changes nothing."""
    assert url.database is not None
    return Path(url.database).expanduser().absolute()
