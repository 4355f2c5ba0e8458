"""automl db, cache: keeping the database."""

from __future__ import annotations

import click

from automl.cli.common import json_option, print_json, storage_option
from automl.storage import migrate


@click.group()
def db() -> None:
    """The schema of the database."""


@db.command(epilog="Example: automl db upgrade --storage sqlite:///automl.db")
@storage_option
def upgrade(storage: str) -> None:
    """Bring a database of an older version to the schema of this one."""
    before, after = migrate.upgrade(storage)
    if before == after:
        click.echo(f"already at {after}, the schema of this version")
    else:
        click.echo(f"upgraded from {before} to {after}" if before else f"created at {after}")


@db.command(epilog="Example: automl db current")
@storage_option
@json_option
def current(storage: str, as_json: bool) -> None:
    """Show the schema that a database has and the one that this version needs."""
    found, needed = migrate.current(storage), migrate.head()
    if as_json:
        print_json({"current": found, "head": needed})
    else:
        click.echo(
            f"{found} (this version needs {needed})" if found != needed else f"{found}, the schema of this version"
        )


@click.group()
def cache() -> None:
    """The equivalence cache."""
