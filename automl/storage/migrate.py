"""Migrations: where they lie, and how they are applied. alembic is loaded only when one is to be run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from automl.storage import schema

if TYPE_CHECKING:
    from alembic.config import Config


def folder() -> Path:
    """Returns the folder of the migrations: in the package in a wheel, at the top of a checkout or editable install.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    here = Path(__file__).resolve().parent
    for place in (here / "migrations", here.parents[1] / "alembic"):
        if (place / "env.py").is_file():
            return place
    raise FileNotFoundError(f"no migrations beside {here}; reinstall automl-functional-hashing")


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """Returns the newest revision that this version of automl knows."""
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def known() -> list[str]:
    """Returns all revisions that this version of automl knows, newest first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def revision_of(connection: Connection) -> str | None:
    """Returns the revision that the database stands at, None without one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def apply(connection: Connection) -> None:
    """Brings the database to the newest revision, within the connection's own transaction."""
    from alembic import command

    command.upgrade(_config(connection), "head")
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id={schema.APPLICATION_ID}")
