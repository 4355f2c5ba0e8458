"""automl rate: ratings of candidates without a study, and the table of their blocks' ratings."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from automl import registry
from automl.cli.common import check_writable, json_option, print_json, read_candidates, read_settings, set_option
from automl.cli.given import decoded_line
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.setup.parts import Parts, PartSettings, assemble
from automl.spaces.space import Candidate
from automl.strategies.random import Random

SAMPLE = 200
ALL = 10_000
"""A space with no more candidates is rated whole."""


@click.command(epilog="Example: automl rate hytra --task fashion-mnist-6k --set evaluator.epochs=20 --out ratings.csv")
@click.argument("target")
@click.option("--evaluator", default="whole-rating", show_default=True, metavar="NAME", help="What rates.")
@click.option("--task", metavar="NAME", help="The data to rate on.")
@click.option("--metric", metavar="NAME", help="Which metric is the rating; default: the evaluator's first.")
@click.option(
    *("--candidates", "path"),
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="One candidate a line, or a CSV with the column candidate; default: all of a small space, else a sample.",
)
@click.option("-n", "number", type=click.IntRange(min=1), metavar="N", help="Candidates of a sample.  [default: 200]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of that sample.")
@click.option(
    "--replicates", type=click.IntRange(min=1), default=1, show_default=True, help="Supernets, or initial weights."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE.csv", help="Where ratings go.")
@set_option
@json_option
def rate(
    target: str,
    evaluator: str,
    task: str | None,
    metric: str | None,
    path: Path | None,
    number: int | None,
    seed: int,
    replicates: int,
    out: Path,
    settings: Any,
    as_json: bool,
) -> None:
    """Rate candidates of a space, and write candidate, rating, its costs and further scores as CSV.

    A rater of block ratings also leaves FILE.blocks.json with the rating of every part of every block, which
    `--set evaluator.table=FILE.blocks.json` reads in place of a supernet. `automl rating-report` judges the CSV.
    """
    blocks = out.with_suffix(".blocks.json")
    check_writable(out)
    check_writable(blocks)
    parts = assemble(
        target, PartSettings(evaluator=evaluator, task=task, strategy=Random.name, settings=read_settings(settings))
    )
    wanted = metric or next(iter(parts.evaluator.metrics))
    if wanted not in parts.evaluator.metrics:
        raise InvalidInput(registry.unknown(f"metric of {parts.evaluator.name}", wanted, parts.evaluator.metrics))
    candidates = list(_chosen(parts, path, number, seed))
    begun = time.perf_counter()
    hows = [Evaluation(seed=number, replicate=number, device=_device()) for number in range(replicates)]
    rows = [_rated(parts, candidate, how, wanted) for how in hows for candidate in candidates]
    out.write_text(_csv(rows), encoding="utf-8")
    found = {"out": str(out), "candidates": len(candidates), "seconds": time.perf_counter() - begun}
    tables = getattr(parts.evaluator, "block_tables", None)
    if tables is not None and (table := tables(hows)) is not None:
        blocks.write_text(table.json(), encoding="utf-8")
        found |= {"blocks": str(blocks), "digest": table.digest}
    if as_json:
        print_json(found)
        return
    click.echo(f"{len(candidates)} candidates were rated in {found['seconds']:.0f} s: {out}")
    if "blocks" in found:
        click.echo(f"Ratings of all blocks: {blocks}, digest {found['digest']}")


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _chosen(parts: Parts, path: Path | None, number: int | None, seed: int) -> Iterator[Candidate]:
    """Yields the candidates that are to be rated, each once."""
    space: Any = parts.space
    size = space.size()
    if path is not None:
        given = _listed(path) if path.suffix.lower() == ".csv" else read_candidates(path)
        found = [decoded_line(parts, value, line) for line, value in given]
    elif number is None and size is not None and size <= ALL and hasattr(space, "candidates"):
        found = list(space.candidates())
    else:
        found = space.sample_many(number or SAMPLE, np.random.default_rng(seed))
    if not found:
        raise InvalidInput(f"{path} holds no candidate; give one a line")
    yield from dict.fromkeys(found)


def _listed(path: Path) -> Iterator[tuple[int, Any]]:
    from automl.cli.common import data_of
    from automl.evidence.rating_files import read_scores

    scores = read_scores(path)
    names = dict.fromkeys(name for column in scores.columns.values() for name in column)
    for line, name in enumerate(names, 2):
        yield line, data_of(name) if name[:1] in ('"', "[", "{") else name


def _rated(parts: Parts, candidate: Candidate, how: Evaluation, wanted: str) -> dict[str, Any]:
    work = Work(parts.space.behaviour(candidate), parts.space.training(candidate), candidate.json)
    begun = time.perf_counter()
    metrics = dict(parts.evaluator.evaluate(work, how))
    seconds = time.perf_counter() - begun
    sign = -1.0 if parts.evaluator.metrics[wanted] == "minimize" else 1.0
    rating = sign * float(metrics.pop(wanted))
    text = candidate.value if isinstance(candidate.value, str) else candidate.json
    costs = dict(parts.priced.load().costs(candidate))
    others = {name: value for name, value in metrics.items() if name not in costs}
    return {"candidate": text, "rating": rating, **costs, **others, "seconds": round(seconds, 6)}


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
