"""Rank agreement between seeds and between fidelities, from whatever replicates the cache holds."""

from __future__ import annotations

from collections.abc import Sequence

from automl.cache.store import EquivalenceCache
from automl.evidence import agreement_between
from automl.evidence.means import mean
from automl.report.data import Ranks
from automl.report.reading.stream import Reading
from automl.selection.ranking import RANDOM_SAMPLE
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.studies import StudyStore

RANKED = 2000
"""Classes that an agreement is computed from, at most."""

ENOUGH = 3
"""Classes without which an agreement says nothing."""


def rankings(
    store: StudyStore,
    cache: EquivalenceCache,
    record: StudyRecord,
    search: Reading,
    tested: Sequence[TrialRecord],
    objective: str,
    *,
    held_out: bool = True,
) -> list[Ranks]:
    """Compares two seeds wherever classes have two, in the search and in the tested random sample, and each cheaper
    fidelity with full evaluations wherever classes have both.

    Winners are left out of the second: among the best of many, little but noise is left to rank.

    Args:
        store: of the study.
        cache: in the study's namespace.
        record: the study.
        search: its trials.
        tested: its test study's trials.
        objective: the metric that ranks.
        held_out: whether the evaluator has a test part.
    """
    found = []
    if search.part.best is not None:
        (latest,) = store.trials_at(record.id, search.columns.places(search.part.best.key)[-1:])
        own = latest.context
        if max(search.columns.replicates, default=0) > 1:
            wanted = [place for place, count in enumerate(search.columns.replicates) if count > 1]
            wanted = wanted[:: len(wanted) // RANKED + 1]
            keys = [trial.key for trial in store.trials_at(record.id, wanted[:RANKED])]
            found.append(_seeds(cache, "two seeds, search, validation part", own, keys, objective))
        found += _fidelities(cache, own, objective)
    sample = [item for item in tested if item.origin == RANDOM_SAMPLE]
    if sample:
        keys = [item.key for item in sample]
        found.append(
            _seeds(
                cache,
                f"two seeds, random sample{', test part' if held_out else ''}",
                sample[0].context,
                keys,
                objective,
            )
        )
    return [item for item in found if item.agreement.pairs >= ENOUGH]


def _seeds(cache: EquivalenceCache, what: str, context: int, keys: list[bytes], objective: str) -> Ranks:
    values = _values(cache, context, keys, objective)
    first, second = ({key: of[place] for key, of in values.items() if len(of) > 1} for place in (0, 1))
    return Ranks(what, agreement_between(first, second))


def _fidelities(cache: EquivalenceCache, context: int, objective: str) -> list[Ranks]:
    fidelities = cache.fidelities(context)
    full = next((place for place, fidelity in fidelities.items() if not fidelity), None)
    found = []
    for place, fidelity in fidelities.items():
        if full is not None and fidelity:
            keys = cache.classes_in_both(place, full, RANKED)
            words = ", ".join(f"{name}={value}" for name, value in fidelity.items())
            one, other = (_means(cache, context, keys, objective) for context in (place, full))
            found.append(Ranks(f"{words} and full evaluations, classes that had both", agreement_between(one, other)))
    return found


def _means(cache: EquivalenceCache, context: int, keys: list[bytes], objective: str) -> dict[bytes, float]:
    values = _values(cache, context, keys, objective)
    return {key: mean(of) for key, of in values.items() if of}


def _values(cache: EquivalenceCache, context: int, keys: list[bytes], objective: str) -> dict[bytes, list[float]]:
    return {
        key: [float((item.metrics or {})[objective]) for item in results if objective in (item.metrics or {})]
        for key, results in cache.replicates(context, keys).items()
    }
