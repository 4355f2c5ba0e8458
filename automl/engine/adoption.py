"""A study that is gone on with under a space or an evaluator that were changed since, where the user wants that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl.cache.store import EquivalenceCache
from automl.engine.blame import blaming
from automl.engine.identity import parts_changed
from automl.engine.stage import Stage
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

OF_SOURCES = ("space", "evaluator", "rating.evaluator")
"""What of a study's settings may be given another source."""

_BESIDE = ("evaluator_given", "evaluator_source", "evaluator_parts", "looked_at")


def adopt(
    store: StudyStore,
    record: StudyRecord,
    now: Mapping[str, Any],
    deciding: Stage,
    rating: Stage | None,
    namespace: str,
) -> str:
    """Gives a study and what belongs to it the space and the evaluators of today, and returns what was done.

    Args:
        store: of the study.
        record: the study, whose settings say that it may adopt.
        now: settings of the search that goes on with it.
        deciding: the evaluator of today, with what reads candidates and finds keys under the space of today.
        rating: the same of what rates; None where nothing does.
        namespace: part of the cache.

    Raises:
        InvalidInput: a candidate cannot be read any more, or computes another function.
        StudyMismatch: an evaluator was changed, and nobody said what becomes of its figures.
    """
    before, cache = record.settings, EquivalenceCache(store.database, namespace)
    common = {name: now[name] for name in ("space", *_BESIDE)}
    if rating is not None:
        common |= {name: now[name] for name in ("rating", "rating_given")}
    # What the strategy learns from: ratings where there are any, and the known results that the search began from.
    learned = ("known", "rating") if rating is not None else ()
    family = store.phase_studies(record.id)
    rest = [record, *(one for one in family if one.kind not in (*learned, "ablation"))]
    sides = [_Side(rest, deciding, before["evaluator"], now["evaluator"], "evaluator")]
    if rating is not None:
        rated = [one for one in family if one.kind in learned]
        sides.append(_Side(rated, rating, before["rating"]["evaluator"], now["rating"]["evaluator"], "rater"))
    done: list[str] = []
    for side in sides:
        side.insist_on_functions(record.name)
        if before["space"] != now["space"]:
            _check_candidates(store, record.name, side.studies, side.stage.jobs)
    if before["space"] != now["space"]:
        done.append(f"its space ({changed_in_space(before, now)})")
    moves: list[managing.Move] = []
    for side in sides:
        if side.before == side.now:
            continue
        parts = parts_changed(before, side.stage.described) if side.stage is deciding else []
        differing = "; ".join(parts) or "its settings"
        if before[ADOPTS]["figures"] != "keep":
            raise StudyMismatch(
                f"the {side.word} of study {record.name!r} was changed too ({differing}): if it measures what it "
                "measured before, let the study adopt it with figures='keep' (--keep-figures); else take another name"
            )
        moves.append(side.move(store, cache))
        done.append(f"its {side.word} ({differing}), whose figures are kept")
    settings: dict[int, dict[str, Any]] = {}
    for one in (record, *family):
        if one.kind == "ablation":  # its figures are those of a protocol of its own, which nobody changed
            settings[one.id] = {"space": now["space"]}
        elif one.kind == "rating" and rating is not None:
            settings[one.id] = {**common, "rating": None, "evaluator": dict(rating.described.stands)}
        else:
            settings[one.id] = {**common, "evaluator": now["evaluator"]}
    managing.adopt(store.database, settings, ADOPTS, moves)
    return f"Study {record.name} goes on with what was changed: {'; '.join(done)}." if done else ""


@dataclass(frozen=True)
class _Side:
    """One of the evaluators of a search, and what it has evaluated.

    Attributes:
        studies: whose trials it has evaluated.
        stage: it as it is today, with what finds its keys.
        before, now: what stands for it in the search's settings, stored and today.
        word: for it in sentences.
    """

    studies: Sequence[StudyRecord]
    stage: Stage
    before: Mapping[str, Any]
    now: Mapping[str, Any]
    word: str

    def insist_on_functions(self, name: str) -> None:
        if self.before.get("equality", "function") != "function":
            raise InvalidInput(
                f"the {self.word} of study {name!r} rates encodings, which its keys hold; it cannot adopt a changed "
                "space or evaluator: take another study name"
            )

    def move(self, store: StudyStore, cache: EquivalenceCache) -> managing.Move:
        """Returns where its figures belong from now on; those of other evaluators, which it has only met, stay."""
        ids = [one.id for one in self.studies]
        stands = dict(self.stage.described.stands)
        places: dict[int, int] = {}
        found: dict[int, str] = {}
        for number, description in managing.contexts_of(store.database, ids).items():
            if self._is_own(description["evaluator"]):
                old = cache.context(description)
                places[number] = cache.context({**description, "evaluator": stands})
                found[number] = canonical({"group": cache.fidelity_group(old), "hasher": HASHER_VERSION})
        return managing.Move(ids, places, found)

    def _is_own(self, evaluator: Mapping[str, Any]) -> bool:
        """Tells whether a context's evaluator is the stored one, whatever the device has fixed of it."""
        today, given = self.stage.described.stands.get("settings", {}), self.now.get("settings", {})
        fixed = {name for name in {*today, *given} if today.get(name) != given.get(name)}

        def without(stands: Mapping[str, Any]) -> dict[str, Any]:
            settings = stands.get("settings", {}).items()
            return {**stands, "settings": {name: value for name, value in settings if name not in fixed}}

        return without(evaluator) == without(self.before)


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
