"""Who counts as dead: exactly those who are."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from automl.storage.engine import Database
from automl.storage.schema import database_time, session
from automl.storage.sessions import Session, dead_among

LONG_AGO = 3600.0


@pytest.fixture
def database(any_url: str) -> Iterator[Database]:
    with Database(any_url) as opened:
        yield opened


def stranger(database: Database, *, heartbeat_ago: float, host: str = "elsewhere", ended: bool = False) -> int:
    """Adds the session of a process on another machine."""

    def insert(connection):
        statement = session.insert().values(
            host=host,
            boot="another boot",
            pid=1,
            process="1",
            began=database_time() - LONG_AGO,
            heartbeat=database_time() - heartbeat_ago,
            ended=database_time() if ended else None,
        )
        return int(connection.execute(statement).inserted_primary_key[0])

    return database.write(insert)


def is_dead(database: Database, session_id: int, **limits: float) -> bool:
    """Judges a session as those do who wait for its claims."""
    with database.read() as connection:
        return bool(dead_among(database, connection, {session_id}, **limits))


def test_a_session_lives_until_it_says_good_bye(database: Database) -> None:
    with Session(database) as judge:
        other = Session(database)
        assert not is_dead(database, other.id)
        other.close()
        other.close()
        assert is_dead(database, other.id)
        assert not is_dead(database, judge.id)


def test_a_process_that_is_gone_is_dead_at_once(database: Database) -> None:
    script = (
        "import sys, os; from automl.storage.engine import Database; from automl.storage.sessions import Session\n"
        "print(Session(Database(sys.argv[1])).id, flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    other = int(process.stdout.readline())
    assert not is_dead(database, other)
    process.kill()
    time.sleep(0.2)
    assert is_dead(database, other)  # not reaped yet: a zombie has ended as well
    process.wait()
    assert is_dead(database, other)


def test_a_process_id_that_was_given_out_again_is_not_the_old_process(database: Database) -> None:
    with Session(database) as other:
        changed = session.update().where(session.c.id == other.id).values(process="12345")
        database.write(lambda connection: connection.execute(changed))
        assert is_dead(database, other.id)


def test_a_living_process_of_this_machine_is_never_dead_however_old_its_heartbeat(database: Database) -> None:
    with Session(database, heartbeat=1000) as other:
        stopped = session.update().where(session.c.id == other.id).values(heartbeat=database_time() - LONG_AGO)
        database.write(lambda connection: connection.execute(stopped))
        assert not is_dead(database, other.id, dead_after=0.1)


def test_a_session_elsewhere_is_judged_by_its_heartbeat(database: Database) -> None:
    time.sleep(0.5)  # a PostgreSQL that has just come up condemns nobody
    assert is_dead(database, stranger(database, heartbeat_ago=5.0), dead_after=0.4)
    assert not is_dead(database, stranger(database, heartbeat_ago=-5.0), dead_after=0.4)
    assert is_dead(database, stranger(database, heartbeat_ago=0.0, ended=True), dead_after=0.4)
    assert is_dead(database, 987_654, dead_after=0.4)  # no row at all


def test_a_postgresql_that_was_down_condemns_nobody(own_cluster) -> None:
    with Database(own_cluster.new_database()) as database:
        other = stranger(database, heartbeat_ago=LONG_AGO)
        assert not is_dead(database, other, dead_after=30.0)  # the server is younger than 30 s


def test_an_outage_on_our_side_condemns_nobody(database: Database) -> None:
    time.sleep(0.5)
    other = stranger(database, heartbeat_ago=LONG_AGO)
    assert is_dead(database, other, dead_after=0.4)
    database.disturbed()
    assert not is_dead(database, other, dead_after=0.4)
    time.sleep(0.5)
    assert is_dead(database, other, dead_after=0.4)


def test_heartbeats_go_on_while_everything_else_is_blocked(database: Database) -> None:
    def heartbeat(of: int) -> float:
        with database.read() as connection:
            return connection.execute(select(session.c.heartbeat).where(session.c.id == of)).scalar_one()

    with Session(database, heartbeat=0.1) as working:
        before = heartbeat(working.id)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:  # a training that never gives way
            sum(range(10_000))
        assert heartbeat(working.id) > before + 0.5


def test_heartbeats_come_through_while_a_long_transaction_holds_the_writing_connection(postgres_url: str) -> None:
    with Database(postgres_url) as database, Session(database, heartbeat=0.1) as working:

        def long_work(connection) -> tuple[float, float]:
            query = select(session.c.heartbeat).where(session.c.id == working.id)
            before = connection.execute(query).scalar_one()
            time.sleep(1.0)
            return before, connection.execute(query).scalar_one()

        before, after = database.write(long_work)
        assert after > before + 0.3
