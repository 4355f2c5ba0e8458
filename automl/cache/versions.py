"""Which contexts hold keys of an older version of the functional hash, and which context takes their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import xxhash

from automl.behaviour import Array, Probe
from automl.cache import keys
from automl.errors import InvalidInput, one_line
from automl.hashing import HASHER_VERSION, Hasher
from automl.jsontext import canonical, stored
from automl.storage import rekeying, transfers
from automl.storage.engine import Database
from automl.storage.fidelities import at_full_fidelity

COMMAND = "automl cache rekey"


@dataclass(frozen=True)
class Outdated:
    """A context whose keys an older version of the hash made.

    Attributes:
        id, namespace, description: of the context.
        version: of the hash.
        hasher: makes the new keys: the same probe, the present version.
    """

    id: int
    namespace: str
    description: Mapping[str, Any]
    version: str
    hasher: Hasher

    @property
    def now(self) -> dict[str, Any]:
        """The description of the context in which a search of today looks."""
        return {**self.description, "hasher": self.hasher.description()}

    @property
    def mark(self) -> bytes:
        """16 bytes that stand for the hasher."""
        return mark_of(self.hasher.description())

    @property
    def mark_before(self) -> bytes:
        """16 bytes that stand for the older hasher, under which the features of the old keys are stored."""
        return mark_of(self.description["hasher"])

    @property
    def group(self) -> bytes:
        """The fingerprint that the seeds of the old context come from."""
        return keys.fingerprint(self.namespace, at_full_fidelity(self.description))

    @property
    def group_now(self) -> bytes:
        """The fingerprint that the seeds of the new context come from."""
        return keys.fingerprint(self.namespace, at_full_fidelity(self.now))

    def counted(self, key: bytes, candidate: bytes) -> bytes:
        """Returns the key that a result stands under: the function's, or one of the encoding's own.

        Args:
            key: of the function.
            candidate: digest of the encoding.
        """
        evaluator = self.description.get("evaluator")
        own = isinstance(evaluator, Mapping) and evaluator.get("equality") == "candidate"
        return keys.of_candidate(key, candidate) if own else key

    @property
    def name(self) -> str:
        """How sentences name it."""
        evaluator = self.description.get("evaluator")
        named = evaluator.get("name") if isinstance(evaluator, Mapping) else None
        return f"context {self.id}" + (f" of {named}" if isinstance(named, str) else "")


def mark_of(described: Any) -> bytes:
    """Returns 16 bytes that stand for a hasher as contexts describe it: for its version, precision and probe.

    Example:
        >>> mark_of(Hasher().description()).hex()[:8] == mark_of({"version": "1"}).hex()[:8]
        False
    """
    return xxhash.xxh3_128_digest(canonical(described).encode())


def version_of(description: Mapping[str, Any]) -> str | None:
    """Returns the version of the hash that a context's keys come from; None where they are somebody's own.

    Example:
        >>> version_of({"hasher": {"version": "1"}}), version_of({"task": "mine"})
        ('1', None)
    """
    hasher = description.get("hasher")
    found = hasher.get("version") if isinstance(hasher, Mapping) else None
    return None if found is None else str(found)


_DIGITS = 9  # of a version, at most: Python refuses to read numbers of thousands


def is_newer(version: str) -> bool:
    """Tells whether a version of the hash is one that is not known here yet."""
    return version.isdecimal() and (len(version) > _DIGITS or int(version) > int(HASHER_VERSION))


def refuse_newer(version: str) -> None:
    """Refuses keys of a version that is not known here yet.

    Raises:
        InvalidInput: it is newer than this one.
    """
    if is_newer(version):
        raise InvalidInput(
            f"its keys come from version {one_line(version, 40)} of the functional hash, and this automl has version "
            f"{HASHER_VERSION}: update automl"
        )


def outdated(database: Database) -> list[Outdated]:
    """Returns the contexts with keys of an older version whose probe is known, in the order in which they came."""
    return [
        Outdated(number, namespace, description, version, hasher)
        for number, namespace, description, version in _older(database)
        if (hasher := hasher_now(description["hasher"])) is not None
    ]


def without_probe(database: Database) -> list[int]:
    """Returns the numbers of contexts with keys of an older version that do not say what they were probed on."""
    return [number for number, _, description, _ in _older(database) if hasher_now(description["hasher"]) is None]


def _older(database: Database) -> Iterator[tuple[int, str, dict[str, Any], str]]:
    for row in transfers.contexts(database):
        description = stored(row.description)
        version = version_of(description)
        if version not in (None, HASHER_VERSION) and not is_newer(version):
            yield row.id, row.namespace, description, version


def hasher_now(described: Any) -> Hasher | None:
    """Returns the hasher of the present version with the probe of one described; None where that is not known."""
    try:
        probe = described["probe"]
        arrays = tuple(Array(**{**one, "shape": tuple(one["shape"])}) for one in probe["inputs"])
        return Hasher(Probe(**{**probe, "inputs": arrays}))
    except (TypeError, KeyError, ValueError):
        return None


def waiting_sentence(database: Database) -> str:
    """Returns what a user should know of evaluations that are not served; empty where there are none."""
    versions = {number: version for number, _, _, version in _older(database)}
    waiting = [number for number in versions if rekeying.any_pending(database, number)]
    if not waiting:
        return ""
    of = " and ".join(sorted({versions[number] for number in waiting}))
    return (
        f"evaluations in {database.url_shown} stand under keys of version {of} of the functional hash and are "
        f"not served; `{COMMAND} --storage {database.url_shown}` takes them over, and evaluates nothing"
    )
