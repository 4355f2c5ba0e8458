"""One database for one process: a single writing connection, any number of reading ones.

SQLite: write-ahead log, `BEGIN IMMEDIATE` for every writing transaction (a transaction that reads first and writes
later fails at once with "database is locked", whatever the timeout), synchronous=FULL: what is committed survives a
power cut. PostgreSQL: each transaction that writes also writes its number into the `writer` table, so that after a
connection was lost in the middle of a commit the repetition finds out whether the first try went through.
"""

from __future__ import annotations

import functools
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, Engine, func, literal, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.exc import DBAPIError

from automl.storage import opening
from automl.storage.connections import make_engine
from automl.storage.faults import Remedy, remedy, storage_error
from automl.storage.schema import database_time, writer
from automl.storage.urls import parse_url, shown, sqlite_path

T = TypeVar("T")
log = logging.getLogger(__name__)

_WRITER_SECONDS = 30 * 86400.0
"""After this long, nobody can still be waiting to hear about a commit; rows of killed processes are then removed."""


CLAIM_SECONDS = 600.0
"""A process of this machine that exists and gives no sign of life for so long loses what it has claimed."""


class Database:
    """Open database of results and studies. A new one gets the current schema.

    It may be used from several threads; writing transactions are run one after another. In a forked process it opens
    its own connections. It pickles as its URL.

    Args:
        url: `sqlite:///file.db` or `postgresql+psycopg://user:password@host/database`.
        create: If False, a missing database is refused instead of created (for commands that only read).
        patience: Seconds to wait for a lock, or for a PostgreSQL server that went away during work.
        claim_timeout: Seconds after which a process of this machine that exists and gives no sign of life (it was
            suspended, for instance) loses the evaluations that it has claimed. None takes `CLAIM_SECONDS`. Signs of
            life come every five seconds.

    Raises:
        StorageRefused: the database cannot be used; the message says why, without passwords. Nothing was written.

    Example:
        >>> database = Database("sqlite:///cells.db")
        >>> database.sqlite, Database.exists("sqlite:///cells.db"), Database.exists("sqlite:///other.db")
        (True, True, False)
        >>> database.close()
    """

    def __init__(self, url: str, *, create: bool = True, patience: float = 600.0, claim_timeout: float | None = None):
        self._url = parse_url(url)
        if self._url.get_backend_name() == "sqlite":
            self._url = self._url.set(database=str(sqlite_path(self._url)))
        self.url_shown = shown(self._url)
        self.patience = patience
        self.claim_timeout = CLAIM_SECONDS if claim_timeout is None else claim_timeout
        self._disturbed = float("-inf")
        self._gave_up = False  # it stayed away for longer than our patience: nobody waits for it so long again
        self.standing_still: dict[int, tuple[float, float]] = {}  # sessions: heartbeat, and since when it is that one
        opening.prepare(self._url, self.url_shown, create=create)
        self._open()

    @classmethod
    def check(cls, url: str) -> None:
        """Refuses what `Database(url)` would refuse, without creating or writing anything.

        Raises:
            StorageRefused: it could not be used; the message says why, without passwords.
        """
        parsed = parse_url(url)
        opening.refuse_unusable(parsed, shown(parsed), create=True)

    @classmethod
    def exists(cls, url: str) -> bool:
        """Tells whether there is a database of ours already; creates and writes nothing.

        Raises:
            StorageRefused: it could not be used; the message says why, without passwords.
        """
        parsed = parse_url(url)
        return opening.refuse_unusable(parsed, shown(parsed), create=True) is not None

    @property
    def sqlite(self) -> bool:
        """True for SQLite, False for PostgreSQL."""
        return self._url.get_backend_name() == "sqlite"

    def beside(self, name: str) -> str | None:
        """Returns the path of a folder for this database's files of one kind, None where it has no place of its own."""
        return f"{self._url.database}-{name}" if self.sqlite else None

    @property
    def url(self) -> str:
        """The whole URL, password included: for opening it elsewhere, never for printing."""
        return self._url.render_as_string(hide_password=False)

    @property
    def held(self) -> str | None:
        """Path of the SQLite file that it has open; None for PostgreSQL."""
        return self._url.database if self.sqlite else None

    def _open(self) -> None:
        opening.HELD.add(self)
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._writing = False
        self._writer_id = secrets.randbits(62)
        self._transaction = 0
        self._write_engine = make_engine(self._url, writing=True)
        self._read_engine = make_engine(self._url, writing=False)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in one writing transaction and returns its value once that is committed.

        `work` may be run more than once (after a deadlock, a lost race, a lost connection), so it must have no effect
        except through its connection. It is applied exactly once. Inside `work`, pass the connection on; calling
        `write` there raises RuntimeError.

        Raises:
            StorageError: the database failed, or stayed away for longer than our patience; nothing of `work` was kept.
        """
        self._after_fork()
        with self._lock:
            if self._writing:
                raise RuntimeError("write() was called inside a writing transaction; pass the connection on instead")
            self._writing = True
            try:
                self._transaction += 1
                return self._write_with_patience(work)
            finally:
                self._writing = False

    def within(self, connection: Connection | None, work: Callable[[Connection], T]) -> T:
        """Runs `work` on the transaction given, or else in one of its own."""
        return self.write(work) if connection is None else work(connection)

    def _write_with_patience(self, work: Callable[[Connection], T]) -> T:
        attempt = _Attempt()
        began = time.monotonic()
        pause = 0.01
        while True:
            try:
                value = self._try_to_write(work, attempt)
                self._gave_up = False
                if attempt.outage:
                    self.disturbed()
                    log.warning("the database %s is back after %.1f s", self.url_shown, time.monotonic() - began)
                return value
            except DBAPIError as error:
                cure = remedy(error)
                if cure is not Remedy.AGAIN:
                    self._drop_connection()
                if cure is Remedy.NONE or time.monotonic() - began > self._patience():
                    self._gave_up = self._gave_up or cure is Remedy.RECONNECT
                    raise storage_error(error, self.url_shown) from error
                if cure is Remedy.RECONNECT and not attempt.outage:
                    attempt.outage = True
                    log.warning("the database %s went away; waiting for it up to %.0f s", self.url_shown, self.patience)
            # Jitter keeps two processes that deadlocked from meeting again; it decides nothing else.
            time.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
            pause = min(pause * 2, 1.0)

    def _try_to_write(self, work: Callable[[Connection], T], attempt: _Attempt) -> T:
        if self._connection is None:
            self._connection = self._write_engine.connect()
        connection = self._connection
        with connection.begin() as transaction:
            if attempt.has_value and not self.sqlite and not self._number(connection, again=True):
                transaction.rollback()  # the commit whose answer we never heard went through
                return attempt.value  # type: ignore[no-any-return]
            value = work(connection)
            if not self.sqlite and not attempt.has_value:
                self._number(connection, again=False)
            attempt.value, attempt.has_value = value, True
        return value

    def _number(self, connection: Connection, *, again: bool) -> bool:
        """Writes this transaction's number; False: it stands there already, so this very transaction was committed.

        The first try writes it last, and only if it wrote anything else: a mere look-up then needs no disk. A
        repetition writes it first, and so waits for an earlier try that the server is still busy with.
        """
        values = select(literal(self._writer_id, BigInteger), literal(self._transaction, BigInteger), database_time())
        if not again:
            values = values.where(func.txid_current_if_assigned().is_not(None))
        statement = postgresql_insert(writer).from_select(["id", "last", "seen"], values)
        statement = statement.on_conflict_do_update(
            index_elements=[writer.c.id],
            set_={"last": statement.excluded.last, "seen": statement.excluded.seen},
            where=writer.c.last < statement.excluded.last,
        )
        return connection.execute(statement.returning(writer.c.last)).scalar() is not None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading, on one consistent state of the database; it never blocks a writer.

        Keep it short on SQLite, where the log cannot be folded back into the file while somebody reads.

        Raises:
            StorageError: the database failed.
        """
        self._after_fork()
        began = time.monotonic()
        while True:
            try:
                connection = self._read_engine.connect()
                break
            except DBAPIError as error:
                if remedy(error) is Remedy.NONE or time.monotonic() - began > self._patience():
                    raise storage_error(error, self.url_shown) from error
                time.sleep(0.2)
        try:
            with connection:
                yield connection
        except DBAPIError as error:
            raise storage_error(error, self.url_shown) from error

    def _patience(self) -> float:
        """Returns the seconds to wait for the database; after it was given up it is tried once and not waited for."""
        return 0.0 if self._gave_up else self.patience

    def disturbed(self) -> None:
        """Notes that the database, or our way to it, has just been out of order."""
        self._disturbed = time.monotonic()

    def undisturbed_seconds(self) -> float:
        """Returns for how long nothing has been seen to be out of order; infinite where nothing ever was."""
        return time.monotonic() - self._disturbed

    def separate(self) -> Engine:
        """Returns an engine of one writing connection of its own (heartbeats must not wait for a long transaction)."""
        return make_engine(self._url, writing=True)

    def _drop_connection(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(Exception):
                connection.invalidate()
            with suppress(Exception):
                connection.close()

    def _after_fork(self) -> None:
        if os.getpid() != self._process:
            # The parent's connections are left untouched: closing them here would break them there.
            self._abandoned = (self._connection, self._write_engine, self._read_engine)
            self._open()

    def close(self) -> None:
        """Closes the connections of this process; calling it twice does no harm."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._connection is not None and not self.sqlite:
                with suppress(DBAPIError), self._connection.begin():
                    forgotten = writer.c.seen < database_time() - _WRITER_SECONDS
                    self._connection.execute(writer.delete().where((writer.c.id == self._writer_id) | forgotten))
            if self._connection is not None:
                with suppress(DBAPIError):
                    self._connection.close()
                self._connection = None
            self._write_engine.dispose()
            self._read_engine.dispose()
        opening.HELD.discard(self)

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(Database, claim_timeout=self.claim_timeout), (self.url,)


class _Attempt:
    """What is known about the earlier tries of one transaction."""

    def __init__(self) -> None:
        self.value: Any = None
        self.has_value = False
        self.outage = False
