"""Finding parts by name. Third parties add a part by declaring an entry point; nothing of ours is touched for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Literal

from automl.errors import InvalidInput

Group = Literal["spaces", "strategies", "evaluators", "tasks", "pools"]

_SINGULAR = {"spaces": "space", "strategies": "strategy", "evaluators": "evaluator", "tasks": "task", "pools": "pool"}


def names(group: Group) -> list[str]:
    """Returns the registered names of a group, sorted."""
    return sorted({entry.name for entry in metadata.entry_points(group=f"automl.{group}")})


def load(group: Group, name: str) -> Any:
    """Imports and returns the object registered under `name`.

    Raises:
        InvalidInput: no such name (the nearest ones are offered), or importing it failed.
    """
    found = [entry for entry in metadata.entry_points(group=f"automl.{group}") if entry.name == name]
    if not found:
        raise InvalidInput(unknown(_SINGULAR[group], name, names(group)))
    try:
        return found[0].load()
    except (ImportError, AttributeError) as error:
        raise InvalidInput(f"{_SINGULAR[group]} {name!r} ({found[0].value}) cannot be imported: {error}") from error


def holds(group: Group, found: type) -> bool:
    """Tells whether a class is registered in a group, under whatever name."""
    return f"{found.__module__}:{found.__qualname__}" in {
        entry.value for entry in metadata.entry_points(group=f"automl.{group}")
    }


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Returns the sentence for an unknown name, with the nearest known ones."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"
