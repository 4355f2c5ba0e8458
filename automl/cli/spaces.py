"""automl check, hash, explain, spaces, strategies, evaluators: everything that runs no search."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import click

from automl import registry
from automl.cli.common import (
    check_writable,
    data_of,
    json_option,
    print_json,
    print_table,
    read_candidates,
    set_option,
)
from automl.cli.given import BATCH, decoded_line, evaluator_option, parts_of, task_option
from automl.errors import AutoMLError, InvalidInput, one_line
from automl.hashing import Hasher
from automl.jsontext import decoded
from automl.report import write_html
from automl.report.explain import explain as explain_candidates
from automl.settings import known
from automl.setup.check import Findings, check_space
from automl.setup.enqueued import read_candidate
from automl.setup.parts import Parts
from automl.setup.shares import MOST_SECONDS, shares_data, shares_lines
from automl.spaces.space import Candidate


@click.command(epilog="Example: automl check my_space.py")
@click.argument("target")
@click.option("--samples", type=click.IntRange(min=2), default=50, show_default=True, help="Candidates to try.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=MOST_SECONDS,
    show_default=True,
    help="Time for the share of equal candidates; 0 leaves it out.",
)
@evaluator_option
@task_option
@set_option
@json_option
def check(
    target: str, samples: int, seconds: float, evaluator: str | None, task: str | None, settings: Any, as_json: bool
) -> None:
    """Find a space's own faults: fields that no key ever sees, probes that fail, parts that cannot be hashed.

    Exit code 0 when it is sound, 2 when it is not.
    """
    parts = parts_of(target, evaluator, task, settings)
    found = check_space(parts, samples, seconds=seconds)
    if as_json:
        shares = found.shares and shares_data(found.shares)
        print_json(dataclasses.asdict(found) | {"shares": shares, "by_json": found.by_json, "sound": found.sound})
    else:
        if found.samples:
            size = "no end of" if found.size is None else f"{found.size:,}"
            click.echo(f"{size} candidates; {found.samples} tried, {found.classes} different functions among them")
            click.echo(f"hashing takes {found.seconds * 1000:.2f} ms a candidate{_beside(found)}")
        if found.shares:
            for line in shares_lines(found.shares):
                click.echo(line)
        for fault in found.faults:
            click.echo(f"fault: {one_line(fault)}")
        for name in found.unseen:
            click.echo(
                f"unseen: field {name!r} never reaches the key, so all its values would share one result; "
                "use it in build(), or return it from training()"
            )
        for reason, count in found.unhashable.items():
            click.echo(f"keyed by JSON ({count} candidates): {one_line(reason)}")
        click.echo(_verdict(found, probed=evaluator is not None or bool(parts.space.defaults.evaluator)))
    if not found.sound:
        sys.exit(2)


def _beside(found: Findings) -> str:
    """Returns what an evaluation takes, as a part of a sentence, where one was tried."""
    if found.evaluation is None:
        return ""
    seconds = f"{found.evaluation * 1000:,.2f} ms"
    return f", one evaluation {'more than ' if found.ended else ''}{seconds}"


def _verdict(found: Findings, *, probed: bool) -> str:
    if found.sound:
        return "sound"
    if found.faults or found.unseen:
        return "not sound"
    advice = "" if probed else "; name the evaluator whose data shape the probe: --evaluator NAME"
    return (
        f"not sound: {found.by_json} of {found.samples} candidates are keyed by their JSON, so that other encodings of "
        f"their functions are evaluated again{advice}"
    )


@click.command(
    "hash",
    epilog="Example: automl hash nasbench201 --input candidates.jsonl",
)
@click.argument("target")
@click.option(
    "--input",
    "path",
    type=click.Path(path_type=Path),
    help="One candidate's JSON a line; default or -: standard input.",
)
@evaluator_option
@task_option
@set_option
def hash_command(target: str, path: Path | None, evaluator: str | None, task: str | None, settings: Any) -> None:
    """Read one candidate's JSON a line, write one 32-digit hexadecimal key a line, in order."""
    parts = parts_of(target, evaluator, task, settings)
    hasher = Hasher(parts.evaluator.probe(), space_source=parts.reference.code.digest)
    lines = read_candidates(None if path is None or str(path) == "-" else path)
    while batch := list(islice(lines, BATCH)):
        candidates = [decoded_line(parts, value, number) for number, value in batch]
        pairs = [(parts.space.behaviour(c), parts.space.training(c)) for c in candidates]
        for hashed in hasher.hash_many(pairs, [c.json for c in candidates]):
            click.echo(hashed.key.hex())


