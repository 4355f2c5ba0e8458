"""Figures and pruning, also while a study runs."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cache_parts import asked, done, failed, lost
from sqlalchemy import select

from automl.cache.maintenance import prune, stats
from automl.cache.store import EquivalenceCache
from automl.cache.transfer import Exported, export_cache
from automl.errors import InvalidInput
from automl.storage.engine import Database
from automl.storage.records import TrialRecord
from automl.storage.schema import candidate, equivalence_class, evaluation
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore


@pytest.fixture
def database(any_url: str) -> Iterator[Database]:
    with Database(any_url) as opened:
        yield opened


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.fixture
def filled(database: Database) -> Iterator[tuple[Database, EquivalenceCache, int]]:
    """Ten classes: 0 to 5 done, 6 failed, 7 lost, 8 and 9 claimed; trials name the classes 0, 1 and 6."""
    with Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context({"evaluator": {"name": "table"}, "task": "digits"})
        study = StudyStore(database).create("one", "search", {"space": {"name": "cells"}, "evaluator": "table"})
        requests = [asked(number, key(number), json.dumps(number)) for number in range(10)]
        claims = [
            claim for one in cache.resolve_many(context, study.id, requests, None, count=True) for claim in one.claims
        ]
        cache.finish_many(context, [done(claim, {"accuracy": 0.5}, 2.0) for claim in claims[:6]])
        cache.finish_many(context, [failed(claims[6], "ValueError", 1.0)])
        cache.finish_many(context, [lost(claims[7], "the worker died")])
        trials = [
            TrialRecord(0, "0", key(0), context, "miss", 0.5, {}, 1, paid_seconds=2.0, hash_seconds=0.5, position=0),
            TrialRecord(1, "1", key(1), context, "hit", 0.5, {}, 1, saved_seconds=2.0, hash_seconds=0.5, position=1),
            TrialRecord(2, "6", key(6), context, "failed", position=2),
            TrialRecord(3, "1", key(1), context, "joined", 0.5, {}, 1, saved_seconds=2.0, position=3),
        ]
        StudyStore(database).append_trials(study.id, trials)
        yield database, cache, context


def states(database: Database) -> dict[int, str]:
    with database.read() as connection:
        rows = connection.execute(select(evaluation.c.key, evaluation.c.state).order_by(evaluation.c.key))
        return {int.from_bytes(row.key, "big"): row.state for row in rows}


def test_figures_by_context_and_by_study(filled: tuple[Database, EquivalenceCache, int]) -> None:
    found = stats(filled[0])
    (context,) = found.contexts
    assert (context.classes, context.replicates, context.failed, context.lost, context.claimed) == (10, 6, 1, 1, 2)
    assert (context.seconds, context.audits, context.evaluator, context.namespace) == (13.0, 0, "table", "default")
    (study,) = found.studies
    assert study.outcomes == {"miss": 1, "hit": 1, "failed": 1, "joined": 1}
    assert (study.hits, study.space, study.evaluator) == (2, "cells", "table")
    assert (study.paid_seconds, study.saved_seconds, study.hash_seconds) == (2.0, 4.0, 1.0)
    assert found.size_bytes > 10_000
    assert json.loads(json.dumps(found.as_json()))["contexts"][0]["classes"] == 10


def test_an_empty_cache_has_figures_too(database: Database) -> None:
    assert (stats(database).contexts, stats(database).studies) == ([], [])


def test_a_dry_run_counts_and_removes_nothing(filled: tuple[Database, EquivalenceCache, int]) -> None:
    database = filled[0]
    before = states(database)
    pruned = prune(database, older_than_days=0, dry_run=True)
    assert (pruned.evaluations, pruned.sentence()) == (8, "8 evaluations would be removed; nothing was")
    assert states(database) == before


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({"failed": True}, {*range(10)} - {6}),
        ({"lost": True}, {*range(10)} - {7}),
        ({"failed": True, "lost": True}, {*range(10)} - {6, 7}),
        ({"older_than_days": 0}, {8, 9}),
        ({"older_than_days": 1}, {*range(10)}),
        ({"older_than_days": 1, "failed": True}, {*range(10)}),
        ({"contexts": [1]}, {8, 9}),
    ],
)
def test_pruning_removes_what_all_conditions_hold_for_and_never_a_claim(
    filled: tuple[Database, EquivalenceCache, int], chosen: dict[str, object], left: set[int]
) -> None:
    database, _, context = filled
    if "contexts" in chosen:
        chosen = {"contexts": [context]}
    pruned = prune(database, **chosen)
    assert set(states(database)) == left
    assert pruned.evaluations == 10 - len(left)
    with database.read() as connection:
        named = {int(text) for text in connection.scalars(select(candidate.c.json))}
        classes = {int.from_bytes(one, "big") for one in connection.scalars(select(equivalence_class.c.key))}
    assert named == left
    assert classes == left | {0, 1, 6}  # those of trials
    trials = list(StudyStore(database).trials(1))
    assert [trial.candidate for trial in trials] == ["0", "1", "6", "1"]


def test_what_was_pruned_is_evaluated_again(filled: tuple[Database, EquivalenceCache, int]) -> None:
    database, cache, context = filled
    prune(database, failed=True)
    (again,) = cache.resolve_many(context, 1, [asked(9, key(6), "6")], None)
    assert [claim.attempt for claim in again.claims] == [1]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [({}, "needs to know what"), ({"older_than_days": -1}, "0 or more"), ({"contexts": [77]}, "no context 77")],
)
def test_pruning_everything_by_mistake_is_refused(database: Database, chosen: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        prune(database, **chosen)


def test_reading_the_figures_never_holds_up_a_running_study(any_url: str) -> None:
    """Figures are read in one thread as fast as they come, while another claims and completes; a third prunes."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeatedly(work) -> None:
        try:
            with Database(any_url) as database:
                while not stop.is_set():
                    work(database)
        except BaseException as error:
            failures.append(error)

    with Database(any_url) as database, Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context({})
        others = [
            threading.Thread(target=repeatedly, args=(stats,)),
            threading.Thread(target=repeatedly, args=(lambda one: (prune(one, failed=True), time.sleep(0.05)),)),
        ]
        for thread in others:
            thread.start()
        for turn in range(30):
            requests = [asked(n, key(turn * 100 + n), json.dumps(turn * 100 + n)) for n in range(100)]
            claims = [claim for one in cache.resolve_many(context, None, requests, None) for claim in one.claims]
            cache.finish_many(context, [done(claim, {"accuracy": 0.5}, 1.0) for claim in claims[:-1]])
            cache.finish_many(context, [failed(claims[-1], "why", 1.0)])
        stop.set()
        for thread in others:
            thread.join(60)
        assert failures == []
        assert stats(database).contexts[0].replicates == 30 * 99


