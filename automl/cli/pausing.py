"""automl pause: a running search is paused from elsewhere. `automl resume` lets it go on."""

from __future__ import annotations

import click

from automl.cli.common import storage_option
from automl.errors import legible
from automl.study import Study


@click.command(epilog="Example: automl pause digits-cells-1 --storage postgresql+psycopg://me@db/automl")
@click.argument("study")
@click.option("--now", is_flag=True, help="Break off what is being evaluated; it is evaluated again afterwards.")
@storage_option
def pause(study: str, now: bool, storage: str) -> None:
    """Pause STUDY wherever it runs: it finishes what is being evaluated, gives its workers back, and waits.

    `automl resume STUDY` lets it go on. It may be ended meanwhile; a search that is started under its name waits, too.
    """
    opened = Study.open(study, storage)
    opened.pause(now=now)
    holder = opened.coordinator()
    by = f"{holder} sees it within seconds" if holder else "nobody runs it now"
    click.echo(f"study {legible(study)} is paused ({by}); go on with: automl resume {legible(study)}")
    opened.close()