@click.command(epilog="Example: automl explain nasbench201 a.json b.json --html difference.html")
@click.argument("target")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path), help="Also write pictures of both pruned forms.")
@evaluator_option
@task_option
@set_option
def explain(
    target: str, a: Path, b: Path, html: Path | None, evaluator: str | None, task: str | None, settings: Any
) -> None:
    """Say whether two candidates compute the same function, and if not, the first value that differs."""
    check_writable(html)
    parts = parts_of(target, evaluator, task, settings)
    one, other = (_read_one(parts, path) for path in (a, b))
    explanation = explain_candidates(parts.space, one, other, parts.evaluator.probe())
    click.echo(explanation.text())
    if html is not None:
        write_html(explanation, html)
        click.echo(f"Pictures: {html.resolve()}")


@click.command(epilog="Example: automl spaces")
@json_option
def spaces(as_json: bool) -> None:
    """List the registered spaces.

    "equal" are the shares of candidates that compute what an earlier one computes: of uniform samples, and of mutants.
    """
    rows = []
    for name in registry.names("spaces"):
        found = registry.load("spaces", name)
        shares = getattr(found, "equal_shares", None)
        rows.append({"name": name, "about": _about(found), "equal": shares, "settings": _settings_of(found)})
    _list(rows, as_json)


@click.command(epilog="Example: automl strategies")
@json_option
def strategies(as_json: bool) -> None:
    """List the registered strategies and their settings."""
    _list([_row("strategies", name) for name in registry.names("strategies")], as_json)


@click.command(epilog="Example: automl evaluators")
@json_option
def evaluators(as_json: bool) -> None:
    """List the registered evaluators, their metrics and settings."""
    _list([_row("evaluators", name) for name in registry.names("evaluators")], as_json)


def _row(group: registry.Group, name: str) -> dict[str, Any]:
    found = registry.load(group, name)
    row = {"name": name, "about": _about(found), "settings": _settings_of(found)}
    if group == "evaluators":
        row["metrics"] = dict(found.metrics)
    return row


def _list(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    more = [name for name in ("metrics", "equal") if rows and name in rows[0]]
    columns = ["name", "about", *more, "settings"]
    shown = [
        [
            row["name"],
            row["about"],
            *(_cell(row[name]) for name in more),
            ", ".join(f"{name}={value}" for name, value in row["settings"].items()),
        ]
        for row in rows
    ]
    print_table(columns, shown, "none is registered")


def _cell(value: Any) -> str:
    """Returns metrics by name, or shares in percent."""
    if isinstance(value, tuple):
        return ", ".join(f"{100 * share:.0f} %" for share in value)
    return ", ".join(value) if value else "–"


def _about(found: Any) -> str:
    return (inspect.getdoc(found) or "").partition("\n")[0]


def _settings_of(found: Any) -> dict[str, Any]:
    return {name: None if value is inspect.Parameter.empty else value for name, value in known(found).items()}


def _read_one(parts: Parts, path: Path) -> Candidate:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}; give a file with a candidate's JSON") from error
    text = decoded(data, str(path))
    try:
        return read_candidate(parts.space, data_of(text))
    except AutoMLError as error:
        raise InvalidInput(f"{path}: {error}") from error
