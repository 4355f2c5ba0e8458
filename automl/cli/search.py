"""automl search, resume, baseline."""

from __future__ import annotations

import secrets
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from automl import api
from automl.cli.common import check_writable, json_option, print_json, read_candidates, read_settings, why_not_writable
from automl.cli.options import GroupedCommand, Option, options_of, said, with_defaults
from automl.cli.winners import explained, mark, own_file, write_source
from automl.display import progress
from automl.engine.continuing import let_go_on
from automl.engine.running import Stopped
from automl.errors import InvalidEnqueued, InvalidInput, SearchFailed, legible, one_line
from automl.managing import check_name
from automl.observers import Observer
from automl.report.reading.failures import failed_trials
from automl.settings import declared
from automl.storage.urls import parse_url, shown
from automl.study import Study

_SETTINGS = tuple(declared(api.SearchSettings).values())
_RESUMING = tuple(declared(api.ResumeSettings).values())
_target = click.argument("target")
_html_option = click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    cls=Option,
    help="Where the report is written; a file that is there is replaced.  [default: automl-report-STUDY.html in this "
    "folder, or where that is another study's, automl-report-STUDY-2.html; so with automl-best-STUDY.py, the winner]",
)


@click.command(
    cls=GroupedCommand,
    epilog="Example: automl search digits-cells --trials 200 --set population=50 --storage sqlite:///mine.db",
)
@_target
@options_of(_SETTINGS, "search")
@click.option(
    "--dry-run", is_flag=True, cls=Option, heading="Budget", help="Check, say what would be run, and run nothing."
)
@_html_option
@json_option
def search(target: str, **options: Any) -> None:
    """Search a space, compare the result with random search, and report the evidence.

    TARGET is a registered space, file.py, file.py:attribute or module:attribute.

    A study of the same name (--study) is continued. What is left out is as it is stored, a larger budget is written
    to it, any other difference is refused.
    """
    path, dry_run = options.pop("enqueue"), options.pop("dry_run")
    lines = list(read_candidates(path)) if path else []
    if path:
        options["enqueue"] = [value for _, value in lines]
    try:
        if dry_run:
            click.echo(f"{api.plan(target, **_given(options))}\nNothing was run and nothing was written.")
        else:
            _run(target, options, {})
    except InvalidEnqueued as error:
        raise InvalidInput(f"{path}, line {lines[error.number - 1][0]}: {error.reason}") from error


@click.command(cls=GroupedCommand, epilog="Example: automl baseline digits-cells -n 24")
@_target
@click.option(
    *("-n", "number"),
    type=int,
    default=24,
    metavar="N",
    cls=Option,
    heading="Budget",
    help="Distinct random candidates.  [default: 24; 8 or more]",
)
@options_of(_SETTINGS, "baseline")
@_html_option
@json_option
def baseline(target: str, number: int, **options: Any) -> None:
    """Evaluate uniformly sampled candidates: the average random architecture.

    TARGET is a registered space, file.py, file.py:attribute or module:attribute.
    """
    if number < 8:
        raise InvalidInput(f"-n {number}: an average of fewer than 8 random candidates says little; give 8 or more")
    _run(target, options, {"strategy": "random", "evaluations": number, "baseline": False, "sample": number})


@click.command(cls=GroupedCommand, epilog="Example: automl resume digits-cells-1 --trials 500")
@click.argument("study")
@options_of(_RESUMING, "resume")
@_html_option
@json_option
def resume(study: str, **options: Any) -> None:
    """Go on with a study where it stopped; nothing finished is lost or done again.

    A limit of the budget that is given must be larger than the stored one (--until: a better fitness).

    A study that was paused goes on where it is being run, and here where nobody runs it.
    """
    asked = said(options, _RESUMING)
    with closing(Study.open(study, **({"storage": asked["storage"]} if "storage" in asked else {}))) as opened:
        if sentence := let_go_on(opened, asked.keys() - {"storage"}):
            click.echo(sentence)
            return
    _check_place(options["html"])
    given = with_defaults(asked, _RESUMING)
    given |= {"observers": _observers(options["as_json"]), "progress": False}
    _finish(_stoppable(lambda: api.resume(study, **given), given), options["html"], options["as_json"])


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that were given, with the command line's own defaults."""
    given = with_defaults(said(options, _SETTINGS), _SETTINGS)
    check_name(given.get("study"))
    if "settings" in given:
        given["settings"] = read_settings(given["settings"])
    return given