@pytest.fixture
def rungs(database: Database) -> tuple[Database, list[int]]:
    """Three fidelities of one evaluator, another evaluator, and the first in another namespace; one result in each."""
    ids = []
    for name, fidelity, namespace in (
        ("net", {}, "default"),
        ("table", {}, "default"),
        ("net", {"epochs": 3}, "default"),
        ("net", {"epochs": 9}, "default"),
        ("net", {"epochs": 3}, "mine"),
    ):
        with Session(database) as session:
            cache = EquivalenceCache(database, namespace, session)
            context = cache.context({"evaluator": {"name": name}, "fidelity": fidelity, "part": "validation"})
            (found,) = cache.resolve_many(context, None, [asked(0, key(0), "0")])
            cache.finish_many(context, [done(found.claims[0], {"accuracy": 0.5}, 1.0)])
            ids.append(context)
    return database, ids


def test_figures_stand_fidelity_group_by_fidelity_group(rungs: tuple[Database, list[int]]) -> None:
    database, (net, table, three, nine, mine) = rungs
    found = [(one.fidelity_group, one.id, one.fidelity) for one in stats(database).contexts]
    assert found == [
        (net, net, ""),
        (net, three, "epochs=3"),
        (net, nine, "epochs=9"),
        (table, table, ""),
        (mine, mine, "epochs=3"),
    ]


@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_fidelity_group_is_pruned_and_exported_as_a_whole(
    rungs: tuple[Database, list[int]], place: int, tmp_path: Path
) -> None:
    database, ids = rungs
    assert export_cache(database, tmp_path / "a.gz", groups=[ids[place]]) == Exported(3, 3)
    assert export_cache(database, tmp_path / "b.gz", contexts=[ids[1]], groups=[ids[place]]) == Exported(4, 4)
    assert export_cache(database, tmp_path / "c.gz", contexts=[ids[place]]) == Exported(1, 1)
    assert prune(database, groups=[ids[place]]).evaluations == 3
    assert [one.id for one in stats(database).contexts if one.replicates] == [ids[1], ids[4]]
    with pytest.raises(InvalidInput, match="no context 77"):
        prune(database, groups=[77])
