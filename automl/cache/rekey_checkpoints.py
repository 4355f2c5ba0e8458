"""Checkpoints follow the evaluations that left them, where these stand under new keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from automl.cache.versions import Outdated
from automl.evaluators import checkpoints
from automl.storage import rekeying
from automl.storage.engine import Database


def rekey_checkpoints(database: Database, folder: str | None, contexts: Sequence[Outdated]) -> int:
    """Moves the checkpoints of evaluations that have new keys, and returns how many.

    A state belongs to a seed. Where two fidelities have given the same run different numbers, nobody could tell which
    seed the next evaluation would get: such a checkpoint stays, and that evaluation starts from its beginning.

    Args:
        database: holds the evaluations.
        folder: of all checkpoints; None where there are none.
        contexts: old ones.
    """
    groups: dict[bytes, list[Outdated]] = defaultdict(list)
    for context in contexts:
        groups[context.group].append(context)
    moved = 0
    for group, some in groups.items():
        old = str(Path(folder) / group.hex()) if folder else ""
        names = checkpoints.names_in(old) if old and Path(old).is_dir() else {}
        if names:
            places = _places(database, some)
            found = {name: places[place] for name, place in names.items() if place in places}
            moved += checkpoints.move(old, str(Path(old).parent / some[0].group_now.hex()), found)
    return moved


def _places(database: Database, contexts: Sequence[Outdated]) -> dict[tuple[bytes, int], tuple[bytes, int]]:
    """Returns the new key and replicate of each run, by its old ones, where all fidelities agree on them."""
    now: dict[tuple[bytes, int], set[tuple[bytes, int]]] = defaultdict(set)
    seeds: dict[tuple[bytes, int], set[int]] = defaultdict(set)
    for context in contexts:
        for row in rekeying.copies(database, context.id):
            now[row.old_key, row.old_replicate].add((row.key, row.replicate))
            seeds[row.key, row.replicate].add(row.seed)
    return {old: place for old, (place, *others) in now.items() if not others and len(seeds[place]) == 1}
