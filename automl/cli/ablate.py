"""automl ablate: how much of a result is search, and how much is protocol of training."""

from __future__ import annotations

import sys
from typing import Any

import click
from rich.console import Console

from automl import api
from automl.cli.common import json_option, print_json, read_settings
from automl.cli.options import GroupedCommand, Option, options_of, said, with_defaults
from automl.display import progress
from automl.engine.run_config import RunConfig
from automl.engine.running import Stopped
from automl.errors import legible
from automl.settings import declared

_SETTINGS = tuple(declared(RunConfig).values())


@click.command(cls=GroupedCommand, epilog="Example: automl ablate darts-1 --tricks cutout,drop_path")
@click.argument("study")
@click.option(
    "--tricks",
    metavar="NAME,…",
    cls=Option,
    heading="Search",
    help="Tricks that are left out, one at a time and all together.  [default: all that the evaluator has]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    cls=Option,
    heading="Search",
    help="Another setting of the evaluator, for one protocol more, such as epochs=50 or network='{\"layers\": 20}'.",
)
@options_of(_SETTINGS, "resume")
@json_option
def ablate(study: str, tricks: str | None, settings: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Train the winners of the finished STUDY and its random sample again, with tricks of training left out.

    The report then says how much of the result is search and how much is protocol, with intervals, and how far the
    order of the random sample stays the same. What has been trained before is served from the cache.
    """
    given = with_defaults(said(options, _SETTINGS), _SETTINGS)
    given |= {"observers": [progress(Console(stderr=as_json, highlight=False))], "progress": False}
    names = [name.strip() for name in tricks.split(",") if name.strip()] if tricks is not None else None
    try:
        opened = api.ablate(study, tricks=names, settings=read_settings(settings) or None, **given)
    except Stopped as stopped:
        click.echo("automl: stopped; what had finished is kept. Go on with the same command", err=True)
        sys.exit(128 + stopped.signal)
    report = opened.report()
    if as_json:
        print_json(report.json())
    else:
        click.echo(str(report))
        click.echo(f"The whole report: automl report {legible(opened.name)} --html report.html")
    opened.close()
