"""What several commands share: options, reading of settings, tables."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from automl.cli.options import Option, option_of
from automl.engine.config import RunConfig
from automl.errors import InvalidInput
from automl.jsontext import parse
from automl.settings import declared
from automl.setup.parts import PartSettings

storage_option = option_of(declared(RunConfig)["storage"], explicit=False)
json_option = click.option("--json", "as_json", is_flag=True, cls=Option, help="Print one JSON object for programs.")
set_option = option_of(declared(PartSettings)["settings"])


def read_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Reads KEY=VALUE pairs; values are JSON where they can be read as such, else text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InvalidInput(f"--set {pair!r} is not KEY=VALUE; write, for example, --set population=50")
        try:
            settings[name] = parse(text)
        except InvalidInput:
            settings[name] = text
    return settings


def read_candidates(path: Path | None) -> Iterator[tuple[int, Any]]:
    """Yields (line number, JSON data) for each line of a file of candidates, or of standard input where `path` is None.

    Raises:
        InvalidInput: the file cannot be read, or a line is not JSON; the line's number is named.
    """
    try:
        stream = click.open_file(str(path) if path else "-", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error.strerror}; give a file with one JSON candidate a line"
        ) from error
    with stream:
        number = 0
        try:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, parse(line)
        except UnicodeDecodeError as error:
            raise InvalidInput(
                f"{path or 'standard input'} is not UTF-8 text ({error.reason}); give one JSON candidate a line"
            ) from error
        except InvalidInput as error:
            raise InvalidInput(f"line {number}: {error}") from error


def check_writable(path: Path | None) -> None:
    """Insists, before any work is done, that a file can be written there.

    Raises:
        InvalidInput: its folder does not exist or may not be written to, or it is a folder itself.
    """
    if path is None:
        return
    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        why = "it is a folder" if path.is_dir() else f"the folder {folder} does not exist or may not be written to"
        raise InvalidInput(f"{path} cannot be written: {why}; name a file in a folder of yours")


def print_json(value: Any) -> None:
    """Prints one JSON object on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """Prints rows as a table, or the sentence `empty` where there are none."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(str(item) for item in row))
    if table.row_count:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = 200  # a file or a pipe has no edge to wrap at
        console.print(table)
    else:
        click.echo(empty)
