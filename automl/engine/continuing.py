"""Going on with a stored search: what of it is taken over, and how far its budget is raised."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from automl.engine.config import STORED, StudyConfig
from automl.engine.repeats import Runs, common_config
from automl.errors import InvalidInput, legible
from automl.evaluators.own_loop import OwnLoop
from automl.rules import Budget
from automl.settings import declared
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore
from automl.study import Study


@dataclass(frozen=True)
class StoredSearch:
    """What is stored of a search.

    Attributes:
        name: of the study.
        settings: as stored; of several runs, the first one's.
        config: the same as an object; of several runs, what they have in common.
        runs: how often it runs; None for a single study.
    """

    name: str
    settings: Mapping[str, Any]
    config: StudyConfig
    runs: Runs | None

    def changed(self, given: Mapping[str, Any], direction: str) -> tuple[StudyConfig, dict[str, Any]]:
        """Returns the settings to go on with, and the bounds of the budget that are larger than the stored ones.

        Args:
            given: what the user said, by name; everything else is as it is stored.
            direction: of the objective, which says what a better `until` is.

        Raises:
            InvalidInput: a bound of the budget is smaller than the stored one.
        """
        wider = {}
        for name in declared(Budget):
            old, new = getattr(self.config.budget, name), given.get(name)
            if new is None or new == old:
                continue
            if old is not None and (new > old) == (name == "until" and direction == "minimize"):
                less = "easier to reach" if name == "until" else "less"
                raise InvalidInput(
                    f"{name}={new} is {less} than the study's {old}; a budget can only grow: "
                    f"leave it out to go on with {old}, or take another study name"
                )
            wider[name] = new
        asked = {name: value for name, value in given.items() if name in STORED}
        return StudyConfig.read({**self.config.settings(), **asked, **wider}), wider


def stored_search(name: str, records: list[StudyRecord]) -> StoredSearch:
    """Reads what is stored of a search: of one study, or of several runs of it."""
    settings = records[0].settings
    if records[0].name == name:
        return StoredSearch(name, settings, StudyConfig.read(settings), None)
    return StoredSearch(name, settings, *common_config([record.settings for record in records]))


def let_go_on(study: Study, given: Collection[str]) -> str:
    """Lets a paused study go on where it is run, or asked by a loop of the user's own, and says so.

    Args:
        study: that is to be resumed.
        given: names of what else was asked for: whoever wants other workers or a larger budget is to run it himself.

    Returns:
        A sentence; empty where there is no pause, nobody runs it, or something else was asked for.
    """
    if given or not study.paused:
        return ""
    holder = study.coordinator()
    if holder is None and study.settings["evaluator"]["name"] != OwnLoop.name:
        return ""
    study.pause(False)
    where = f"{holder} runs it" if holder else "the loop that asks it is served"
    return f"study {legible(study.name)} goes on: {where}"


def find_search(storage: str, name: str | None) -> StoredSearch | None:
    """Returns what a database holds of a search; None where there is no such study, or no such database yet.

    Raises:
        StorageRefused: the database cannot be used.
    """
    if name is None or not Database.exists(storage):
        return None
    database = Database(storage, create=False)
    try:
        store = StudyStore(database)
        record = store.find(name)
        records = [record] if record else store.runs(name)
        return stored_search(name, records) if records else None
    finally:
        database.close()


def grown(name: str, stored: Mapping[str, Any], wider: Mapping[str, Any]) -> str:
    """Returns the sentence that says how a study's budget was raised, and which other limits of it stand."""
    steps = []
    for limit, value in wider.items():
        old = stored.get(limit)
        steps.append(
            f"{limit} {value} instead of {old}" if old is not None else f"{limit} {value}, where it had no such limit"
        )
    stand = [
        f"{limit} {stored[limit]}" for limit in declared(Budget) if limit not in wider and stored.get(limit) is not None
    ]
    also = f"; it still ends at {' or '.join(stand)}" if stand else ""
    return f"Study {name} goes on with a larger budget: {', '.join(steps)}{also}."
