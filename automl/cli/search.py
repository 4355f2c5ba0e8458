"""automl search, resume, baseline."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from automl import api
from automl.cli.common import (
    check_writable,
    json_option,
    print_json,
    read_candidates,
    read_settings,
    set_option,
    storage_option,
)
from automl.cli.progress import progress
from automl.cli.winners import explained, write_source
from automl.engine.config import RunConfig
from automl.engine.running import Stopped
from automl.errors import InvalidEnqueued, InvalidInput, SearchFailed
from automl.observers import Observer
from automl.report.reading.failures import failures_of
from automl.storage.urls import parse_url, shown
from automl.study import Study


def _apply(options: list[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_WHERE = [
    storage_option,
    click.option(
        "--workers", type=int, metavar="N", help="Evaluations at one time; default one per core; 0: this process."
    ),
    click.option(
        "--cpus-per-worker", type=float, default=1.0, show_default=True, metavar="F", help="Cores of each worker."
    ),
    click.option("--gpus-per-worker", type=float, default=0.0, metavar="F", help="GPUs of each worker, fractions too."),
    click.option(
        "--memory-per-worker", metavar="SIZE", help="What each worker may allocate, with a unit: 4GB, 512MiB."
    ),
    click.option("--ray-address", metavar="A", help="A running Ray cluster; default: Ray is started on this machine."),
    click.option(
        "--simulated-workers", type=int, metavar="N", help="Evaluate here, on a simulated clock with N workers."
    ),
    click.option(
        "--timeout",
        metavar="SECONDS",
        callback=lambda _context, _parameter, given: _seconds(given),
        help="Allowed for one evaluation; auto: ten times the median, and a minute at least.",
    ),
    click.option(
        "--hash-timeout",
        type=float,
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="Allowed for what the space does for one candidate: propose it, read it, hash it.",
    ),
    click.option(
        "--retries",
        type=int,
        default=2,
        show_default=True,
        metavar="N",
        help="How often an evaluation that was lost to the machine is tried again; one that took too long is not.",
    ),
    click.option(
        "--equal-failures",
        type=int,
        default=20,
        show_default=True,
        metavar="N",
        help="End the search when its first N classes all fail alike.",
    ),
    click.option(
        "--checkpoints",
        metavar="DIR",
        help="Where long evaluations leave their state, to be gone on with; beside an SQLite database by default.",
    ),
    click.option("--dashboard/--no-dashboard", default=True, help="Ray's dashboard during the search."),
    click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the report here at the end."),
    json_option,
]


def _seconds(given: str | None) -> float | str | None:
    """Reads a time limit.

    Raises:
        BadParameter: it is neither a number nor "auto".
    """
    if given in (None, "auto"):
        return given
    try:
        return float(given)
    except ValueError:
        raise click.BadParameter(f"{given!r} is neither a number of seconds nor 'auto'") from None


_WHAT = [
    click.argument("target"),
    set_option,
    click.option(
        "--evaluator", metavar="NAME", help="A registered evaluator or file.py:Name; default: the space's own."
    ),
    click.option("--task", metavar="NAME", help="The data; a registered task."),
    click.option("--objective", metavar="METRIC", help="What to optimise; default: the evaluator's first metric."),
    click.option("--direction", type=click.Choice(["maximize", "minimize"]), help="Default: as the metric says."),
    click.option("--study", metavar="NAME", help="Name of the study; one of this name and settings is gone on with."),
    click.option("--seed", type=int, default=0, show_default=True, metavar="K", help="Of everything random."),
    click.option(
        "--window", type=int, metavar="W", help="Trials under way; default four per worker, up to 64 for tables."
    ),
    click.option(
        "--replicates", type=int, default=1, show_default=True, metavar="K", help="Evaluations of a class, at most."
    ),
    click.option(
        "--forget-probability",
        type=float,
        default=0.0,
        metavar="P",
        help="Of hiding what is stored from a look-up and adding an evaluation.",
    ),
    click.option(
        "--audit-probability",
        type=float,
        default=0.0,
        metavar="P",
        help="Of evaluating a hit all the same, to measure the hash.",
    ),
    click.option(
        "--on-duplicate",
        type=click.Choice(["serve", "vary"]),
        default="serve",
        show_default=True,
        help="Serve the stored fitness, or vary a duplicate until its function is new.",
    ),
    click.option("--namespace", default="default", show_default=True, help="A part of the cache of its own."),
    click.option(
        "--finalists", type=int, default=3, show_default=True, help="Best classes evaluated on the test part."
    ),
    click.option(
        "--front",
        type=int,
        default=10,
        show_default=True,
        metavar="N",
        help="Members of the Pareto front evaluated on the test part too, where there are several objectives.",
    ),
    click.option(
        "--confirm",
        type=int,
        default=2,
        show_default=True,
        metavar="N",
        help="Evaluations of each of the best classes before one is reported as best; 1 confirms nothing.",
    ),
    click.option("--test-seeds", type=int, default=3, show_default=True, help="Fresh seeds of each test figure."),
    click.option(
        "--sample", type=int, default=24, show_default=True, help="Random candidates for the average architecture."
    ),
]


@click.command(
    epilog="Example: automl search digits-cells --trials 200 --set population=50 --storage sqlite:///mine.db",
)
@_apply(_WHAT + _WHERE)
@click.option("--strategy", metavar="S", help="A registered strategy or file.py:Name; default: the space's own.")
@click.option("--trials", type=int, metavar="N", help="Budget: proposals.")
@click.option(
    "--evaluations", type=int, metavar="N", help="Budget: evaluations drawn upon, paid or found in the cache."
)
@click.option("--hours", type=float, metavar="H", help="Budget: time.")
@click.option("--until", type=float, metavar="FITNESS", help="End as soon as this fitness is reached.")
@click.option(
    "--asynchronous/--deterministic", default=False, help="Tell each result as it comes; default: in trial order."
)
@click.option("--baseline/--no-baseline", default=True, help="Random search with equal evaluations afterwards.")
@click.option(
    "--repeats",
    type=int,
    default=1,
    show_default=True,
    metavar="R",
    help="Run the whole search R times, each in a cold part of the cache, and report on all runs together.",
)
@click.option("--warm-cache", is_flag=True, help="Let the repeats share their part of the cache; the report says so.")
@click.option("--enqueue", type=click.Path(path_type=Path), metavar="FILE.jsonl", help="Candidates proposed first.")
def search(target: str, **options: Any) -> None:
    """Search a space, compare the result with random search, and report the evidence.

    TARGET is a registered space, file.py, file.py:attribute or module:attribute.
    """
    path = options.pop("enqueue")
    lines = list(read_candidates(path)) if path else []
    try:
        _run(target, {**options, "enqueue": [value for _, value in lines]})
    except InvalidEnqueued as error:
        raise InvalidInput(f"{path}, line {lines[error.number - 1][0]}: {error.reason}") from error


@click.command(epilog="Example: automl baseline digits-cells -n 24")
@_apply(_WHAT + _WHERE)
@click.option(
    "-n", "evaluations", type=int, default=24, show_default=True, metavar="N", help="Distinct random candidates."
)
def baseline(target: str, **options: Any) -> None:
    """Evaluate uniformly sampled candidates: the average random architecture."""
    if options["evaluations"] < 8:
        raise InvalidInput(
            f"-n {options['evaluations']}: an average of fewer than 8 random candidates says little; give 8 or more"
        )
    _run(target, {**options, "strategy": "random", "baseline": False, "sample": options["evaluations"]})


@click.command(epilog="Example: automl resume digits-cells-1 --trials 500")
@click.argument("study")
@_apply(_WHERE)
@click.option("--trials", type=int, metavar="N", help="A larger budget.")
@click.option("--evaluations", type=int, metavar="N", help="A larger budget.")
@click.option("--hours", type=float, metavar="H", help="A larger budget.")
@click.option("--until", type=float, metavar="FITNESS", help="A better fitness to reach.")
def resume(study: str, **options: Any) -> None:
    """Go on with a study where it stopped; nothing finished is lost or done again."""
    html, as_json, storage = options.pop("html"), options.pop("as_json"), options.pop("storage")
    check_writable(html)
    wider = {name: options.pop(name) for name in ("trials", "evaluations", "hours", "until")}
    run = RunConfig(storage=storage, observers=_observers(as_json), **options)
    _finish(_stoppable(lambda: api.resume(study, storage=storage, run=run, **wider), storage), html, as_json)


def _run(target: str, options: dict[str, Any]) -> None:
    html, as_json = options.pop("html"), options.pop("as_json")
    check_writable(html)
    options["settings"] = read_settings(options.pop("settings"))
    observers = _observers(as_json)
    _finish(_stoppable(lambda: api.search(target, observers=observers, **options), options["storage"]), html, as_json)


def _observers(as_json: bool) -> list[Observer]:
    return [progress(Console(stderr=as_json, highlight=False))]


def _stoppable(work: Any, storage: str) -> Study:
    warnings.simplefilter("ignore", UserWarning)  # the display shows them
    try:
        found: Study = work()
    except Stopped as stopped:
        where = "" if storage == "sqlite:///automl.db" else f" --storage {shown(parse_url(storage))}"
        kept = f"what had finished is kept. Go on with: automl resume {stopped.study}{where}"
        click.echo(f"automl: stopped; {kept if stopped.study else 'the search had not begun'}", err=True)
        sys.exit(128 + stopped.signal)
    return found


def _finish(study: Study, html: Path | None, as_json: bool) -> None:
    report = study.report()
    path = html or Path(f"automl-report-{study.name.replace('/', '-')}.html")
    try:
        report.save(path)
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written: {error.strerror}; the study is kept: automl report {study.name}"
        ) from error
    source = write_source(study, path.parent)
    if as_json:
        print_json({**report.json(), "html": str(path), "source": source and str(source)})
    else:
        click.echo(str(report))
        if lines := explained(study):
            click.echo("\n".join(["The winner, without what changes nothing:", *lines]))
        if source:
            click.echo(f"The winner in Python: {source.resolve()}")
        click.echo(f"Report: {path.resolve()}")
    failed = failures_of(study)
    study.close()
    if failed.hopeless:
        raise SearchFailed(study.name, failed.sentence())
