"""automl studies: lists what is stored, and keeps it in order."""

from __future__ import annotations

from typing import Any

import click

from automl.cli.common import json_option, print_json, print_table, storage_option
from automl.managing import ARCHIVED, PAUSED
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore
from automl.study import Study


@click.group(invoke_without_command=True, epilog="Example: automl studies --storage sqlite:///automl.db")
@click.option("--all", "everything", is_flag=True, help="Those that were put away too.")
@storage_option
@json_option
@click.pass_context
def studies(context: click.Context, everything: bool, storage: str, as_json: bool) -> None:
    """List the stored studies; the commands below keep them in order."""
    if context.invoked_subcommand is not None:
        return
    database = Database(storage, create=False)
    found = StudyStore(database).all()
    away = {record.id for record in found if record.settings.get(ARCHIVED)}
    shown = [record for record in found if everything or not {record.id, record.parent} & away]
    if as_json:
        print_json([_as_json(record, record.id in away) for record in shown])
    else:
        rows = [_row(record, record.id in away) for record in shown]
        print_table(["study", "kind", "state", "trials", "strategy", "objective"], rows, "no study is stored there")
        if len(shown) < len(found):
            click.echo(f"{len(away)} put away; --all lists them too")
    database.close()


def _as_json(record: StudyRecord, away: bool) -> dict[str, Any]:
    named = {"name": record.name, "kind": record.kind, "state": record.state, "trials": record.trials}
    paused = PAUSED in record.settings and record.state == "open"
    return {**named, "created": record.created, "archived": away, "paused": paused}


def _row(record: StudyRecord, away: bool) -> tuple[Any, ...]:
    settings = record.settings
    state: str = "paused" if PAUSED in settings and record.state == "open" else record.state
    state = f"{state}, put away" if away else state
    return (record.name, record.kind, state, record.trials, settings["strategy"]["name"], settings["objective"])


@studies.command(epilog="Example: automl studies rename digits-cells-1 baseline")
@click.argument("study")
@click.argument("name")
@storage_option
def rename(study: str, name: str, storage: str) -> None:
    """Give STUDY the name NAME, with all that belongs to it."""
    opened = Study.open(study, storage)
    opened.rename(name)
    click.echo(f"study {study} is called {name} now")
    opened.close()


@studies.command(epilog="Example: automl studies delete digits-cells-1 --yes")
@click.argument("study", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@storage_option
def delete(study: tuple[str, ...], yes: bool, storage: str) -> None:
    """Delete studies with their trials. What was evaluated stays in the cache; `automl cache prune` removes that."""
    opened = [Study.open(name, storage) for name in study]
    if not yes:
        click.confirm(f"delete {', '.join(study)} from {opened[0].database.url_shown}?", abort=True)
    for one in opened:
        click.echo(f"study {one.name} is deleted, {one.delete():,} trials; its evaluations stay in the cache")


@studies.command(epilog="Example: automl studies archive digits-cells-1")
@click.argument("study", nargs=-1, required=True)
@click.option("--undo", is_flag=True, help="Take them out again.")
@storage_option
def archive(study: tuple[str, ...], undo: bool, storage: str) -> None:
    """Put studies away: lists leave them out, and nothing else of them changes."""
    for name in study:
        opened = Study.open(name, storage)
        opened.archive(not undo)
        click.echo(f"study {name} is {'listed again' if undo else 'put away'}")
        opened.close()


@studies.command(epilog="Example: automl studies merge monday tuesday --name week")
@click.argument("study", nargs=-1, required=True)
@click.option("--name", required=True, metavar="NAME", help="Name of the new study.")
@storage_option
def merge(study: tuple[str, ...], name: str, storage: str) -> None:
    """Add one study with the trials of several, which stay as they are."""
    made = Study.merge(study, name, storage)
    click.echo(f"study {name} has the trials of {', '.join(study)}, {made.store.by_id(made.record_id).trials:,} in all")
    made.close()


@studies.command(epilog="Example: automl studies copy digits-cells-1 --to sqlite:///elsewhere.db")
@click.argument("study")
@click.option("--to", "target", required=True, metavar="URL", help="Database that the copy is written to.")
@click.option("--name", metavar="NAME", help="Name of the copy.  [default: its own]")
@storage_option
def copy(study: str, target: str, name: str | None, storage: str) -> None:
    """Copy STUDY with its trials and evaluations into another database."""
    opened = Study.open(study, storage)
    made = opened.copy(target, name)
    click.echo(f"study {study} stands as {made.name} in {made.database.url_shown} too")
    made.close()
    opened.close()


@studies.command(epilog="Example: automl studies adopt digits-cells-1")
@click.argument("study")
@click.option("--keep-figures", is_flag=True, help="The changed evaluator measures what it measured before.")
@storage_option
def adopt(study: str, keep_figures: bool, storage: str) -> None:
    """Let the next search of this name take over a space and an evaluator that were changed since."""
    opened = Study.open(study, storage)
    opened.adopt("keep" if keep_figures else None)
    click.echo(f"the next search of study {study} takes over what was changed in its space and evaluator")
    opened.close()
