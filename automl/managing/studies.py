"""Studies kept in order: renamed, deleted, put away, merged, copied to another database, and given another source."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from automl.artefacts.store import ArtefactStore
from automl.errors import ArtefactUnreadable, InvalidInput, brief
from automl.selection.beginnings import BEGUN
from automl.selection.contest import COMPARED, EXPECTED, LOOKS
from automl.storage import managing
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore

MAX_NAME = 1000
"""Characters of a study's name or of a namespace, at most: an import takes no longer ones either."""

Figures = Literal["keep"]
"""What becomes of figures that an evaluator measured before it was changed."""

ARCHIVED = "archived"
ADOPTS = "adopts"
PAUSED = "paused"
"""Names in a study's settings that say how it is kept and change no trial."""

OF_KEEPING = (ARCHIVED, ADOPTS, PAUSED)

_MAY_DIFFER = frozenset(
    {"seed", "strategy", "window", "asynchronous", "trials", "evaluations", "hours", "until", "enqueue", "repeat"}
    | {"begin_from"}
    | {"baseline", "finalists", "front", "confirm", "test_seeds", "sample", "environment", "looked_at"}
    | {"evaluator_given", "evaluator_source", "evaluator_parts", *OF_KEEPING}
)
"""What two studies that are merged may have set in different ways: it changes no figure of a trial."""


def check_name(name: str | None) -> None:
    """Refuses a study's name that is empty or contains a slash, which marks names of a study's runs and phases.

    Raises:
        InvalidInput: the name is empty, longer than `MAX_NAME`, holds a slash, or is text that cannot be stored and
            shown.

    Example:
        >>> check_name("cells")
        >>> check_name("cells/1")
        Traceback (most recent call last):
        automl.errors.InvalidInput: study 'cells/1': give a name without a slash (NAME/random, NAME/test and ...
    """
    if name is not None and ("\0" in name or any("\ud800" <= one <= "\udfff" for one in name)):
        raise InvalidInput(f"study {brief(name)}: the name is not UTF-8 text, or holds a NUL; take another name")
    if name is not None and len(name) > MAX_NAME:
        raise InvalidInput(f"study {brief(name, 60)}: the name has {len(name):,} characters; take at most {MAX_NAME}")
    if name is not None and (not name.strip() or "/" in name):
        raise InvalidInput(
            f"study {name!r}: give a name without a slash (NAME/random, NAME/test and NAME/1 belong to the study NAME)"
        )


def rename(database: Database, records: Sequence[StudyRecord], old: str, new: str) -> None:
    """Gives a search another name, with all its runs and phases.

    Raises:
        StudyExists: the name is taken.
        StudyBusy: a living process runs the search.
    """
    if old == new:
        raise InvalidInput(f"study {old!r} has that name already; give another one")
    managing.rename(database, [record.id for record in records], old, new)


def delete(database: Database, records: Sequence[StudyRecord]) -> int:
    """Deletes a search with its runs, phases and trials. What was evaluated stays in the cache.

    Returns:
        The number of trials that were deleted, those of all phases.

    Raises:
        StudyBusy: a living process runs the search.
    """
    return managing.delete(database, [record.id for record in records])


def archive(database: Database, records: Sequence[StudyRecord], archived: bool) -> None:
    """Puts a search away, so that lists leave it out, or takes it out again. Nothing else of it changes.

    Raises:
        StudyBusy: a living process runs the search.
    """

    def change(settings: dict[str, Any]) -> dict[str, Any]:
        settings.pop(ARCHIVED, None)
        return {**settings, **({ARCHIVED: True} if archived else {})}

    managing.write_settings(database, [record.id for record in records], change)


def pause(database: Database, records: Sequence[StudyRecord], paused: bool, now: bool = False) -> None:
    """Asks whoever runs a search to pause it, or to go on, see `Study.pause`."""

    def change(settings: dict[str, Any]) -> dict[str, Any]:
        settings.pop(PAUSED, None)
        return {**settings, **({PAUSED: {"now": now}} if paused else {})}

    managing.write_settings(database, [record.id for record in records], change, running=True)


def let_adopt(database: Database, records: Sequence[StudyRecord], figures: Figures | None) -> None:
    """Lets the next search of this name take over another source of space and evaluator, see `Study.adopt`.

    Raises:
        StudyBusy: a living process runs the search.
    """
    if figures not in (None, "keep"):
        raise InvalidInput(f"figures={figures!r}: it must be 'keep', or be left out")
    allowed = {"figures": figures}
    managing.write_settings(database, [record.id for record in records], lambda settings: {**settings, ADOPTS: allowed})


