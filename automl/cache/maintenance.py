"""Looking after a cache: what is in it, what it has saved, and thinning it out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from automl.artefacts.store import ArtefactStore
from automl.cache.fidelity_groups import chosen, fidelity_groups
from automl.cache.versions import version_of
from automl.errors import InvalidInput
from automl.jsontext import stored
from automl.storage import artefacts, keeping
from automl.storage.engine import Database

DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class ContextStats:
    """Number of equivalence classes and evaluations that are stored in one context.

    Attributes:
        id: Number of the context in this database.
        namespace: Name of the part of the cache that the context belongs to.
        description: JSON data that defines the context: hasher, evaluator, task, settings and fidelity.
        fidelity_group: Number of the first context that differs from this one in nothing but the fidelity.
        classes: Number of equivalence classes (keys) with at least one evaluation.
        replicates: Number of successful evaluations.
        failed: Number of evaluations that failed by the candidate's own fault; these failures are stored for the class.
        claimed: Number of evaluations that are running.
        lost: Number of evaluations whose process ended before they did; any process may run them again.
        audits: Number of evaluations that were run although a result for the key was stored, to measure false merges.
        seconds: Seconds that all these evaluations took on their workers.
        moved: Number of evaluations that `automl.rekey` moved to a newer key; they are counted under the newer key
            only.

    Example:
        >>> from automl.cache.store import EquivalenceCache
        >>> cache = EquivalenceCache("sqlite:///cache.db")
        >>> cache.get_or_evaluate(bytes(16), lambda: 0.93, context={"epochs": 3})
        0.93
        >>> [context] = stats(cache.database).contexts
        >>> context.classes, context.replicates, context.description
        (1, 1, {'epochs': 3})
    """

    id: int
    namespace: str
    description: dict[str, Any]
    fidelity_group: int
    classes: int
    replicates: int
    failed: int
    claimed: int
    lost: int
    audits: int
    seconds: float
    moved: int = 0

    @property
    def hasher(self) -> str:
        """Version of the functional hash that computed the keys; empty if a user computed them otherwise."""
        return version_of(self.description) or ""

    @property
    def evaluator(self) -> str:
        """Name of the evaluator; empty if the description has none."""
        return _name(self.description.get("evaluator"))

    @property
    def fidelity(self) -> str:
        """Settings of a cheaper evaluation, such as "epochs=3"; empty for full evaluations."""
        found = self.description.get("fidelity")
        if not isinstance(found, dict):
            return ""
        return ", ".join(f"{name}={json.dumps(value)}" for name, value in found.items())


@dataclass(frozen=True, slots=True)
class StudyStats:
    """Outcomes of one study's trials, and the evaluation seconds that the trials caused and saved.

    Attributes:
        id: Number of the study in this database.
        name: Name of the study.
        kind: Role of the study: "search", "rating", "baseline", "seconds", "confirmation", "test" or "ensemble".
        space, evaluator: Names taken from the study's settings; empty if the settings have none.
        outcomes: Mapping from outcome ("miss", "hit", "partial", "joined", "failed") to number of trials.
        paid_seconds: Seconds of the evaluations that the study's trials caused.
        saved_seconds: Seconds that the evaluations whose results came from the cache had taken.
        hash_seconds: Seconds that computing the keys took.

    Example:
        >>> outcomes = {"miss": 60, "hit": 35, "joined": 5}
        >>> StudyStats(1, "cells", "search", "nasbench201", "table", outcomes, 600.0, 400.0, 0.2).hits
        40
    """

    id: int
    name: str
    kind: str
    space: str
    evaluator: str
    outcomes: dict[str, int]
    paid_seconds: float
    saved_seconds: float
    hash_seconds: float

    @property
    def hits(self) -> int:
        """Number of trials that needed no evaluation of their own."""
        return self.outcomes.get("hit", 0) + self.outcomes.get("joined", 0)


@dataclass(frozen=True, slots=True)
class ArtefactStats:
    """Number and size of the artefacts of one name.

    Attributes:
        name: Name, such as "weights" or that of a supernet.
        count: Number of different contents.
        bytes: Bytes of all of them.

    Example:
        >>> ArtefactStats("weights", count=3, bytes=12_000)
        ArtefactStats(name='weights', count=3, bytes=12000)
    """

    name: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What is in a cache, and how large its database is.

    Attributes:
        contexts: List of `ContextStats`, one for each context, ordered so that contexts of one fidelity group are
            adjacent.
        studies: List of `StudyStats`, one for each study.
        size_bytes: Size of the whole database in bytes.
        artefacts: List of `ArtefactStats`, one for each name.

    Example:
        >>> sorted(CacheStats(contexts=[], studies=[], size_bytes=4096).as_json())
        ['artefacts', 'contexts', 'size_bytes', 'studies']
    """

    contexts: list[ContextStats]
    studies: list[StudyStats]
    size_bytes: int
    artefacts: list[ArtefactStats] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Returns the statistics as JSON data, with the fidelity group under the key `lineage`."""
        found = dataclasses.asdict(self)
        for context in found["contexts"]:
            context["lineage"] = context.pop("fidelity_group")
        return found


def stats(database: Database) -> CacheStats:
    """Returns the contents of a cache and what the cache has saved. A running study need not wait for this call.

    Returns:
        A `CacheStats`; its lists are empty for a new database.

    Example:
        >>> found = stats(Database("sqlite:///cache.db"))
        >>> found.contexts, found.studies
        ([], [])
    """
    groups = fidelity_groups(database)
    contexts = [
        ContextStats(
            row.id,
            row.namespace,
            stored(row.description),
            groups.get(row.id, row.id),
            row.classes,
            row.replicates,
            row.failed,
            row.claimed,
            row.lost,
            row.audits,
            row.seconds,
            row.moved,
        )
        for row in keeping.context_rows(database)
    ]
    contexts.sort(key=lambda item: (item.fidelity_group, item.id))
    return CacheStats(contexts, _studies(database), keeping.size_bytes(database), _artefacts(database))


def _artefacts(database: Database) -> list[ArtefactStats]:
    with database.read() as connection:
        made = artefacts.all_made(connection)
    sizes: dict[str, list[int]] = {}
    for row in made:
        sizes.setdefault(row.name, []).append(row.size)
    return [ArtefactStats(name, len(some), sum(some)) for name, some in sizes.items()]


def _studies(database: Database) -> list[StudyStats]:
    found: dict[int, StudyStats] = {}
    for row in keeping.study_rows(database):
        settings = stored(row.settings)
        before = found.get(row.id)
        found[row.id] = StudyStats(
            row.id,
            row.name,
            row.kind,
            _name(settings.get("space")),
            _name(settings.get("evaluator")),
            {**(before.outcomes if before else {}), row.outcome: row.trials},
            row.paid_seconds + (before.paid_seconds if before else 0.0),
            row.saved_seconds + (before.saved_seconds if before else 0.0),
            row.hash_seconds + (before.hash_seconds if before else 0.0),
        )
    return list(found.values())


def _name(part: Any) -> str:
    if isinstance(part, dict):
        part = part.get("name", part.get("target", ""))
    return part if isinstance(part, str) else ""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Number of evaluations, classes and candidates that `prune` removed, or would remove.

    Attributes:
        evaluations: Number of evaluations removed, together with their results.
        classes: Number of equivalence classes removed because no other evaluation and no trial belonged to them.
        candidates: Number of stored candidates removed because nothing refers to their JSON any more.
        dry_run: True if nothing was removed; `classes`, `candidates` and `features` are then not counted.
        features: Number of classes whose features were removed because no evaluation and no trial belongs to them; a
            search computes them again if it needs them.
        artefacts: Number of contents removed because no evaluation has left or read them any more.

    Example:
        >>> Pruned(evaluations=120, classes=100, candidates=90, dry_run=False).sentence()
        'removed 120 evaluations, 100 classes and 90 candidates; the trials of all studies stand'
    """

    evaluations: int
    classes: int
    candidates: int
    dry_run: bool
    features: int = 0
    artefacts: int = 0

    def sentence(self) -> str:
        """Returns the numbers as a sentence."""
        if self.dry_run:
            return f"{self.evaluations:,} evaluations would be removed; nothing was"
        contents = f" and {self.artefacts:,} artefacts" if self.artefacts else ""
        return (
            f"removed {self.evaluations:,} evaluations, {self.classes:,} classes and {self.candidates:,} candidates"
            f"{contents}; the trials of all studies stand"
        )


