"""Finding parts by name: a registered name, `file.py:Name` or `module:Name`.

Third parties add a part by declaring an entry point; nothing of ours is touched for it.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import xxhash

from automl.errors import InvalidInput

Group = Literal["spaces", "schemes", "strategies", "evaluators", "tasks", "pools", "exporters"]

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
"""How a path begins on Windows: its colon separates no name."""

_SINGULAR = {
    "spaces": "space",
    "schemes": "scheme",
    "strategies": "strategy",
    "evaluators": "evaluator",
    "tasks": "task",
    "pools": "pool",
    "exporters": "exporter",
}


def names(group: Group) -> list[str]:
    """Returns the registered names of a group, sorted.

    Example:
        >>> "nasbench201" in names("spaces")
        True
    """
    return sorted({entry.name for entry in metadata.entry_points(group=f"automl.{group}")})


def load(group: Group, name: str) -> Any:
    """Imports and returns the object registered under `name`.

    Raises:
        InvalidInput: there is no such name (the message offers the nearest ones), or importing it failed.

    Example:
        >>> load("strategies", "random")
        <class 'automl.strategies.random.Random'>
        >>> load("strategies", "randon")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown strategy 'randon'; did you mean random?
    """
    found = [entry for entry in metadata.entry_points(group=f"automl.{group}") if entry.name == name]
    if not found:
        raise InvalidInput(unknown(_SINGULAR[group], name, names(group)))
    try:
        return found[0].load()
    except (ImportError, AttributeError) as error:
        raise InvalidInput(f"{_SINGULAR[group]} {name!r} ({found[0].value}) cannot be imported: {error}") from error


@dataclass(frozen=True, slots=True)
class Named:
    """Object that a name stands for, and the place where it was found.

    Attributes:
        thing: The object; the module itself if a file or module was named without an attribute.
        target: The name; the path of a file is made absolute.
        source: Hash of the file's content, 32 hexadecimal digits; None for other targets.

    Example:
        >>> Named(thing=len, target="builtins:len")
        Named(thing=<built-in function len>, target='builtins:len', source=None)
    """

    thing: Any
    target: str
    source: str | None = None


def find(group: Group, target: str) -> Named:
    """Returns what `target` names: a registered name of the group, `file.py`, `file.py:Name` or `module:Name`.

    Returns:
        A `Named` with the object, which is not called.

    Raises:
        InvalidInput: there is no such name, file, module or attribute.

    Example:
        >>> find("strategies", "automl.strategies.random:Random").thing.__name__
        'Random'
        >>> Path("mine.py").write_text("class Greedy: pass") and find("strategies", "mine.py:Greedy").thing.__name__
        'Greedy'
    """
    drive = 2 if _DRIVE.match(target) else 0
    place, colon, name = target[drive:].partition(":")
    place = target[:drive] + place
    if place.endswith(".py"):
        path = Path(place).expanduser()
        if not path.is_file():
            raise InvalidInput(
                f"no file {place!r}; give an existing Python file, a registered name or module:attribute"
            )
        source = xxhash.xxh3_128_hexdigest(path.read_bytes())
        found = _attribute_of(_load_file(path.resolve(), source), name, target)
        return Named(found, f"{path.resolve()}:{name}" if name else str(path.resolve()), source)
    if drive:
        raise InvalidInput(f"no file {place!r}; give the path of a Python file, as in {place}.py:Name")
    if colon:
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise InvalidInput(f"module {place!r} of target {target!r} cannot be imported: {error}") from error
        return Named(_attribute_of(module, name, target), target)
    return Named(load(group, target), target)


def _attribute_of(module: ModuleType, name: str, target: str) -> Any:
    try:
        return functools.reduce(getattr, name.split("."), module) if name else module
    except AttributeError:
        known = [item for item in vars(module) if not item.startswith("_")]
        raise InvalidInput(unknown(f"attribute of {target.partition(':')[0]}", name, known)) from None


class _FromSource(SourceFileLoader):
    """Compiles a file each time it is loaded.

    Python takes kept bytecode for that of a file with the same size and the same second of its last change: an edit of
    one digit, loaded at once, would run as it was before.
    """

    def path_stats(self, path: str) -> Mapping[str, Any]:
        raise OSError("no bytecode is looked for, and none is kept")


def _load_file(path: Path, source: str) -> ModuleType:
    name = f"automl_user_space_{source}"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    folder = str(path.parent)
    added = folder not in sys.path
    if added:  # so that the file can import its neighbours
        sys.path.append(folder)
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a user's file may do anything
        del sys.modules[name]
        raise InvalidInput(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def holds(group: Group, found: type) -> bool:
    """Tells whether a class is registered in a group, under any name.

    Example:
        >>> from automl.strategies.random import Random
        >>> holds("strategies", Random)
        True
    """
    return f"{found.__module__}:{found.__qualname__}" in {
        entry.value for entry in metadata.entry_points(group=f"automl.{group}")
    }


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Returns the sentence that refuses an unknown name and offers the nearest known ones.

    Example:
        >>> unknown("strategy", "evolutoin", ["evolution", "random"])
        "unknown strategy 'evolutoin'; did you mean evolution?"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"
