"""Transactions: applied once, never half, never in each other's way."""

import multiprocessing
import os
import pickle
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from automl.errors import StorageError
from automl.storage.engine import Database
from automl.storage.schema import study
from automl.storage.studies import StudyStore


def add(name: str, connection: Connection) -> None:
    connection.execute(
        study.insert().values(name=name, kind="search", settings="{}", state="open", created=0, trials=0)
    )


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(study.c.name).order_by(study.c.name)))


def test_a_transaction_that_raises_leaves_nothing(any_url: str) -> None:
    with Database(any_url) as database:

        def work(connection: Connection) -> None:
            add("half", connection)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            database.write(work)
        assert names(database) == []
        database.write(lambda connection: add("whole", connection))
        assert names(database) == ["whole"]


def test_a_database_error_becomes_ours_and_the_next_transaction_works(any_url: str) -> None:
    with Database(any_url) as database:
        database.write(lambda connection: add("one", connection))
        with pytest.raises(StorageError) as caught:
            database.write(lambda connection: add("one", connection))
        assert isinstance(caught.value.__cause__, IntegrityError)
        assert "INSERT" not in str(caught.value)
        database.write(lambda connection: add("two", connection))
        assert names(database) == ["one", "two"]


def test_writing_inside_a_writing_transaction_is_a_mistake_that_is_named(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        with pytest.raises(RuntimeError, match="pass the connection on"):
            database.write(lambda _: database.write(lambda connection: add("inner", connection)))
        assert names(database) == []


def test_a_reader_neither_waits_for_a_writer_nor_holds_one_up(any_url: str) -> None:
    with Database(any_url) as database:
        database.write(lambda connection: add("before", connection))
        with database.read() as reading:
            query = select(study.c.name)
            assert list(reading.scalars(query)) == ["before"]
            database.write(lambda connection: add("during", connection))
            assert list(reading.scalars(query)) == ["before"]  # one consistent state

        def read_meanwhile(connection: Connection) -> list[str]:
            add("uncommitted", connection)
            return names(database)

        assert database.write(read_meanwhile) == ["before", "during"]


def test_threads_write_one_after_the_other(any_url: str) -> None:
    with Database(any_url) as database:
        threads = [
            threading.Thread(
                target=database.write, args=(lambda connection, number=number: add(str(number), connection),)
            )
            for number in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(names(database)) == 20


def test_a_lock_that_is_held_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with Database(f"sqlite:///{path}") as database:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.5, lambda: other.execute("COMMIT"))
        release.start()
        database.write(lambda connection: add("patient", connection))
        release.join()
        other.close()
        assert names(database) == ["patient"]


def test_a_lock_that_stays_is_named_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl.storage.connections.BUSY_SECONDS", 0.1)
    path = tmp_path / "x.db"
    with Database(f"sqlite:///{path}", patience=0.3) as database:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="stayed locked by another process"):
            database.write(lambda connection: add("hasty", connection))
        other.execute("ROLLBACK")
        other.close()
        database.write(lambda connection: add("later", connection))
        assert names(database) == ["later"]


def test_a_full_database_stops_with_a_sentence_and_keeps_what_was_finished(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'full.db'}"
    with Database(url) as database:
        store = StudyStore(database)

        def limit(connection: Connection) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 3}")

        database.write(limit)
        kept, said = 0, ""
        while not said:
            try:
                store.create(f"study {kept}", "search", {"padding": "x" * 1000})
                kept += 1
            except StorageError as error:
                said = str(error)
        assert "is full" in said
        assert "everything finished before stands" in said
        assert 0 < kept < 40
        assert len(names(database)) == kept
    with Database(url) as database:
        assert len(names(database)) == kept
        StudyStore(database).create("after making room", "search", {})


def test_a_database_travels_as_its_url(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        database.write(lambda connection: add("one", connection))
        with pickle.loads(pickle.dumps(database)) as copy:
            assert names(copy) == ["one"]


def _write_in_child(database: Database, parent: int) -> None:
    assert os.getpid() != parent
    database.write(lambda connection: add("child", connection))


def test_a_forked_child_opens_connections_of_its_own(any_url: str) -> None:
    with Database(any_url) as database:
        database.write(lambda connection: add("parent", connection))
        child = multiprocessing.get_context("fork").Process(target=_write_in_child, args=(database, os.getpid()))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        database.write(lambda connection: add("parent again", connection))
        assert names(database) == ["child", "parent", "parent again"]


def test_two_that_deadlock_on_postgresql_both_finish(postgres_url: str) -> None:
    with Database(postgres_url) as one, Database(postgres_url) as two:
        one.write(lambda connection: [add(name, connection) for name in ("a", "b")])
        met = threading.Barrier(2, timeout=20)
        tries = []

        def touch(first: str, second: str) -> object:
            state = {"met": False}

            def work(connection: Connection) -> None:
                tries.append(first)
                for name in (first, second):
                    connection.execute(study.update().where(study.c.name == name).values(trials=study.c.trials + 1))
                    if not state["met"]:
                        state["met"] = True
                        met.wait()

            return work

        threads = [
            threading.Thread(target=one.write, args=(touch("a", "b"),)),
            threading.Thread(target=two.write, args=(touch("b", "a"),)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(tries) > 2  # one of them was sent back
        with one.read() as connection:
            assert list(connection.scalars(select(study.c.trials))) == [2, 2]


def test_reading_from_a_database_that_breaks_raises_our_error(tmp_path: Path) -> None:
    with (
        Database(f"sqlite:///{tmp_path / 'x.db'}") as database,
        pytest.raises(StorageError, match="failed: no such table"),
        database.read() as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM absent")
