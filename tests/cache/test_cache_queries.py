"""Every statement of the hot path finds its rows by an index, whatever the database knows about its tables."""

import json
import re
from typing import Any

import pytest
from cache_parts import asked, done, failed, lost
from sqlalchemy import event

from automl.cache.store import EquivalenceCache
from automl.storage.engine import Database
from automl.storage.records import TrialRecord
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore

Statement = tuple[str, Any]


def hot_path(database: Database) -> list[Statement]:
    """Returns the statements of one turn of a study's loop, from the claim to the record, and of reading it back."""
    store = StudyStore(database)
    seen: list[Statement] = []

    def note(_conn, _cursor, statement, parameters, _context, many) -> None:
        seen.append((statement, parameters[0] if many else parameters))

    with Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context({})
        study = store.create("one", "search", {})

        def turn(start: int) -> None:
            requests = [
                asked(number, number.to_bytes(16, "big"), json.dumps(number), 2, audit=number % 2 == 0)
                for number in range(start, start + 200)
            ]
            answers = cache.resolve_many(context, study.id, requests, None, count=True)
            claims = [claim for one in answers for claim in one.claims]
            cache.finish_many(context, [done(claim, {"accuracy": 0.5}, 1.0) for claim in claims[3:]])
            cache.finish_many(context, [failed(claims[1], "why", 1.0)])
            cache.finish_many(context, [lost(claims[2], "why")])
            cache.resolve_many(context, study.id, requests, None)
            store.append_trials(
                study.id,
                [
                    TrialRecord(number, candidate, key, context, "miss", position=number)
                    for number, key, candidate, _ in requests
                ],
            )
            list(store.trials(study.id, after_position=start, page=50))
            cache.replicates(context, [requests[0][1]])

        turn(0)  # some rows, so that planners have something to plan for
        for engine in (database._write_engine, database._read_engine):
            event.listen(engine, "before_cursor_execute", note)
        turn(200)
    unique = {statement: (statement, parameters) for statement, parameters in seen}
    return [one for one in unique.values() if re.match("SELECT|UPDATE|DELETE|INSERT|WITH", one[0])]


def test_sqlite_searches_and_never_scans(tmp_path) -> None:
    with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        statements = hot_path(database)
        tables = {
            name
            for name in ("evaluation", "trial")
            if any(re.search(f"(FROM|JOIN) {name}", one) for one, _ in statements)
        }
        assert tables == {"evaluation", "trial"}
        with database.read() as connection:
            for statement, parameters in statements:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                steps = [row[3] for row in plan]
                # Walking the rows that came with the statement is no scan of a table.
                scans = [step for step in steps if re.match(r"SCAN (?!given$|.*CONSTANT ROW)", step)]
                assert not scans, (statement, steps)


@pytest.mark.parametrize("analysed", [False, True])
def test_postgresql_uses_an_index_whether_or_not_it_has_figures(postgres_url: str, analysed: bool) -> None:
    with Database(postgres_url) as database:
        statements = hot_path(database)
        if analysed:
            database.write(lambda connection: connection.exec_driver_sql("ANALYZE"))

        def plans(connection) -> None:
            looked_up = 0
            for statement, parameters in statements:
                if "writer" in statement:
                    continue
                plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
                assert "Seq Scan" not in plan, (statement, plan)
                if "FROM unnest" in statement and "evaluation" in statement and statement.startswith("SELECT"):
                    looked_up += 1
                    condition = re.search(r"Index Cond: (.*)", plan)
                    assert condition is not None, plan
                    assert "key = " in condition.group(1), plan  # by the key, not only by the context
            assert looked_up == 1

        database.write(plans)


def test_the_number_of_statements_does_not_grow_with_the_number_of_requests(any_url: str) -> None:
    with Database(any_url) as database, Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context({})
        counts = []
        for size in (10, 900):
            seen: list[str] = []
            listener = lambda _conn, _cursor, statement, *_, seen=seen: seen.append(statement)
            event.listen(database._write_engine, "before_cursor_execute", listener)
            requests = [asked(n, (size * 1000 + n).to_bytes(16, "big"), json.dumps(n)) for n in range(size)]
            answers = cache.resolve_many(context, None, requests, None, count=True)
            cache.finish_many(context, [done(claim, {}, 0.0) for one in answers for claim in one.claims])
            event.remove(database._write_engine, "before_cursor_execute", listener)
            counts.append(len(seen))
        assert counts[0] == counts[1] < 15
