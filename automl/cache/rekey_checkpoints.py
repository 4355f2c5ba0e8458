"""Checkpoints follow the evaluations that left them, where these stand under new keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from automl.cache.versions import Outdated
from automl.evaluators import checkpoints
from automl.evaluators.checkpoints import Named
from automl.evaluators.places import place
from automl.storage import rekeying
from automl.storage.engine import Database


def rekey_checkpoints(database: Database, folder: str | None, contexts: Sequence[Outdated]) -> int:
    """Moves the checkpoints of evaluations that have new keys, and returns how many.

    A state belongs to a seed, which its new name says: an evaluation that gets another one starts from its beginning.
    Where two fidelities evaluated different candidates of a class that splits, nobody could tell which of them left the
    state; it stays.

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
        old = str(place(folder) / group.hex()) if folder else ""
        names = checkpoints.names_in(old) if old and place(old).is_dir() else {}
        if names:
            places = _places(database, some, set(names.values()))
            found = {name: places[named] for name, named in names.items() if named in places}
            moved += checkpoints.move(old, str(place(old).parent / some[0].group_now.hex()), found)
    return moved


def _places(database: Database, contexts: Sequence[Outdated], named: set[Named]) -> dict[Named, tuple[bytes, int]]:
    """Returns the new key and the seed of what left each state, where all fidelities agree on them."""
    now: dict[Named, set[tuple[bytes, int]]] = defaultdict(set)
    keys = {one.key for one in named}
    for context in contexts:
        for row in rekeying.copies(database, context.id, keys):
            for one in (Named(row.old_key, row.seed, True), Named(row.old_key, row.old_replicate, False)):
                if one in named:
                    now[one].add((row.key, row.seed))
    return {one: where for one, (where, *others) in now.items() if not others}
