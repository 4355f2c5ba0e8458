"""What several commands share: options, reading of settings, tables."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automl.cli.candidates import written_candidates
from automl.cli.options import Option, option_of
from automl.engine.run_config import RunConfig
from automl.errors import InvalidInput, brief, legible
from automl.jsontext import MAX_TEXT, decoded, encoding_of, parse_foreign
from automl.settings import declared
from automl.setup.parts import PartSettings

_JSON_BEGINS = ("{", "[", '"')

storage_option = option_of(declared(RunConfig)["storage"], explicit=False)
json_option = click.option("--json", "as_json", is_flag=True, cls=Option, help="Print one JSON object for programs.")
set_option = option_of(declared(PartSettings)["settings"])


def read_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Reads KEY=VALUE pairs; values are JSON where they can be read as such, else text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InvalidInput(f"--set {brief(pair)} is not KEY=VALUE; write, for example, --set population=50")
        try:
            settings[name] = parse_foreign(text)
        except InvalidInput as error:
            if text.lstrip()[:1] in ("[", "{", '"') or len(text) > MAX_TEXT:  # it was meant as JSON
                raise InvalidInput(f"--set {brief(pair)}: {error}") from error
            settings[name] = text
    return settings


def read_candidates(path: Path | None) -> Iterator[tuple[int, Any]]:
    """Yields (line number, data) for each candidate of a file, or of standard input where `path` is None.

    A candidate is one line of JSON. A text of another notation (a genotype, a program) is handed on as it stands; it
    goes on over the next lines while a bracket is open or a function is being defined.

    Files may begin with a byte order mark; one of UTF-16 or UTF-32 is heeded.

    Raises:
        InvalidInput: the file cannot be read, or a line is too long, no text, or begins like JSON and is none; the
            line's number is named.
    """
    try:
        stream: BinaryIO = _standard_input() if path is None else path.open("rb")
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error.strerror}; give a file with one JSON candidate a line"
        ) from error
    what = str(path or "standard input")
    with closing(stream):
        for number, text in written_candidates(_texts(stream, what)):
            try:
                yield number, data_of(text)
            except InvalidInput as error:
                raise InvalidInput(f"line {number}: {error}") from error


def _standard_input() -> BinaryIO:
    given = getattr(sys.stdin, "buffer", None)
    return given if given is not None else io.BytesIO(sys.stdin.read().encode())


def _texts(stream: BinaryIO, what: str) -> Iterator[str]:
    for number, line in enumerate(_lines(stream, what), 1):
        try:
            yield line if isinstance(line, str) else decoded(line, "it")
        except InvalidInput as error:
            raise InvalidInput(f"line {number}: {str(error).partition(': ')[2]}") from error


def _lines(stream: BinaryIO, what: str) -> Iterator[str | bytes]:
    """Yields the lines of a file one by one as they come; of a file in UTF-16 or UTF-32 only once it was read whole."""
    first = _line(stream, what, 1)
    if encoding_of(first) not in ("utf-8", "utf-8-sig"):
        yield from decoded(first + stream.read(), what).splitlines()
        return
    yield first.removeprefix(codecs.BOM_UTF8)
    number = 1
    while line := _line(stream, what, number := number + 1):
        yield line


def _line(stream: BinaryIO, what: str, number: int) -> bytes:
    try:
        line = stream.readline(MAX_TEXT + 1)
    except OSError as error:
        raise InvalidInput(f"{what} cannot be read: {error.strerror}") from error
    if len(line) > MAX_TEXT:
        raise InvalidInput(f"{what}, line {number} has more than {MAX_TEXT:,} bytes; give one JSON candidate a line")
    return line


def data_of(text: str) -> Any:
    """Returns JSON data, or the text itself where it is of another notation.

    Raises:
        InvalidInput: it begins like JSON and is none.
    """
    try:
        return parse_foreign(text)
    except InvalidInput:
        if text.lstrip()[:1] in _JSON_BEGINS or "\0" in text:
            raise
        return text.strip()


def check_writable(path: Path | None) -> None:
    """Insists, before any work is done, that a file can be written there. Nothing is left behind.

    Raises:
        InvalidInput: it cannot: the folder is missing or read-only, the name is too long, or it is a folder itself.
    """
    if path is not None and (why := why_not_writable(path)):
        raise InvalidInput(f"{brief(str(path))} cannot be written: {why}; name a file in a folder of yours")


def why_not_writable(path: Path) -> str:
    """Returns why a file cannot be written, empty where it can: tried, for permissions do not say all.

    Example:
        >>> why_not_writable(Path("/no/such/folder/file.html"))
        'the folder /no/such/folder does not exist'
    """
    try:
        if path.is_dir():
            return "it is a folder"
        folder = path.resolve().parent
        if not folder.is_dir():
            return f"the folder {folder} does not exist"
        if path.exists():
            path.open("ab").close()
            return ""
        path.open("xb").close()
        path.unlink()
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", None) or str(error)).lower()
    return ""


def file_name(stem: str, ending: str) -> str:
    """Returns the name of a file that is named after a study, whatever that is called, in at most 120 bytes.

    Example:
        >>> file_name("digits/1", ".html")
        'digits-1.html'
        >>> len(file_name("x" * 500, ".html"))
        120
    """
    plain = "".join(one if one.isprintable() and one not in '/\\:*?"<>|' else "-" for one in stem)
    most = 120 - len(ending)
    if len(plain.encode()) <= most:
        return plain + ending
    mark = f"-{hashlib.blake2s(stem.encode()).hexdigest()[:8]}"
    return plain.encode()[: most - len(mark)].decode(errors="ignore") + mark + ending


def print_json(value: Any) -> None:
    """Prints one JSON object on one line, escaped where the console's encoding lacks a character."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, allow_nan=False, default=str)
    click.echo(text)


LONGEST = 300
"""Characters of a table's cell, at most."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """Prints rows as a table, or the sentence `empty` where there are none."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(legible(str(item), LONGEST)) for item in row))
    if table.row_count:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = 200  # a file or a pipe has no edge to wrap at
        console.print(table)
    else:
        click.echo(empty)
