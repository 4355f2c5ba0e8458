"""automl rating-report: what a rating is worth, from files or studies."""

from __future__ import annotations

from typing import Any

import click

from automl.cli.common import json_option, print_json, print_table, storage_option
from automl.errors import InvalidInput
from automl.evidence.intervals import Estimate
from automl.evidence.rating_files import COUNTS, Joined, Scores, candidate_text, joined, read_scores
from automl.selection.objectives import objectives_of
from automl.study import Study


@click.command("rating-report", epilog="Example: automl rating-report --truth trained.csv --ratings ratings.csv")
@click.option("--truth", required=True, metavar="FILE|STUDY", help="Trained figures: candidate,METRIC, a row a seed.")
@click.option("--ratings", required=True, metavar="FILE|STUDY", help="Ratings: candidate,rating[,parameters,macs,…].")
@click.option("--metric", metavar="NAME", help="Which figure of the truth, where it has several.")
@click.option(
    "--count", "counts", multiple=True, metavar="NAME", help="A column that counts something, as parameters do."
)
@click.option("--minimize", is_flag=True, help="Smaller figures of the truth are better.")
@storage_option
@json_option
def rating_report(
    truth: str, ratings: str, metric: str | None, counts: tuple[str, ...], minimize: bool, storage: str, as_json: bool
) -> None:
    """Judge a rating against trained truth, beside counts and every other score.

    Files end in .csv and are joined by the candidate's text; other names are studies. Larger ratings are better.
    """
    found = joined(
        _scores(truth, storage, metric=metric),
        _scores(ratings, storage, rating=True),
        metric=metric,
        minimize=minimize,
        counts=(*COUNTS, *counts),
    )
    if as_json:
        print_json({"metric": found.metric, **found.worth.to_json(), "notes": list(found.notes)})
    else:
        _show(found)


def _scores(given: str, storage: str, *, metric: str | None = None, rating: bool = False) -> Scores:
    if given.lower().endswith(".csv"):
        return read_scores(given, "rating" if rating else metric)
    study = Study.open(given, storage)
    try:
        return _of_study(study, given, rating=rating)
    finally:
        study.close()


def _of_study(study: Study, name: str, *, rating: bool) -> Scores:
    """Returns the fitness of a study's candidates as their rating, or all of their metrics; costs besides."""
    columns: dict[str, dict[str, list[float]]] = {}
    seconds = 0.0
    fitness = objectives_of(study.settings).fitness
    for trial in study.trials():
        seconds += trial.paid_seconds
        if trial.fitness is None:
            continue
        candidate = candidate_text(trial.candidate)
        own = {"rating": fitness.worth(trial.fitness)} if rating else dict(trial.metrics)
        for column, value in {**own, **(trial.costs if rating else {})}.items():
            columns.setdefault(column, {})[candidate] = [float(value)]
    if not columns:
        raise InvalidInput(f"study {name!r} has no finished trial; name one that has, or a file that ends in .csv")
    return Scores(name, columns, seconds)


def _show(found: Joined) -> None:
    worth = found.worth
    click.echo(f"{worth.architectures} architectures, truth: {found.metric}")
    rows: list[list[Any]] = [
        [
            row.name,
            row.kind,
            _figure(row.rho),
            _figure(row.tau),
            _figure(row.r),
            _figure(row.ahead),
            _figure(row.partial),
            "-" if row.best is None else f"{row.best:.2f}",
        ]
        for row in worth.rows
    ]
    columns = ["score", "kind", "Spearman", "Kendall", "Pearson", "rating ahead by", "given the counts", "best tenth"]
    print_table(columns, rows, "no scores")
    if worth.seeds is not None:
        ceiling = "" if worth.ceiling is None else f"; no rating can be expected above {worth.ceiling:.2f}"
        click.echo(f"Two seeds of the truth agree with rho {worth.seeds:.2f}{ceiling}.")
    if worth.supernets is not None:
        click.echo(f"Two supernets agree with rho {worth.supernets:.2f}.")
    for what, seconds in worth.seconds.items():
        click.echo(f"Seconds of the {what}: {seconds:,.0f}.")
    for sentence in (*worth.verdict, *found.notes):
        click.echo(sentence)


def _figure(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.2f}, {estimate.high:.2f}]"
