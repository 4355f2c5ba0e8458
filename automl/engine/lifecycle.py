"""A search's study as a stored row: created, found again, reserved under a free name, given a wider budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from automl.cache.versions import COMMAND, version_of
from automl.engine.adoption import OF_SOURCES
from automl.engine.config import UNKNOWN_BEFORE, StudyConfig, differences, environment
from automl.engine.continuing import grown
from automl.engine.identity import looked_at, parts_changed
from automl.errors import InvalidInput, StudyExists, StudyMismatch
from automl.evaluators.base import Evaluator
from automl.evaluators.fingerprints.describing import Description
from automl.hashing import HASHER_VERSION, Hasher
from automl.managing import ADOPTS, OF_KEEPING, stop_adopting
from automl.setup.parts import Parts, rungs_of
from automl.storage.records import StudyRecord
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore


class Lifecycle:
    """What is stored of one run of a search, before and after its trials.

    Args:
        parts: of the search.
        config: of this run.
        store: of studies.
        evaluator: as it runs on the pool's device.
        described: the same, as it was when the search was set up.
        hasher: of the search.
        hardware: what the pool's workers compute on.
        wider: bounds of the budget that `extend` writes instead of the stored ones.

    Attributes:
        adopter: gives a stored study that may adopt them the space and evaluator of today; None refuses.
    """

    def __init__(
        self,
        parts: Parts,
        config: StudyConfig,
        store: StudyStore,
        evaluator: Evaluator,
        described: Description,
        hasher: Hasher,
        hardware: Sequence[str],
        wider: Mapping[str, Any] | None = None,
    ) -> None:
        self.parts = parts
        self.config = config
        self.store = store
        self.evaluator = evaluator
        self.described = described
        self.hasher = hasher
        self.hardware = hardware
        self.wider = dict(wider or {})
        self.adopter: Callable[[StudyRecord, Mapping[str, Any]], None] | None = None

    def settings(self) -> dict[str, Any]:
        """Returns what is stored of the study."""
        return {
            **self.parts.identity(),
            **self.config.settings(),
            "evaluator_given": self.parts.evaluator_given,
            **({"rating_given": self.parts.rating.given} if self.parts.rating else {}),
            "evaluator_source": self.described.source,
            "evaluator_parts": dict(self.parts.described.read.parts),
            "looked_at": looked_at(self.described, self.parts.reference.code),
            "environment": {**environment(), "workers": list(self.hardware)},
            "hasher": dict(self.hasher.description()),
            **self._fidelity_settings(),
        }

    def _fidelity_settings(self) -> dict[str, Any]:
        return {} if self.parts.rating else fidelity_settings(self.parts, self.evaluator)

    def create_or_find(self, name: str) -> StudyRecord:
        """Returns the study to run.

        Raises:
            InvalidInput: the name stands for several runs.
            StudyMismatch: a study of this name has other settings; each difference is named.
            InvalidInput: its keys come from an older version of the hash, and `automl cache rekey` has to come first.
        """
        self.check_runs(name, None)
        return self._find(name) or self.store.create(name, "search", self.settings())

    def check_runs(self, name: str, wanted: int | None) -> None:
        """Refuses a name that stands for a single study, or for other runs than these.

        Args:
            name: of the search.
            wanted: number of runs; None for a single study.

        Raises:
            InvalidInput: it does.
        """
        stored = self.store.runs(name)
        if wanted is None and stored:
            raise InvalidInput(
                f"study {name!r} has {len(stored)} runs; go on with all of them (`automl resume {name}`), "
                "or take another name"
            )
        if wanted is not None and self.store.find(name) is not None:
            raise InvalidInput(f"study {name!r} exists and runs once; take another name for several runs")
        if wanted is not None and len(stored) > wanted:
            raise InvalidInput(f"study {name!r} has {len(stored)} runs already, more than {wanted}; ask for as many")

    def check(self, name: str) -> None:
        """Raises what `create_or_find` would raise of a stored study, and writes nothing."""
        self._find(name)

    def create_or_find_all(self, name: str, runs: Sequence[tuple[str, Lifecycle]]) -> list[StudyRecord]:
        """Returns the studies of several runs; those that are not there yet are stored together.

        Raises:
            InvalidInput: the name stands for a single study, or for more runs than these.
            StudyMismatch: a run has other settings; each difference is named.
        """
        self.check_runs(name, len(runs))
        found = {own: lifecycle._find(own) for own, lifecycle in runs}
        new = [(own, lifecycle.settings()) for own, lifecycle in runs if found[own] is None]
        made = {record.name: record for record in self.store.create_many(new, "search")}
        return [found[own] or made[own] for own, _ in runs]

    def _find(self, name: str) -> StudyRecord | None:
        record = self.store.find(name)
        if record is None:
            return None
        if (version := version_of(record.settings)) not in (None, HASHER_VERSION):
            if record.state == "finished" and not self.wider:
                return record  # there is nothing to do, and it was found as it was
            again = f" --study {record.name}" if record.state == "finished" else ""
            raise InvalidInput(
                f"study {name!r} was searched under version {version} of the functional hash, and this automl has "
                f"version {HASHER_VERSION}; `{COMMAND}{again} --storage {self.store.database.url_shown}` gives it new "
                "keys, and then it can be continued"
            )
        never = (
            *("environment", "evaluator_given", "rating_given", "evaluator_source", "evaluator_parts", "looked_at"),
            *OF_KEEPING,
            *self.wider,
        )
        now = {**self.settings(), "space": self.parts.reference.identity_as(record.settings["space"])}
        differing = differences(
            {key: value for key, value in {**UNKNOWN_BEFORE, **record.settings}.items() if key not in never},
            {key: value for key, value in now.items() if key not in never},
        )
        sources = [one for one in differing if one.startswith(OF_SOURCES)]
        adopts = self.adopter if ADOPTS in record.settings else None
        if differing and adopts is not None and len(sources) == len(differing):
            adopts(record, now)
            return self.store.by_id(record.id)
        if differing:
            differing += parts_changed(record.settings, self.parts.described)
            ways = "take another name, or the same settings to go on with it"
            if sources and (given := settings_before(record.settings, now)):
                ways = (
                    "take another name (what is unchanged is served from the cache), or set "
                    f"{' and '.join(given)} as before to go on with it"
                )
            elif sources:
                ways = (
                    "take another name (what is unchanged is served from the cache), go on with its old source, "
                    f"or let it go on with this one: automl.Study.open({name!r}).adopt(), or "
                    f"`automl studies adopt {name}`"
                )
            raise StudyMismatch(f"study {name!r} exists with other settings ({'; '.join(differing)}); {ways}")
        if adopts is not None:
            stop_adopting(
                self.store.database, record
            )  # there was nothing to take over: it was for this search, and for no later one
            return self.store.by_id(record.id)
        return record

    def reserve(self, runs_of: Callable[[str], Sequence[tuple[str, Lifecycle]]]) -> str:
        """Stores a search under a name that no study has; of several processes at one time each gets its own.

        Args:
            runs_of: what is stored under a name, each with the name of its own.
        """
        while True:
            name = self.free_name()
            with suppress(StudyExists):
                self.store.create_many([(own, lifecycle.settings()) for own, lifecycle in runs_of(name)], "search")
                return name

    def free_name(self) -> str:
        """Returns a name that no study has."""
        stem, number = stem_of(self.parts), 1
        while self.store.find(f"{stem}-{number}") is not None or self.store.runs(f"{stem}-{number}"):
            number += 1
        return f"{stem}-{number}"

    def extend(self, records: Sequence[StudyRecord], say: Callable[[str], None]) -> list[StudyRecord]:
        """Gives studies the wider budget, all or none of them, and returns them as they are stored then.

        Args:
            records: the study, or all runs of it.
            say: is told in a sentence what was done.

        Raises:
            StudyBusy: a living process coordinates one of them.
        """
        if not self.wider:
            return list(records)
        session = Session(self.store.database)
        try:
            for record in records:
                self.store.coordinate(record.id, session.id)
            self.store.reopen([(record.id, {**record.settings, **self.wider}) for record in records])
            first = records[0]
            say(
                grown(
                    first.name if len(records) == 1 else first.settings["repeat"]["study"], first.settings, self.wider
                )
            )
        finally:
            for record in records:
                self.store.release(record.id, session.id)
            session.close()
        return [found for record in records if (found := self.store.find(record.name)) is not None]


def settings_before(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns the settings of space and evaluator that are others now, with their stored values, such as "epochs=1".

    Empty where anything else differs too, such as source: then no setting would bring the study back.

    Example:
        >>> before = {"evaluator": {"name": "own", "settings": {"epochs": 1, "code": "3fa2"}}}
        >>> settings_before(before, {"evaluator": {"name": "own", "settings": {"epochs": 2, "code": "3fa2"}}})
        ['epochs=1']
        >>> settings_before(before, {"evaluator": {"name": "own", "settings": {"epochs": 2, "code": "90be"}}})
        []
    """
    found = []
    for part in OF_SOURCES:
        one, other = (dict(each.get(part) or {}) for each in (stored, now))
        before, after = one.pop("settings", {}), other.pop("settings", {})
        if one != other:
            return []
        for name in sorted({*before, *after}):
            old, new = before.get(name), after.get(name)
            if old == new:
                continue
            if name == "code" or not isinstance(old, int | float | str):
                return []
            found.append(f"{name}={old}")
    return found


def stem_of(parts: Parts) -> str:
    """Returns what names of studies begin with that were given none."""
    target = parts.reference.target
    return target.rpartition("/")[2].replace(".py", "").replace(":", "-") if target else parts.space.kind


def fidelity_settings(parts: Parts, evaluator: Evaluator) -> dict[str, Any]:
    """Returns what is stored of the fidelities that a strategy asks for; empty for full evaluations only."""
    rungs = [{"share": rung.share, "settings": dict(rung.settings)} for rung in rungs_of(parts)]
    # "carries" is the name under which older studies stored it.
    return {"fidelities": {"rungs": rungs, "carries": evaluator.resumable}} if rungs else {}
