"""Searches that begin from known results: what their first trials are called, and how much was known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore

KNOWN, ELSEWHERE = "known", "known elsewhere"
"""The origins of first trials: the best that is known of the search's own evaluations, and what is best in others."""

BEGUN = "begun"
"""Name under which a study keeps how much was known when it began."""


def known_before(store: StudyStore, record: StudyRecord) -> list[bytes]:
    """Returns the keys of what was known before a search, or its random search with the same beginning: these classes
    are no new evaluations of theirs.
    """
    if not record.settings.get("begin_from") or record.kind not in ("search", "rating", "begun"):
        return []
    if record.settings.get("rating") is not None:
        return []  # what was known are ratings, and this study has the final evaluator's figures
    studies = [one for one in store.phase_studies(record.parent or record.id) if one.kind == "known"]
    return [one.key for study in studies for one in store.trials(study.id) if one.origin == KNOWN]


def begun_with(record: StudyRecord) -> dict[str, Any]:
    """Returns how much was known when a study began; empty where it began from nothing."""
    found: dict[str, Any] = record.settings.get("environment", {}).get(BEGUN, {})
    return found


def begun_in_words(counts: Mapping[str, Any]) -> str:
    """Returns a sentence that says what a search begins from.

    Example:
        >>> begun_in_words({"known": 812, "told": 400, "elsewhere": 5, "contexts": 2})
        'Begins from 812 known results, of which the strategy is told 400; the best 5 of 2 other contexts come first.'
        >>> begun_in_words({"known": 0, "told": 0, "elsewhere": 0, "contexts": 0})
        'Nothing is known to begin from.'
    """
    known, told, elsewhere, contexts = (int(counts.get(name, 0)) for name in ("known", "told", "elsewhere", "contexts"))
    if not known and not elsewhere:
        return "Nothing is known to begin from."
    of = f", of which the strategy is told {told:,}" if told < known else ""
    first = f"the best {elsewhere:,} of {contexts:,} other context{'' if contexts == 1 else 's'}"
    if not known:
        return f"Begins from {first}: they come first."
    also = f"; {first} come first" if elsewhere else ""
    return f"Begins from {known:,} known result{'' if known == 1 else 's'}{of}{also}."
