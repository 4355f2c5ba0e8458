"""Sessions: who is at work on a database, and who has died.

A session is one row, renewed every few seconds by a thread on a connection of its own, so that it stays alive while a
long training blocks everything else. It is dead when it said good-bye, when its process is provably gone (same machine,
same boot), when it ended in this very process while the database was away, or when its heartbeat is old by the
database's clock. That last judgement needs more than the age: after an outage every heartbeat is old, so the database
must have been up for as long as a heartbeat may take, and our own heartbeats must have come through all that time. A
process of this machine that exists and gives no sign of life (it was suspended, or waits for a disk that is gone) is
given longer, and is looked at twice: a machine that was asleep wakes up with old heartbeats of processes that are well.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from automl.storage.engine import Database
from automl.storage.processes import Process, this_process
from automl.storage.schema import database_time, session

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 60.0
HUNG_SEEN_SECONDS = 30.0
"""So long, or for the whole `claim_timeout` where that is less, a process of this machine must have been seen without a
sign of life by one that was awake, before it loses what it has claimed."""

_left: set[tuple[str, int]] = set()
"""Sessions that ended in this process while their database was away, by its URL: their rows do not say so."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session as stored; times in seconds by the database's clock."""

    id: int
    process: Process
    began: float
    heartbeat: float
    ended: float | None

    def name(self) -> str:
        """Returns who it is, for sentences."""
        return f"process {self.process.pid} on {self.process.host}"


class Session:
    """Registration of one process that works on a database. Close it, or use it in `with`.

    If the process dies, other processes may run the evaluations that it had reserved.

    Args:
        database: Database on which the process works.
        heartbeat: Seconds between two signs of life written to the database.

    Example:
        >>> with Session(Database("sqlite:///cells.db")) as session:
        ...     session.process.pid > 0
        True
    """

    def __init__(self, database: Database, *, heartbeat: float = HEARTBEAT_SECONDS):
        self.database = database
        self.process = this_process()
        self._heartbeat = heartbeat
        self.id = database.write(self._insert)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="automl-heartbeat", daemon=True)
        self._thread.start()

    def _insert(self, connection: Connection) -> int:
        who = self.process
        statement = session.insert().values(
            host=who.host,
            boot=who.boot,
            pid=who.pid,
            process=who.start,
            began=database_time(),
            heartbeat=database_time(),
        )
        key = connection.execute(statement).inserted_primary_key
        assert key is not None
        return int(key[0])

    def _beat(self) -> None:
        engine = self.database.separate()
        last = time.monotonic()
        try:
            while not self._stop.wait(self._heartbeat):
                came_through = self._renew(engine)
                now = time.monotonic()
                if not came_through or now - last > 3 * self._heartbeat:
                    self.database.disturbed()
                if came_through:
                    last = now
        finally:
            engine.dispose()

    def _renew(self, engine: Engine) -> bool:
        try:
            with engine.begin() as connection:
                renewed = session.update().where(session.c.id == self.id, session.c.ended.is_(None))
                connection.execute(renewed.values(heartbeat=database_time()))
        except SQLAlchemyError as error:
            log.debug("heartbeat of session %d did not come through: %s", self.id, type(error).__name__)
            return False
        return True

    def close(self) -> None:
        """Ends the session. What it had claimed may be taken over at once. Calling it twice does no harm."""
        if self._stop.is_set():
            return
        self._stop.set()
        if this_process() != self.process:
            return  # a fork's copy: the session is its parent's
        self._thread.join()
        ended = session.update().where(session.c.id == self.id).values(ended=database_time())
        _left.add((self.database.url, self.id))
        self.database.write(lambda connection: connection.execute(ended).rowcount)
        _left.discard((self.database.url, self.id))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def dead_among(
    database: Database, connection: Connection, asked: set[int], dead_after: float = DEAD_AFTER_SECONDS
) -> set[int]:
    """Returns those of the sessions `asked` about that are dead; a session without a row is."""
    found = {record.id: record for record in read_sessions(connection, asked)}
    dead = asked - found.keys()
    unseen, here = [], []
    for record in found.values():
        gone = record.process.gone()
        if record.ended is not None or gone or (database.url, record.id) in _left:
            dead.add(record.id)
        elif gone is None:
            unseen.append(record)
        else:
            here.append(record)
    dead.update(_hung(database, connection, here))
    if unseen and database.undisturbed_seconds() > dead_after:
        now, up_since = _clock(connection)
        if now - up_since > dead_after:
            dead.update(record.id for record in unseen if now - record.heartbeat > dead_after)
    return dead


def _hung(database: Database, connection: Connection, records: Iterable[SessionRecord]) -> set[int]:
    """Returns those sessions of living processes here that have stood still for too long."""
    hung, now, seen = set(), None, time.monotonic()
    enough = min(HUNG_SEEN_SECONDS, database.claim_timeout)
    for record in records:
        before = database.standing_still.get(record.id)
        if before is None or before[0] != record.heartbeat:
            database.standing_still[record.id] = (record.heartbeat, seen)
        elif seen - before[1] >= enough and database.undisturbed_seconds() > enough:
            now = _clock(connection)[0] if now is None else now
            if now - record.heartbeat >= database.claim_timeout:
                hung.add(record.id)
    return hung


def signs_of_life(connection: Connection, ids: Iterable[int]) -> list[tuple[str, float]]:
    """Returns who each of these sessions is, and how many seconds ago it gave its last sign of life, oldest first."""
    found = read_sessions(connection, ids)
    now = _clock(connection)[0] if found else 0.0
    return sorted(((one.name(), max(0.0, now - one.heartbeat)) for one in found), key=lambda pair: -pair[1])


def read_sessions(connection: Connection, ids: Iterable[int]) -> list[SessionRecord]:
    """Returns the sessions with these ids."""
    columns = session.c
    rows = connection.execute(select(session).where(columns.id.in_(list(ids))))
    return [
        SessionRecord(row.id, Process(row.host, row.boot, row.pid, row.process), row.began, row.heartbeat, row.ended)
        for row in rows
    ]


def _clock(connection: Connection) -> tuple[float, float]:
    """Returns (now, when the database came up), both by its own clock; an SQLite file is always up."""
    now = float(connection.execute(select(database_time())).scalar_one())
    if connection.dialect.name == "sqlite":
        return now, float("-inf")
    up = connection.execute(text("SELECT CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) AS DOUBLE PRECISION)"))
    return now, float(up.scalar_one())
