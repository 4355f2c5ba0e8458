"""What the cache knows of functions, context by context: for searches that begin from it, and for tables of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from automl.cache.spread import belongs_to_encodings
from automl.cache.versions import mark_of
from automl.evaluators.pruning import REACHED
from automl.evidence.means import mean
from automl.jsontext import canonical
from automl.selection.objectives import Objective
from automl.storage.engine import Database
from automl.storage.known import contexts_of, ended_in
from automl.storage.records import StudyRecord

VALIDATION = "validation"
"""The part of the data whose figures may be looked at before a winner is fixed."""


@dataclass(frozen=True, slots=True)
class Known:
    """One class, as a context knows it.

    Attributes:
        key: 16 bytes.
        candidate: digest of the candidate that was evaluated.
        space: Number of the space that read it; None if nobody wrote it down.
        metrics: Mapping from metric name to mean over the replicates; empty if one of them failed.
    """

    key: bytes
    candidate: bytes
    space: int | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class KnownContext:
    """Context whose results may be looked at before a winner is fixed.

    Attributes:
        id: Number of the context.
        description: Description of the context.
        objective: What searches in it optimized; None if no search tells.
    """

    id: int
    description: Mapping[str, Any]
    objective: Objective | None

    @property
    def mark(self) -> bytes:
        """16 bytes that two contexts share if a function has one key in both; all keys of ratings are their own."""
        hasher = mark_of(self.description.get("hasher"))
        return hasher + str(self.id).encode() if belongs_to_encodings(self.description) else hasher


def known_contexts(database: Database, namespace: str | None, searches: Iterable[StudyRecord]) -> list[KnownContext]:
    """Returns the contexts of the validation part, the oldest first; without those of evaluations that stopped early.

    Args:
        database: holds them.
        namespace: Part of the cache; None for all of it.
        searches: Studies that tell what is optimized in a context, by its evaluator.
    """
    objectives = _objectives(searches)
    return [
        KnownContext(number, found, objectives.get(canonical(found.get("evaluator"))))
        for number, found in contexts_of(database, namespace)
        if found.get("part") == VALIDATION and not _stopped_early(found)
    ]


def classes_in(database: Database, context: int, replicates: int = 1) -> Iterator[Known]:
    """Yields the classes of a context in the order of their keys.

    Args:
        database: holds it.
        context: Number of the context.
        replicates: Number of the replicates of each class that are looked at, the first ones.
    """
    for key, group in groupby(ended_in(database, context, replicates), key=lambda one: one.key):
        ended = list(group)
        every = [one.metrics for one in ended if one.metrics is not None]
        metrics = {} if len(every) < len(ended) else _means(every)
        yield Known(key, ended[0].candidate, ended[0].space, metrics)


def standing(worth: Sequence[float]) -> np.ndarray:
    """Returns where each of n values stands among them: (place + ½) / n, the best first. So one alone stands at ½.

    Example:
        >>> standing([0.3, 0.9, 0.5, 0.1]).tolist()
        [0.625, 0.125, 0.375, 0.875]
    """
    places = np.empty(len(worth))
    places[np.argsort(-np.asarray(worth, dtype=float), kind="stable")] = np.arange(len(worth)) + 0.5
    return places / max(1, len(worth))


def _means(every: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    shared = [name for name in every[0] if all(name in metrics for metrics in every)]
    return {name: float(mean(metrics[name] for metrics in every)) for name in shared}


def _stopped_early(description: Mapping[str, Any]) -> bool:
    fidelity = description.get("fidelity")
    return isinstance(fidelity, Mapping) and REACHED in fidelity


def _objectives(searches: Iterable[StudyRecord]) -> dict[str, Objective]:
    found = {}
    for record in searches:
        for settings in (record.settings, record.settings.get("rating") or {}):
            if {"evaluator", "objective", "direction"} <= settings.keys():
                minimize = settings["direction"] == "minimize"
                found[canonical(settings["evaluator"])] = Objective(str(settings["objective"]), minimize)
    return found
