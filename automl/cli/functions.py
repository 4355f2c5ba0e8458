"""automl features: what the hasher reads off functions beside their keys."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np

from automl.cli.common import json_option, print_json, print_table, read_candidates, set_option
from automl.cli.given import BATCH, decoded_line, evaluator_option, parts_of, task_option
from automl.hashing import Features, Hasher
from automl.hashing.features import NAMES

MOST_COLUMNS = 9
"""Numbers of a group that a table lists."""


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

    The table counts what is not 0 in groups of many numbers; --json has each number that is not 0, by name.
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
        hashed = hasher.hash_many(
            [(parts.space.behaviour(one), parts.space.training(one)) for one in batch],
            [one.json for one in batch],
            features=True,
        )
        for one, key in zip(batch, hashed, strict=True):
            named = {name: _named(name, key.features) for name in sorted(key.features)}
            rows.append({"candidate": one.value, "key": key.key.hex(), "features": named})
    if as_json:
        print_json(rows)
        return
    groups = sorted({name for row in rows for name in row["features"]}, key=_place)
    columns = ["key", *(name for group in groups for name in _columns(group))]
    table = [[row["key"][:12], *(cell for group in groups for cell in _cells(group, row["features"]))] for row in rows]
    print_table(columns, table, "no candidates")
    if not groups:
        click.echo(
            f"{parts.space.kind} has no features: they are read off graphs, modules and functions. "
            "Strategies learn from its fields."
        )


def _named(group: str, found: Features) -> dict[str, float | None]:
    """Returns the numbers that are not 0 by name; None for what could not be had."""
    names = NAMES.get(group, ())
    return {
        names[place] if place < len(names) else str(place): None if math.isnan(value) else value
        for place, value in enumerate(found[group].tolist())
        if value != 0.0
    }


def _place(group: str) -> tuple[int, str]:
    known = list(NAMES)
    return known.index(group) if group in NAMES else len(known), group


def _listed(group: str) -> tuple[str, ...]:
    """Returns the names of the features that a table has columns for; none where there are too many."""
    names = NAMES.get(group, ())
    return names if len(names) <= MOST_COLUMNS else ()


def _columns(group: str) -> list[str]:
    return list(_listed(group)) or [group]


def _cells(group: str, found: dict[str, dict[str, float | None]]) -> list[str]:
    own, names = found.get(group), _listed(group)
    if own is None:
        return ["–"] * max(1, len(names))
    if not names:
        return [f"{len(own)}"]
    return ["–" if (value := own.get(name, 0.0)) is None else f"{value:.4g}" for name in names]
