"""The text that names a task: a registered name, a file of Python, arrays or a table, a folder of images."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from automl import registry
from automl.data.arrays import from_npz
from automl.data.images import from_images
from automl.data.tables import from_table
from automl.errors import InvalidInput
from automl.evaluators.parts import AnyTask

_TABLES = (".csv", ".tsv", ".parquet", ".pq")
_OF_TABLES = ("group", "time", "part", "leave_out", "name")


def names_file(text: str) -> bool:
    """Tells whether the text of a task names a file or a folder.

    Example:
        >>> names_file("data.csv:target"), names_file("digits")
        (True, False)
    """
    place, _ = _divided(text)
    folder = any(mark in place for mark in ("/", os.sep))
    return Path(place).suffix.lower() in (*_TABLES, ".npz", ".py") or folder


def absolute(text: str) -> str:
    """Returns the text with the path of its file made absolute, so that it means the same in every folder.

    Example:
        >>> absolute("digits")
        'digits'
    """
    if not names_file(text):
        return text
    place, rest = _divided(text)
    return f"{Path(place).expanduser().resolve()}{rest}"


def load(text: str) -> AnyTask:
    r"""Returns the task that a text names.

    - `digits`: a registered name.
    - `mine.py:task`: a task, or a function that returns one, in a file of Python; `module:name` too.
    - `data.npz`: arrays `x_train`, `y_train`, …; or `x` and `y`, which are split.
    - `data.csv:target`, `.tsv`, `.parquet`: a table and the column of its target, several by commas;
      `data.csv:target?group=patient` (or time, part, leave_out, name) as in `from_frame`.
    - `images/`: a folder with one folder a class; `images/?size=32`.

    Raises:
        InvalidInput: there is no such task, or its data are no task.

    Example:
        >>> _ = Path("houses.csv").write_text("rooms,price\n" + "".join(f"{n},{n / 2}\n" for n in range(20)))
        >>> load("houses.csv:price").name
        'houses'
        >>> load("houses.csv")
        Traceback (most recent call last):
        automl.errors.InvalidInput: task 'houses.csv' names no target; its columns are rooms, price: houses.csv:price
    """
    place, rest = _divided(text)
    path, ending = Path(place).expanduser(), Path(place).suffix.lower()
    if ending in (*_TABLES, ".npz") and not path.is_file():
        raise InvalidInput(f"no file {place!r}; give the path of the file of the task")
    if ending in _TABLES:
        return _table(text, path, rest)
    if ending == ".npz":
        return from_npz(path)
    if names_file(text) and ending != ".py":
        given = dict(parse_qsl(rest.partition("?")[2]))
        if set(given) - {"size"} or not given.get("size", "1").isdigit():
            raise InvalidInput(f"task {text!r}: a folder of images takes ?size=PIXELS")
        return from_images(path, size=int(given["size"]) if given else None)
    found = registry.find("tasks", text).thing
    return _called(found, text)


def _called(found: Any, text: str) -> AnyTask:
    made = found
    if not isinstance(found, AnyTask):
        if not callable(found) or inspect.isclass(found):
            raise InvalidInput(f"task {text!r} is {found!r}; name an automl.Task, or a function that returns one")
        try:
            made = found()
        except TypeError as error:
            raise InvalidInput(f"task {text!r}: {error}; a function of a task takes no arguments") from error
    if not isinstance(made, AnyTask):
        raise InvalidInput(f"task {text!r} gives {type(made).__name__}; let it return an automl.Task")
    return made


def _table(text: str, path: Path, rest: str) -> AnyTask:
    target, _, query = rest.removeprefix(":").partition("?")
    if not target:
        import pandas as pd

        columns = list(pd.read_csv(path, nrows=0).columns) if path.suffix.lower() == ".csv" else ["its columns"]
        raise InvalidInput(
            f"task {text!r} names no target; its columns are {', '.join(map(str, columns))}: {path}:{columns[-1]}"
        )
    given: dict[str, Any] = dict(parse_qsl(query))
    for name in given:
        if name not in _OF_TABLES:
            raise InvalidInput(registry.unknown("setting of a table", name, _OF_TABLES))
    if "leave_out" in given:
        given["leave_out"] = given["leave_out"].split(",")
    targets = target.split(",")
    return from_table(path, targets[0] if len(targets) == 1 else targets, **given)


def _divided(text: str) -> tuple[str, str]:
    """Divides a text into a path and what stands after it, a colon or a question mark first."""
    drive = 2 if text[1:2] == ":" and text[2:3] in ("\\", "/") else 0
    places = [place for mark in ":?" if (place := text.find(mark, drive)) >= 0]
    cut = min(places) if places else len(text)
    return text[:cut], text[cut:]
