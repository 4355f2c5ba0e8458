"""Stored artefacts: which content an artefact's context holds, whether it is still there, and what it was read by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.artefacts.store import ArtefactStore
from automl.cache.store import EquivalenceCache
from automl.errors import ArtefactUnreadable, InvalidInput
from automl.evaluators.artefacts import declared_artefacts, recipe_of
from automl.evaluators.base import Evaluator
from automl.storage import artefacts as rows
from automl.storage import keeping
from automl.storage.engine import Database
from automl.storage.evaluations import DONE

KEY = bytes(16)
"""The key of every artefact: its context says all."""


@dataclass(frozen=True, slots=True)
class Made:
    """One artefact that was made.

    Attributes:
        context: Number of its context.
        digest: SHA-256 of its content, 64 hexadecimal digits.
        size: Bytes of its content.
        seconds: Seconds that making it took.
        study: Number of the study that caused the making; None if it was no study.
        why: Sentence that says why the content cannot be read; empty if it can.

    Example:
        >>> Made(1, "0" * 64, 4096, 41.0).why
        ''
    """

    context: int
    digest: str
    size: int
    seconds: float
    study: int | None = None
    why: str = ""


class StoredArtefacts:
    """Finds the artefacts of a database, and forgets those that are damaged.

    Args:
        cache: of the search.
        store: of contents.

    Example:
        >>> stored = StoredArtefacts(EquivalenceCache("sqlite:///cache.db"), ArtefactStore("kept"))
        >>> stored.find(1, "supernet") is None  # nobody has made it
        True
    """

    def __init__(self, cache: EquivalenceCache, store: ArtefactStore) -> None:
        self._database = cache.database
        self._store = store

    def find(self, context: int, name: str) -> Made | None:
        """Returns the artefact of a context; None where nobody has made it. Its content is read and compared."""
        with self._database.read() as connection:
            row = rows.evaluated(connection, context, KEY, 0)
            links = rows.artefacts_of(connection, context, KEY, 0)
        if row is None or row.state != DONE:
            return None
        for link in links:
            if link.relation == rows.MADE and link.name == name:
                digest = bytes(link.digest).hex()
                try:
                    self._store.get(digest)
                except ArtefactUnreadable as error:
                    return Made(context, digest, link.size, row.seconds, row.study, str(error))
                return Made(context, digest, link.size, row.seconds, row.study)
        return Made(context, "", 0, row.seconds, row.study, "nothing says which content it has")

    def forget(self, context: int, made: Made) -> None:
        """Lets an artefact be made again, unless somebody has done so in the meantime."""
        digest = bytes.fromhex(made.digest)
        self._database.write(lambda connection: rows.forget_made(connection, (context, KEY, 0), digest))

    def replaced(self, name: str, before: Made, now: Made) -> str:
        """Drops the evaluations that have read a content which came out otherwise now; returns what was done."""
        if before.digest == now.digest:
            return f"artefact {name} was made again, and is what it was"
        with self._database.read() as connection:
            places = rows.readers(connection, bytes.fromhex(before.digest))
        dropped = keeping.remove_evaluations(self._database, places)
        which = "evaluation that read the old one is" if dropped == 1 else "evaluations that read the old one are"
        count = f"{dropped:,} {which}"
        return f"artefact {name} was made again and came out otherwise (digest {now.digest[:12]}); {count} dropped"


def drop_readers_of_others(database: Database, context: int, reads: Mapping[int, Mapping[str, str]]) -> int:
    """Drops the evaluations in a context that have read other artefacts than those of today: ratings by two supernets
    cannot be compared.

    Args:
        database: that holds them.
        context: number of the context.
        reads: the digests of the artefacts of each replicate, by name.

    Returns:
        The number of evaluations that were dropped.

    Example:
        >>> database = Database("sqlite:///cache.db")
        >>> drop_readers_of_others(database, 1, {0: {"supernet": "00" * 32}})  # nothing has read any yet
        0
    """
    digests: dict[str, set[bytes]] = {}
    for names in reads.values():
        for name, digest in names.items():
            digests.setdefault(name, set()).add(bytes.fromhex(digest))
    with database.read() as connection:
        places = rows.readers_of_others(connection, context, digests)
    return keeping.remove_evaluations(database, places) if places else 0


def context_of_artefact(recipe: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Returns the description of an artefact's context; the kind of device stands in it where it is no CPU.

    Example:
        >>> context_of_artefact({"artefact": {"name": "supernet"}}, "cpu")
        {'artefact': {'name': 'supernet'}}
    """
    return {**recipe, **({} if device == "cpu" else {"device": device})}


def stored_digests(
    cache: EquivalenceCache, store: ArtefactStore, evaluator: Evaluator, replicate: int, device: str
) -> dict[str, str]:
    """Returns the digests of the artefacts that the evaluations of a replicate read, by name.

    Raises:
        InvalidInput: one of them has not been made, or is missing or damaged.

    Example:
        >>> from automl.testing.pools import Numbered
        >>> stored_digests(EquivalenceCache("sqlite:///cache.db"), ArtefactStore("kept"), Numbered(), 0, "cpu")
        {}
    """
    among = declared_artefacts(evaluator, replicate)
    stored, digests = StoredArtefacts(cache, store), {}
    for one in among:
        found = stored.find(cache.context(context_of_artefact(recipe_of(one, among), device)), one.name)
        if found is None or found.why:
            why = found.why if found else "nobody has made it"
            raise InvalidInput(f"artefact {one.name} is needed: {why}; `automl resume` or the same search makes it")
        digests[one.name] = found.digest
    return digests