def _run(target: str, options: dict[str, Any], fixed: dict[str, Any]) -> None:
    _check_place(options["html"])
    given = {**_given(options), **fixed}
    given |= {"observers": _observers(options["as_json"]), "progress": False}
    _finish(_stoppable(lambda: api.search(target, **given), given), options["html"], options["as_json"])


def _check_place(html: Path | None) -> None:
    """Looks before the search where its files would go.

    Raises:
        InvalidInput: a file that was asked for cannot be written. Where none was, that is said.
    """
    check_writable(html)
    if html is None and (why := why_not_writable(Path(f".automl-{secrets.token_hex(8)}"))):
        said = f"no files can be written to this folder ({why}), so the evidence will only be printed"
        click.echo(f"automl: {said}; name a place with --html FILE", err=True)


def _observers(as_json: bool) -> list[Observer]:
    return [progress(Console(stderr=as_json, highlight=False))]


def _stoppable(work: Callable[[], Study], given: Mapping[str, Any]) -> Study:
    warnings.simplefilter("ignore", UserWarning)  # the display shows them
    try:
        return work()
    except Stopped as stopped:
        where = f" --storage {shown(parse_url(given['storage']))}" if "storage" in given else ""
        kept = f"stopped; what had finished is kept. Go on with: automl resume {legible(stopped.study or '')}{where}"
        none = "stopped before the search had begun; nothing was lost. Go on with the same command"
        click.echo(f"automl: {kept if stopped.study else none}", err=True)
        sys.exit(128 + stopped.signal)


def _finish(study: Study, html: Path | None, as_json: bool) -> None:
    """Prints the evidence, whatever becomes of the files, and writes them.

    Raises:
        InvalidInput: a file that was asked for cannot be written.
    """
    report = study.report()
    folder = html.parent if html else Path()
    saved, why = _written(lambda: _saved(study, html or own_file(study, folder, "automl-report-{}.html")))
    source, _ = _written(lambda: write_source(study, folder))
    if as_json:
        print_json({**report.json(), "html": saved and str(saved), "source": source and str(source)})
    else:
        click.echo(str(report))
        if lines := explained(study):
            click.echo("\n".join([f"{_best_word(study)}, without what changes nothing:", *map(legible, lines)]))
        if source:
            click.echo(f"{_best_word(study)} in Python: {legible(str(source.resolve()))}")
        if saved:
            click.echo(f"Report: {legible(str(saved.resolve()))}")
    failed = failed_trials(study.store, [run.record_id for run in study.runs])
    study.close()
    if why and html:
        raise InvalidInput(f"{why}; the study is kept: automl report {study.name}")
    if why:
        click.echo(f"automl: no files were written: {one_line(why)}; name a place with --html FILE", err=True)
    if failed.hopeless:
        raise SearchFailed(study.name, failed.sentence())


def _best_word(study: Study) -> str:
    """Names what `study.best` is: the search's winner, or random search's where that is better."""
    return "The winner" if study.best.found_in in {run.name for run in study.runs} else "The best (of random search)"


def _saved(study: Study, path: Path) -> Path:
    study.report().save(path)
    mark(path, study, "<!-- {} -->")
    return path


def _written(write: Callable[[], Path | None]) -> tuple[Path | None, str]:
    """Returns what was written, and why it was not."""
    try:
        return write(), ""
    except InvalidInput as error:
        return None, str(error)
    except OSError as error:
        return None, f"{error.filename} cannot be written: {error.strerror}"