def prune(
    database: Database,
    *,
    older_than_days: float | None = None,
    contexts: Sequence[int] = (),
    groups: Sequence[int] = (),
    failed: bool = False,
    lost: bool = False,
    dry_run: bool = False,
    store: ArtefactStore | None = None,
) -> Pruned:
    """Removes evaluations that meet all given conditions. Running evaluations and the trials of studies always stay.

    Args:
        database: Open database. Running studies continue, and evaluate again what they no longer find.
        older_than_days: If given, only evaluations that ended more than this many days ago.
        contexts: Numbers of contexts; if any are given, only evaluations in these contexts.
        groups: Numbers of contexts; if any are given, only evaluations in these contexts and in all contexts that
            differ from one of these in fidelity alone.
        failed: If True, only evaluations that failed by their candidate's own fault.
        lost: If True, only evaluations whose process ended before they did.
        dry_run: If True, count what would be removed and remove nothing.
        store: Where the database's artefacts are kept; if given, contents that only the removed evaluations have left
            or read are removed too. Another database that shares the place makes its own again when it needs them.

    Returns:
        A `Pruned` with the numbers removed; all are 0 if no evaluation meets the conditions.

    Raises:
        InvalidInput: no condition was given, or a context does not exist.

    Example:
        >>> database = Database("sqlite:///cache.db")
        >>> prune(database, older_than_days=90, dry_run=True).sentence()
        '0 evaluations would be removed; nothing was'
        >>> prune(database)
        Traceback (most recent call last):
        automl.errors.InvalidInput: prune needs to know what: give an age, a context, failed or lost
    """
    if older_than_days is None and not contexts and not groups and not failed and not lost:
        raise InvalidInput("prune needs to know what: give an age, a context, failed or lost")
    if older_than_days is not None and older_than_days < 0:
        raise InvalidInput(f"older_than_days={older_than_days}: it must be 0 or more")
    contexts = chosen(database, contexts, groups)
    older = None if older_than_days is None else older_than_days * DAY_SECONDS
    places = keeping.prunable(database, older_than=older, contexts=contexts, failed=failed, lost=lost)
    if dry_run:
        return Pruned(len(places), 0, 0, dry_run=True)
    linked = _contents_of(database, places) if store is not None else set()
    removed = keeping.remove_evaluations(database, places)
    classes, candidates, features = keeping.remove_unused(database)
    with database.read() as connection:
        unused = linked - artefacts.known(connection, sorted(linked))
    for digest in unused:
        assert store is not None
        store.remove(digest.hex())
    return Pruned(removed, classes, candidates, dry_run=False, features=features, artefacts=len(unused))


def _contents_of(database: Database, places: Sequence[tuple[int, bytes, int]]) -> set[bytes]:
    """Returns the digests of what the evaluations at these places have left or read."""
    wanted = set(places)
    with database.read() as connection:
        return {
            bytes(link.digest)
            for context in sorted({place[0] for place in places})
            for link in artefacts.links_in(connection, context)
            if (context, bytes(link.key), link.replicate) in wanted
        }
