"""automl features: what the hasher reads off functions beside their keys."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np

from automl.cli.common import json_option, print_json, print_table, read_candidates, set_option
from automl.cli.given import BATCH, decoded_line, evaluator_option, parts_of, task_option
from automl.hashing import Features, Hasher
from automl.hashing.graph_features import NAMES


@click.command(epilog="Example: automl features nasbench201 --samples 5")
@click.argument("target")
@click.option(
    "--input", "path", type=click.Path(path_type=Path), help="One candidate's JSON a line; -: standard input."
)
@click.option(
    "--samples", type=click.IntRange(min=1), default=10, show_default=True, help="Random candidates, without --input."
)
@evaluator_option
@task_option
@set_option
@json_option
def features(
    target: str, path: Path | None, samples: int, evaluator: str | None, task: str | None, settings: Any, as_json: bool
) -> None:
    """Print the features of candidates' functions: numbers that equal functions share and strategies learn from.

    Groups of many numbers are counted in the table; --json has each number that is not 0, by name.
    """
    parts = parts_of(target, evaluator, task, settings)
    hasher = Hasher(parts.evaluator.probe(), space_source=parts.reference.code.digest)
    if path is None:
        candidates = parts.space.sample_many(samples, np.random.default_rng(0))
    else:
        lines = read_candidates(None if str(path) == "-" else path)
        candidates = [decoded_line(parts, value, number) for number, value in lines]
    rows: list[dict[str, Any]] = []
    left = iter(candidates)
    while batch := list(islice(left, BATCH)):
        behaviours = [parts.space.behaviour(one) for one in batch]
        hashed = hasher.hash_many(
            [(what, parts.space.training(one)) for what, one in zip(behaviours, batch, strict=True)],
            [one.json for one in batch],
        )
        for one, key, found in zip(batch, hashed, hasher.features(behaviours), strict=True):
            named = {name: _named(name, found) for name in sorted(found)}
            rows.append({"candidate": one.value, "key": key.key.hex(), "features": named})
    if as_json:
        print_json(rows)
        return
    groups = sorted({name for row in rows for name in row["features"]}, key=lambda name: name != "shape")
    columns = ["key", *(name for group in groups for name in _columns(group))]
    table = [[row["key"][:12], *(cell for group in groups for cell in _cells(group, row["features"]))] for row in rows]
    print_table(columns, table, "no candidates")
    if not groups:
        click.echo(f"{parts.space.kind} has no features: they are read off graphs. Strategies learn from its fields.")


def _named(group: str, found: Features) -> dict[str, float]:
    names = NAMES.get(group, ())
    values = found[group].tolist()
    return {
        names[place] if place < len(names) else str(place): value for place, value in enumerate(values) if value != 0.0
    }


def _columns(group: str) -> list[str]:
    return list(NAMES[group]) if group == "shape" else [group]


def _cells(group: str, found: dict[str, dict[str, float]]) -> list[str]:
    own = found.get(group)
    if group != "shape":
        return ["–" if own is None else f"{len(own)}"]
    return ["–" if own is None else f"{own.get(name, 0.0):.4g}" for name in NAMES[group]]
