"""PostgreSQL goes away, in the middle of a commit too, again and again. Everything is applied exactly once."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import make_url

from automl.errors import StorageError
from automl.storage.engine import Database
from automl.storage.schema import study, writer
from automl.storage.studies import StudyStore


def add(name: str, connection: Connection) -> str:
    connection.execute(
        study.insert().values(name=name, kind="search", settings="{}", state="open", created=0, trials=0)
    )
    return name


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(study)).scalar_one())


class Proxy:
    """A way to the server that can be cut at a chosen moment.

    `cut` is asked about every message of the client: None lets it pass, "before" cuts the way before the server sees
    it, "after" lets the server have it and cuts the way before its answer comes back.
    """

    def __init__(self, port: int, cut: Callable[[bytes], str | None]):
        self.port_of_server = port
        self.cut = cut
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port_of_server))
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self.backward, args=(server, client), daemon=True).start()

    def forward(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while message := client.recv(65536):
                how = self.cut(message)
                self.cuts += how is not None
                if how == "after":
                    client.shutdown(socket.SHUT_RDWR)  # the answer finds nobody
                    server.sendall(message)
                    time.sleep(0.3)
                elif how is None:
                    server.sendall(message)
                if how is not None:
                    break
        except OSError:
            pass
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the other thread; closing would not

    def backward(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while message := server.recv(65536):
                client.sendall(message)
        except OSError:
            pass


@contextmanager
def through_proxy(url: str, cut: Callable[[bytes], str | None]) -> Iterator[tuple[str, Proxy]]:
    port = urlsplit(url).port
    assert port is not None
    proxy = Proxy(port, cut)
    try:
        yield make_url(url).set(port=proxy.port).render_as_string(hide_password=False), proxy
    finally:
        proxy.listener.close()


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_connection_lost_in_the_middle_of_a_commit_applies_the_transaction_once(postgres_url: str, how: str) -> None:
    armed = threading.Event()

    def cut(message: bytes) -> str | None:
        if armed.is_set() and b"COMMIT" in message:
            armed.clear()
            return how
        return None

    with Database(postgres_url) as direct, through_proxy(postgres_url, cut) as (url, proxy), Database(url) as database:
        database.write(lambda connection: add("first", connection))
        armed.set()
        assert database.write(lambda connection: add("second", connection)) == "second"
        assert proxy.cuts == 1
        assert count(direct) == 2
        database.write(lambda connection: add("third", connection))
        assert count(direct) == 3


def test_the_server_crashes_and_comes_back_while_we_write(own_cluster) -> None:
    """Crashes at random moments of a stream of transactions; each of them counts once."""
    database = Database(own_cluster.new_database())
    record = StudyStore(database).create("counter", "search", {})
    written = 0
    stop = threading.Event()

    def stream() -> None:
        nonlocal written
        one_more = study.update().where(study.c.id == record.id).values(trials=study.c.trials + 1)
        while not stop.is_set():
            database.write(lambda connection: connection.execute(one_more).rowcount)
            written += 1

    writing = threading.Thread(target=stream)
    writing.start()
    for _ in range(3):
        time.sleep(0.7)
        before = written
        own_cluster.stop("immediate")
        time.sleep(0.3)
        own_cluster.start()
        deadline = time.monotonic() + 60
        while written == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert written > before, "nothing was written after the server came back"
    stop.set()
    writing.join(60)
    found = StudyStore(database).find("counter")
    assert found is not None
    assert found.trials == written > 10
    database.close()


def test_a_server_that_stays_away_is_given_up_with_a_sentence(own_cluster) -> None:
    url = own_cluster.new_database()
    database = Database(url, patience=1.0)
    own_cluster.stop()
    with pytest.raises(StorageError) as caught:
        database.write(lambda connection: add("never", connection))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    own_cluster.start()
    database.write(lambda connection: add("at last", connection))
    assert count(database) == 1
    database.close()


def test_a_reader_finds_the_server_again(own_cluster) -> None:
    database = Database(own_cluster.new_database())
    assert count(database) == 0
    own_cluster.stop()
    own_cluster.start()
    assert count(database) == 0
    database.close()


def test_closing_leaves_no_row_behind(postgres_url: str) -> None:
    with Database(postgres_url) as database:
        database.write(lambda connection: add("one", connection))
    with Database(postgres_url) as database, database.read() as connection:
        assert connection.execute(select(func.count()).select_from(writer)).scalar_one() == 0


def test_a_transaction_that_only_looks_writes_nothing(postgres_url: str) -> None:
    """Waiting is polling, and a poll should touch no disk."""
    with Database(postgres_url) as database:
        database.write(lambda connection: connection.execute(select(func.count()).select_from(study)).scalar_one())
        assert database.write(lambda connection: connection.execute(select(writer)).all()) == []
        database.write(lambda connection: add("one", connection))
        (row,) = database.write(lambda connection: connection.execute(select(writer)).all())
        assert row.last == 3
