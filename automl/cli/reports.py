"""automl report, studies: reading what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from automl import evidence
from automl import report as reports
from automl.cli.common import check_writable, json_option, print_json, storage_option
from automl.errors import InvalidInput, legible
from automl.report.figures import write_figures
from automl.study import Study


@click.command(epilog="Example: automl report digits-cells-1 --html report.html")
@click.argument("study", nargs=-1)
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write one self-contained HTML file."
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Results from elsewhere: dataset,method,kind,run,acc.",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write the figures as PDF, SVG and PNG, and the tables for LaTeX.",
)
@storage_option
@json_option
def report(
    study: tuple[str, ...],
    html: Path | None,
    results: Path | None,
    figures: Path | None,
    storage: str,
    as_json: bool,
) -> None:
    """Show the evidence of a study, compare several, or judge results from elsewhere."""
    check_writable(html)
    if results is not None:
        if study:
            raise InvalidInput("give either studies or --results FILE.csv, not both")
        found: Any = evidence.results_table(results)
        _show(found, found.to_json(), html, as_json)
        if figures is not None:
            _say_figures(write_figures(found, figures), figures, as_json)
        return
    if not study:
        raise InvalidInput("name a study (`automl studies` lists them), or give --results FILE.csv")
    opened = [Study.open(name, storage) for name in study]
    if len(opened) == 1:
        whole = opened[0].report().data
    else:
        whole = reports.compare([run.report().data for item in opened for run in item.runs])
    _show(whole, reports.to_json(whole), html, as_json)
    if figures is not None:
        written = opened[0].figures(figures) if len(opened) == 1 else write_figures(whole, figures)
        _say_figures(written, figures, as_json)


def _say_figures(written: list[Path], folder: Path, as_json: bool) -> None:
    if not as_json:
        click.echo(f"Figures: {len(written)} files in {legible(str(folder.resolve()))}")


def _show(data: Any, as_data: Any, html: Path | None, as_json: bool) -> None:
    if html is not None:
        reports.write_html(data, html)
    if as_json:
        print_json(as_data)
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = max(console.width, 110)  # a file or a pipe has no edge to wrap at
        reports.render_terminal(data, console)
        if html is not None:
            click.echo(f"Report: {html.resolve()}")


@click.command(epilog="Example: automl show digits-cells-1 17")
@click.argument("study")
@click.argument("number", type=click.IntRange(0))
@storage_option
def show(study: str, number: int, storage: str) -> None:
    """Show all that is stored of trial NUMBER: candidate, figures, learning curves, and why it failed, in full."""
    opened = Study.open(study, storage)
    click.echo(opened.show(number))
    opened.close()
