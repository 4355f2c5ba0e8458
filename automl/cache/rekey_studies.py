"""New keys for the trials of studies that are to be continued."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from automl.cache import keys
from automl.cache.rekey import Found, Keys
from automl.cache.rekeyed import Rekeyed, StudyDone
from automl.cache.versions import Outdated, hasher_now, version_of
from automl.errors import InvalidInput, StudyBusy
from automl.hashing import HASHER_VERSION
from automl.jsontext import canonical
from automl.storage import evaluations, rekeying
from automl.storage.candidates import digest
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.sessions import Session
from automl.storage.spaces import StoredSpace
from automl.storage.studies import StudyStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PAGE = 5000


def studies_to_change(store: StudyStore, named: Collection[str]) -> list[StudyRecord]:
    """Returns the searches under older keys that are not finished, and those that are named.

    Raises:
        InvalidInput: there is no search of a name.
    """
    wanted = set()
    for name in named:
        found = store.find(name)
        records = [found] if found is not None else store.runs(name)
        if not records or any(one.kind not in ("search", "baseline") or one.parent is not None for one in records):
            raise InvalidInput(f"there is no search {name!r} in this database; `automl studies` lists them")
        wanted |= {one.id for one in records}
    return [
        one
        for one in store.all()
        if one.parent is None
        and (one.id in wanted or one.state != "finished")
        and version_of(one.settings) not in (None, HASHER_VERSION)
    ]


def rekey_studies(
    database: Database, found: Keys, contexts: Sequence[Outdated], named: Collection[str], report: Rekeyed
) -> None:
    """Gives the trials of unfinished studies, and of those that are named, the keys of today.

    What they were told stays as it is. A finished study is left as it was found: its report counts its own classes.
    """
    store = StudyStore(database)
    for record in studies_to_change(store, named):
        phases = store.phase_studies(record.id)
        stored = StoredSpace.of_study(record.settings)
        space = found.find(stored)
        if isinstance(space, str):
            report.studies.append(StudyDone(record.name, 0, why=f"its space {stored or ''} is not at hand: {space}"))
        elif report.dry_run:
            report.studies.append(StudyDone(record.name, sum(one.trials for one in (record, *phases))))
        else:
            session = Session(database)
            try:
                store.coordinate(record.id, session.id)
                try:
                    report.studies.append(_search(store, found, contexts, record, phases, space))
                finally:
                    store.release(record.id, session.id)
            except StudyBusy as error:
                report.studies.append(StudyDone(record.name, 0, why=str(error)))
            finally:
                session.close()


def _search(
    store: StudyStore,
    found: Keys,
    contexts: Sequence[Outdated],
    search: StudyRecord,
    phases: Sequence[StudyRecord],
    space: Found,
) -> StudyDone:
    """Changes a search and its phases; the search last, for it stands for all of them."""
    trials = wrong = 0
    for one in (*phases, search):
        if why := _study(store, found, contexts, one, space):
            return StudyDone(search.name, 0, why=why)
        trials += one.trials
        wrong += rekeying.served_another(store.database, one.id)
    return StudyDone(search.name, trials, wrong)


def _study(store: StudyStore, found: Keys, contexts: Sequence[Outdated], one: StudyRecord, space: Found) -> str:
    """Changes the trials of one study page by page, and last its settings; returns why it cannot, or nothing."""
    hasher = hasher_now(one.settings.get("hasher"))
    if hasher is None:
        return "the probe of its hasher is not known"
    by_id = {context.id: context for context in contexts}
    number = found.id_of(space)
    for page in rekeying.trials_under(store.database, one.id, list(by_id), _PAGE):
        changed: list[tuple[int, Outdated, bytes]] = []
        for context in {by_id[row.context].id: by_id[row.context] for row in page}.values():
            texts = {digest(row.candidate): row.candidate for row in page if row.context == context.id}
            new = found.compute(context, space, sorted(texts), texts)
            refused = found.refused[context.mark, number]
            if why := next((refused[digest] for digest in texts if digest in refused), ""):
                return f"one of its candidates has no new key: {why}; the next call tries again"
            rows = [row for row in page if row.context == context.id]
            changed += [
                (row.position, context, context.counted(new[one], one))
                for row in rows
                for one in (digest(row.candidate),)
            ]
        store.database.write(partial(_change, study=one.id, changed=changed))
    before = version_of(one.settings)
    store.change_hasher(one.id, hasher.description(), {"from": before, "to": HASHER_VERSION, "trials": one.trials})
    return ""


def _change(connection: Connection, *, study: int, changed: Sequence[tuple[int, Outdated, bytes]]) -> None:
    ids: dict[int, int] = {}
    for _, context, _ in changed:
        if context.id not in ids:
            mark = keys.fingerprint(context.namespace, context.now)
            ids[context.id] = evaluations.context_id(connection, mark, context.namespace, canonical(context.now))
    rekeying.change_trials(connection, study, [(position, ids[context.id], key) for position, context, key in changed])
