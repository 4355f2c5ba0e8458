"""automl cache top: the best functions that the cache knows."""

from __future__ import annotations

import click

from automl.cache.top import Top, top
from automl.cli.common import json_option, print_json, print_table, storage_option
from automl.report.words import figure
from automl.storage.engine import Database


@click.command("top", epilog="Example: automl cache top --space nasbench201 --csv > known.csv")
@click.option("--space", metavar="TARGET", help="Only what was evaluated for this space.  [default: all]")
@click.option("--namespace", metavar="NAME", help="Only this part of the cache.  [default: all]")
@click.option("-n", "number", type=click.IntRange(1), default=20, metavar="N", show_default=True, help="Rows.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@storage_option
@json_option
def top_command(
    space: str | None, namespace: str | None, number: int, as_csv: bool, storage: str, as_json: bool
) -> None:
    """Show the best functions, a row each, and what they reached in each context: on which data, by which evaluator.

    Figures are those of validation. The order is by where a function stands among all that is known in a context, in
    the mean over the contexts that know it.
    """
    database = Database(storage, create=False)
    found = top(database, number, space, namespace)
    database.close()
    if as_json:
        print_json(found.as_json())
    elif as_csv:
        click.echo(found.csv(), nl=False)
    else:
        _show(found)


def _show(found: Top) -> None:
    columns = ["function", *(f"{one.context}: {one.objective.metric}" for one in found.columns), "candidate"]
    rows = [
        (one.function, *("–" if value is None else figure(value) for value in one.values), one.candidate)
        for one in found.rows
    ]
    print_table(columns, rows, "nothing is known yet")
    for one in found.columns:
        click.echo(f"context {one.context}: {one.title}; {one.classes:,} functions")
    if found.functions > len(found.rows):
        click.echo(f"{len(found.rows):,} of {found.functions:,} functions; -n N shows more")
