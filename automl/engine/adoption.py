"""A study that is gone on with under a space or an evaluator that were changed since, where the user wants that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.cache.store import EquivalenceCache
from automl.engine.blame import blaming
from automl.engine.identity import parts_changed
from automl.errors import InvalidInput, StudyMismatch
from automl.hashing import HASHER_VERSION
from automl.hashing.isolated import HashJobs
from automl.jsontext import canonical, parse
from automl.managing import ADOPTS
from automl.setup.space_code import changes
from automl.storage import managing
from automl.storage.bulk import chunks
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore

if TYPE_CHECKING:
    from automl.evaluators.fingerprints.describing import Description

OF_SOURCES = ("space", "evaluator")
"""What of a study's settings may be given another source."""

_BESIDE = ("evaluator_given", "evaluator_source", "evaluator_parts", "looked_at")


def adopt(
    store: StudyStore,
    record: StudyRecord,
    now: Mapping[str, Any],
    described: Description,
    jobs: HashJobs,
    namespace: str,
) -> str:
    """Gives a study and what belongs to it the space and the evaluator of today, and returns what was done.

    Args:
        store: of the study.
        record: the study, whose settings say that it may adopt.
        now: settings of the search that goes on with it.
        described: the evaluator of today.
        jobs: read candidates and find keys under the space of today.
        namespace: part of the cache.

    Raises:
        InvalidInput: a candidate cannot be read any more, or computes another function.
        StudyMismatch: the evaluator was changed, and nobody said what becomes of its figures.
    """
    if record.settings.get("rating"):
        raise InvalidInput(
            f"study {record.name!r} rates with one evaluator and decides with another; it cannot adopt a changed space "
            "or evaluator: take another study name"
        )
    if record.settings["evaluator"].get("equality", "function") != "function":
        raise InvalidInput(
            f"the evaluator of study {record.name!r} rates encodings, which its keys hold; it cannot adopt a changed "
            "space or evaluator: take another study name"
        )
    family = [record, *store.phase_studies(record.id)]
    done = []
    if record.settings["space"] != now["space"]:
        _check_candidates(store, record.name, family, jobs)
        done.append(f"its space ({changed_in_space(record.settings, now)})")
    places: dict[int, int] = {}
    found: dict[int, str] = {}
    if record.settings["evaluator"] != now["evaluator"]:
        differing = "; ".join(parts_changed(record.settings, described)) or "its settings"
        if record.settings[ADOPTS]["figures"] != "keep":
            raise StudyMismatch(
                f"the evaluator of study {record.name!r} was changed too ({differing}): if it measures what it "
                "measured before, let the study adopt it with figures='keep' (--keep-figures); else take another name"
            )
        cache = EquivalenceCache(store.database, namespace)
        for number, description in managing.contexts_of(store.database, [one.id for one in family]).items():
            old = cache.context(description)
            places[number] = cache.context({**description, "evaluator": dict(described.stands)})
            found[number] = canonical({"group": cache.fidelity_group(old), "hasher": HASHER_VERSION})
        done.append(f"its evaluator ({differing}), whose figures are kept")
    ids = [one.id for one in family]
    new = {name: now[name] for name in (*OF_SOURCES, *_BESIDE)}
    managing.adopt(store.database, ids, new, ADOPTS, places, found)
    return f"Study {record.name} goes on with what was changed: {'; '.join(done)}." if done else ""


def changed_in_space(stored: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Returns in words what differs between two spaces."""
    before, today = stored["space"], now["space"]
    if "code" in before and "code" in today and (said := changes(before["code"], today["code"])):
        return said
    return f"it was {before['target']} and is {today['target']}"


def _check_candidates(store: StudyStore, name: str, family: Sequence[StudyRecord], jobs: HashJobs) -> None:
    """Insists that the recorded candidates can be read by the space of today, and compute what they computed."""
    keys: dict[str, bytes] = {}
    for study in family:
        for trial in store.trials(study.id):
            keys.setdefault(trial.candidate, trial.key)
    other = 0
    for some in chunks(keys, 500):
        with blaming(f"the changed space cannot read what study {name} has tried", jobs.seconds * len(some)):
            try:
                candidates = [jobs.space.decode(parse(text)) for text in some]
            except InvalidInput as error:
                raise InvalidInput(
                    f"study {name!r} cannot adopt the changed space, which cannot read what it has tried: {error}; "
                    "take another study name"
                ) from error
            hashed = jobs.hash(candidates)
        other += sum(one.key != keys[text] for one, text in zip(hashed, some, strict=True))
    if other:
        raise InvalidInput(
            f"study {name!r} cannot adopt the changed space: {other:,} of its {len(keys):,} candidates compute another "
            "function there, so their figures are those of other ones; take another study name, and what is unchanged "
            "is served from the cache"
        )
