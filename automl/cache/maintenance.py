"""Looking after a cache: what is in it, what it has saved, and thinning it out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl.cache.fidelity_groups import chosen, fidelity_groups
from automl.cache.versions import version_of
from automl.errors import InvalidInput
from automl.jsontext import stored
from automl.storage import keeping
from automl.storage.engine import Database

DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class ContextStats:
    """The numbers of classes and evaluations that are stored in one context.

    Attributes:
        id, namespace, description: which it is.
        fidelity_group: the first context that differs from this one in nothing but fidelity.
        classes: keys with an evaluation.
        replicates: successful evaluations.
        failed: facts about candidates that failed by their own fault.
        claimed, lost: evaluations under way, and such that anybody may claim again.
        audits: evaluations of a hit's own encoding.
        seconds: what all of them took.
        moved: evaluations that stand under a newer key now, and are counted there alone.

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
        """The version of the functional hash that made its keys; empty where they are somebody's own."""
        return version_of(self.description) or ""

    @property
    def evaluator(self) -> str:
        """The evaluator's name, as far as the description holds one."""
        return _name(self.description.get("evaluator"))

    @property
    def fidelity(self) -> str:
        """The settings of a cheaper evaluation, such as "epochs=3"; empty for full ones."""
        found = self.description.get("fidelity")
        if not isinstance(found, dict):
            return ""
        return ", ".join(f"{name}={json.dumps(value)}" for name, value in found.items())


@dataclass(frozen=True, slots=True)
class StudyStats:
    """The outcomes of one study's trials, and the seconds that they paid for and saved.

    Attributes:
        id, name, kind: which it is.
        space, evaluator: names from its settings, empty where there are none.
        outcomes: number of trials by outcome.
        paid_seconds: evaluation seconds that its trials caused.
        saved_seconds: what the results served from the cache would have cost.
        hash_seconds: what finding the keys took.

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
        """Trials that cost no evaluation."""
        return self.outcomes.get("hit", 0) + self.outcomes.get("joined", 0)


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What is in a cache, and how large its database is.

    Attributes:
        contexts: one entry a context, those of one fidelity group together.
        studies: one entry a study.
        size_bytes: of the whole database.

    Example:
        >>> sorted(CacheStats(contexts=[], studies=[], size_bytes=4096).as_json())
        ['contexts', 'size_bytes', 'studies']
    """

    contexts: list[ContextStats]
    studies: list[StudyStats]
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Returns the figures as JSON data. `lineage` is the key under which programs read the fidelity group."""
        found = dataclasses.asdict(self)
        for context in found["contexts"]:
            context["lineage"] = context.pop("fidelity_group")
        return found


def stats(database: Database) -> CacheStats:
    """Returns what is in the cache and what it has saved. A running study need not wait for it.

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
    return CacheStats(contexts, _studies(database), keeping.size_bytes(database))


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
    """How much `prune` removed, or would remove.

    Attributes:
        evaluations: with their results.
        classes: that had no other evaluation and no trial.
        candidates: whose JSON nothing refers to any more.
        dry_run: True where nothing was removed; classes and candidates are then not counted.

    Example:
        >>> Pruned(evaluations=120, classes=100, candidates=90, dry_run=False).sentence()
        'removed 120 evaluations, 100 classes and 90 candidates; the trials of all studies stand'
    """

    evaluations: int
    classes: int
    candidates: int
    dry_run: bool

    def sentence(self) -> str:
        """Returns it in words."""
        if self.dry_run:
            return f"{self.evaluations:,} evaluations would be removed; nothing was"
        return (
            f"removed {self.evaluations:,} evaluations, {self.classes:,} classes and {self.candidates:,} candidates; "
            "the trials of all studies stand"
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
) -> Pruned:
    """Removes evaluations. Of several conditions all must hold. Claims, and the trials of studies, always stay.

    Args:
        database: to prune; running studies go on, and evaluate again what they miss.
        older_than_days: only evaluations that ended longer ago.
        contexts: only those of these contexts.
        groups: only those of these contexts and of all that differ from them in fidelity alone.
        failed: only evaluations that failed by their candidate's own fault.
        lost: only evaluations that nobody finished.
        dry_run: count, and remove nothing.

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
    removed = keeping.remove_evaluations(database, places)
    classes, candidates = keeping.remove_unused(database)
    return Pruned(removed, classes, candidates, dry_run=False)