def stop_adopting(database: Database, record: StudyRecord) -> None:
    """Takes back that a study may take over another source: the search that it was allowed to has come."""

    def change(settings: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in settings.items() if name != ADOPTS}

    managing.write_settings(database, [record.id], change)


def copy(database: Database, records: Sequence[StudyRecord], old: str, storage: str, new: str) -> tuple[int, int]:
    """Copies a search with its runs, phases, trials, evaluations and their artefacts into another database.

    Returns:
        Numbers of trials and of evaluations that were added there.

    Raises:
        StudyExists: the name is taken there.
    """
    ids = [record.id for record in records]
    with database.read() as connection:
        names = {row.name: f"{new}{row.name[len(old) :]}" for row in managing.family(connection, ids)}
    target = Database(storage)
    try:
        if target.url == database.url and new == old:
            raise InvalidInput(
                f"study {old!r} is in that database already; give the copy another name, or another place"
            )
        trials, evaluations, digests = managing.copy(database, target, ids, names)
        if new != old:
            found = [one for name in names.values() if (one := StudyStore(target).find(name)) is not None]
            managing.write_settings(target, [one.id for one in found], lambda settings: _renamed(settings, old, new))
        _copy_contents(database, target, records[0].settings, digests)
        return trials, evaluations
    finally:
        target.close()


def _copy_contents(source: Database, target: Database, settings: Mapping[str, Any], digests: Sequence[str]) -> None:
    """Copies artefacts that lie beside a database to the other one's; what lies elsewhere is found from both."""
    noted = settings.get("environment", {}).get("artefacts")
    here, there = source.beside("artefacts"), target.beside("artefacts")
    if isinstance(noted, str) or here is None or there is None or here == there:
        return
    kept, place = ArtefactStore(here), ArtefactStore(there)
    for digest in digests:
        with contextlib.suppress(ArtefactUnreadable):  # what is lost is trained again, here and there
            place.put(kept.get(digest))


def _renamed(settings: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    repeat = settings.get("repeat")
    return {**settings, "repeat": {"caches": old, **repeat, "study": new}} if repeat else settings


def merge(database: Database, records: Sequence[StudyRecord], name: str) -> StudyRecord:
    """Adds a search with the trials of several. They stay as they are.

    Args:
        database: holds them.
        records: of searches of one space, evaluator and objective, at least two.
        name: of the new search.

    Raises:
        InvalidInput: they differ in what makes figures comparable; each difference is named.
        StudyExists: the name is taken.
    """
    if len({record.id for record in records}) < 2:
        raise InvalidInput("give at least two studies to be merged")
    first = records[0]
    for other in records[1:]:
        if differing := _differing(first.settings, other.settings):
            raise InvalidInput(
                f"studies {first.name!r} and {other.name!r} cannot be merged: they differ in {', '.join(differing)}"
            )
    trials = sum(_proposed(database, record) for record in records)
    budget = {"trials": max(1, trials), "evaluations": None, "hours": None, "until": None}
    settings = {**first.settings, **budget, "repeat": None, "enqueue": [], "begin_from": []}
    settings["environment"] = _merged_environment(records)
    for one in OF_KEEPING:
        settings.pop(one, None)
    managing.merge(database, [record.id for record in records], name, settings)
    found = StudyStore(database).find(name)
    assert found is not None
    return found


def _merged_environment(records: Sequence[StudyRecord]) -> dict[str, Any]:
    """Returns the first study's environment without what holds for that study's trials alone, and with all looks: who
    has looked at a part has looked at the whole.
    """
    environments = [record.settings.get("environment", {}) for record in records]
    kept = {name: value for name, value in environments[0].items() if name not in (BEGUN, COMPARED, EXPECTED, LOOKS)}
    looks = [look for one in environments for look in one.get(LOOKS, [])]
    looks.sort(key=lambda look: int(look["trials"]))
    merged = [record.name for record in records]
    return {**kept, **({LOOKS: looks} if looks else {}), "merged": merged}


def _proposed(database: Database, record: StudyRecord) -> int:
    """Returns how many trials the strategy of a search has proposed: where it rates first, those that were rated."""
    rated = [one for one in StudyStore(database).phase_studies(record.id) if one.kind == "rating"]
    return sum(one.trials for one in rated) if rated else record.trials


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = sorted(({*one, *other}) - _MAY_DIFFER)
    return [
        f"{name} ({brief(one.get(name), 60)}, and {brief(other.get(name), 60)})"
        for name in names
        if one.get(name) != other.get(name)
    ]
