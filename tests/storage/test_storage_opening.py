"""Which databases are refused, with what sentence, and that nothing is written to them."""

import os
import pwd
import socket
import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from sqlalchemy import text

from automl.engine.run_config import RunConfig
from automl.errors import StorageRefused
from automl.storage.engine import Database
from automl.storage.schema import APPLICATION_ID
from automl.storage.studies import StudyStore


def refused(url: str, **options: bool) -> str:
    with pytest.raises(StorageRefused) as caught:
        Database(url, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_new_file_is_created_with_our_mark_and_a_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with Database(f"sqlite:///{path}") as database:
        assert database.url_shown == f"sqlite:///{path}"
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA application_id").scalar() == APPLICATION_ID
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        StudyStore(database).create("one", "search", {})
    with Database(f"sqlite:///{path}", create=False) as database:
        assert [study.name for study in StudyStore(database).all()] == ["one"]


def test_the_connection_that_writes_is_fully_durable(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'new.db'}") as database:
        assert database.write(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar()) == 2  # FULL
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA query_only").scalar() == 1


def test_a_missing_file_is_not_made_by_a_reading_command(tmp_path: Path) -> None:
    path = tmp_path / "missing.db"
    assert f"there is no database at sqlite:///{path}" in refused(f"sqlite:///{path}", create=False)
    assert os.listdir(tmp_path) == []


def test_an_empty_file_is_refused_by_a_reading_command_and_filled_by_a_writing_one(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    assert "is empty" in refused(f"sqlite:///{path}", create=False)
    Database(f"sqlite:///{path}").close()
    Database(f"sqlite:///{path}", create=False).close()


@pytest.mark.parametrize("mark", [0, 7])
def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path, mark: int) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE song (name TEXT)")
        theirs.execute(f"PRAGMA application_id={mark}")
    theirs.close()
    before = path.read_bytes()
    assert "not one of automl's (it holds other tables: song)" in refused(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["theirs.db"]


def test_tables_of_our_names_without_our_mark_are_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "alike.db"
    with sqlite3.connect(path) as theirs:
        for name in ("alembic_version", "context", "evaluation", "study"):
            theirs.execute(f"CREATE TABLE {name} (version_num TEXT)")
    theirs.close()
    assert "not one of automl's" in refused(f"sqlite:///{path}")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but quite long enough to look at" * 10)
    before = path.read_bytes()
    assert f"the file {path} is not an SQLite database" in refused(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_file_cut_short_is_refused_with_its_sizes(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "cut.db"
    with Database(f"sqlite:///{path}") as database:
        store = StudyStore(database)
        for number in range(200):
            store.create(f"study {number}", "search", {"padding": "x" * 500})
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(int(whole * kept))
    sentence = refused(f"sqlite:///{path}")
    assert "damaged: it has been cut short" in sentence
    assert f"{whole:,}" in sentence
    assert path.stat().st_size == int(whole * kept)


def test_a_file_with_a_torn_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "torn.db"
    Database(f"sqlite:///{path}").close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    assert "is damaged" in refused(f"sqlite:///{path}")


def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    assert "is a folder" in refused(f"sqlite:///{tmp_path}")
    assert f"there is no folder {tmp_path / 'nowhere'}" in refused(f"sqlite:///{tmp_path}/nowhere/automl.db")
    assert os.listdir(tmp_path) == []


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """In a process of an ordinary user: root may write everywhere."""
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("no user 'nobody' here")
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    place = Path("/tmp") / f"automl-unwritable-{os.getpid()}"
    place.mkdir(mode=0o755)
    warm = f"sqlite:///{tmp_path}/warm.db"
    script = (
        "import os, sys; from automl.storage.engine import Database; from automl.errors import StorageRefused\n"
        "Database(sys.argv[2]).close()  # loads everything while Python's own files can be read\n"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "try:\n    Database(sys.argv[1])\nexcept StorageRefused as refused:\n    print(refused)\n"
    )
    try:
        for url in (f"sqlite:///{place}/new.db", f"sqlite:///{place}/old.db"):
            if "old" in url:
                Database(url).close()
            done = subprocess.run([sys.executable, "-c", script, url, warm], capture_output=True, text=True, cwd="/")
            assert "cannot be written" in done.stdout, done.stderr
    finally:
        for file in place.iterdir():
            file.unlink()
        place.rmdir()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("automl.db", "not a database URL"),
        ("postgresql://user:hunter2@host:port/db", "not a database URL"),
        ("mysql://user:hunter2@host/db", "kind 'mysql' is not supported"),
        ("postgresql://user:pass@hunter2@host/db", "write it as %40"),
        ("sqlite://user:hunter2@host/automl.db", "has no host"),
        ("sqlite://folder/automl.db", "three slashes"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str, said: str) -> None:
    sentence = refused(url)
    assert said in sentence
    assert "hunter2" not in sentence
    with pytest.raises(StorageRefused) as caught:
        Database(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_run_configuration_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(RunConfig(storage="postgresql://user:hunter2@host/db"))


def test_an_unreachable_postgresql_is_refused_without_its_password() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sentence = refused(f"postgresql+psycopg://user:hunter2@127.0.0.1:{port}/db")
    assert "cannot be used" in sentence
    assert "hunter2" not in sentence
    assert "***" in sentence


def test_a_missing_driver_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "psycopg" else real(name))
    sentence = refused("postgresql://user:hunter2@host/db")
    assert "automl-functional-hashing[postgresql]" in sentence
    assert "hunter2" not in sentence


def test_a_foreign_postgresql_database_is_refused_and_left_alone(postgres_url: str) -> None:
    import psycopg

    plain = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain) as theirs:
        theirs.execute("CREATE TABLE song (name TEXT)")
    assert "not one of automl's (it holds other tables: song)" in refused(postgres_url)
    with psycopg.connect(plain) as theirs:
        names = theirs.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        assert names.fetchall() == [("song",)]


def test_a_missing_postgresql_database_and_an_empty_one_read_only(postgres_url: str) -> None:
    assert "is empty" in refused(postgres_url, create=False)
    assert "does not exist" in refused(postgres_url + "_missing")


def test_a_password_with_odd_characters_is_never_shown(postgres_url: str) -> None:
    url = postgres_url.replace("secret", "p%40ss%3Aword")
    with Database(url) as database:
        for shown in (database.url_shown, repr(database)):
            assert "p%40ss" not in shown
            assert "p@ss" not in shown


def test_many_first_users_at_once_make_one_database(any_url: str) -> None:
    script = (
        "import sys; from automl.storage.engine import Database; from automl.storage.studies import StudyStore\n"
        "StudyStore(Database(sys.argv[1])).create(sys.argv[2], 'search', {})\n"
    )
    users = [
        subprocess.Popen([sys.executable, "-c", script, any_url, f"user {number}"], stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    for user in users:
        _, errors = user.communicate(timeout=120)
        assert user.returncode == 0, errors
    with Database(any_url, create=False) as database, database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM study")).scalar() == 4


def test_importing_storage_loads_neither_torch_nor_ray_nor_a_driver() -> None:
    script = (
        "import sys, automl.storage.studies, automl.storage.migrate\n"
        "import automl.cache.store, automl.cache.policy, automl.cache.maintenance, automl.cache.transfer\n"
        "print(sorted({'torch', 'ray', 'psycopg', 'alembic', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_creation_that_was_killed_before_its_last_step_is_finished_by_the_next_user(tmp_path: Path) -> None:
    path = tmp_path / "young.db"
    Database(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    raw.close()
    with Database(f"sqlite:///{path}") as database, database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
