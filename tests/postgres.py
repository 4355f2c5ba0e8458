"""The fixture `postgres_url`: a real PostgreSQL cluster for the session of tests, begun when first asked for.

PostgreSQL refuses to run as root; then the cluster runs as a system user made for it (or Debian's `postgres`). Where it
is not installed, tests that need it are skipped; with AUTOML_REQUIRE_POSTGRES=1 they fail.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

__all__ = ["any_url", "own_cluster", "postgres_cluster", "postgres_url"]

_USER = "automl_postgres"

_CARETAKER = """
import shutil, subprocess, sys
sys.stdin.read()  # to its end: whoever started us has closed it, or is dead
subprocess.run(sys.argv[2:])
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""
"""A process of its own that ends a cluster when its tests end, however they end. Arguments: folder, how to stop it."""


class Cluster:
    """One PostgreSQL cluster of our own, in a temporary folder, on a free port of 127.0.0.1."""

    def __init__(self, binaries: Path, user: str | None):
        self.binaries = binaries
        self.user = user
        self.folder = Path(tempfile.mkdtemp(prefix="automl-postgres-"))
        if user is not None:
            shutil.chown(self.folder, user)
        self._caretaker = subprocess.Popen(
            [sys.executable, "-c", _CARETAKER, self.folder, *self._command(*self._stopping("immediate"))],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends the tests' process group leaves it alone
        )
        self.port = _free_port()
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "automl", "-A", "trust", "-E", "UTF8", "--no-locale")
        with (self.folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n")
            settings.write("max_connections = 60\nlog_min_messages = fatal\n")
        self.start()

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(self.binaries / program), *arguments]
        return command if self.user is None else ["runuser", "-u", self.user, "--", *command]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(program, *arguments), cwd=self.folder, capture_output=True, text=True, timeout=120
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    def start(self) -> None:
        # The log takes the server's output: a pipe of ours would be held open by it for ever.
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "60", "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """Modes: "fast" ends connections first, "immediate" is a crash."""
        self._run(*self._stopping(mode))

    def _stopping(self, mode: str) -> tuple[str, ...]:
        return "pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "60", "-m", mode, "stop"

    def new_database(self) -> str:
        """Returns the URL of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="automl", dbname="postgres", autocommit=True
        ) as link:
            link.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://automl:secret@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        assert self._caretaker.stdin is not None
        self._caretaker.stdin.close()
        self._caretaker.wait(120)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries() -> Path | None:
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if (found := shutil.which("initdb")) is not None:
        places.append(Path(found).resolve().parent)
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


def _system_user() -> str | None:
    """Returns the user to run the server as, None to run it as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in (_USER, "postgres"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _USER], check=True)
    return _USER


def start_cluster() -> Cluster:
    """Starts a cluster, or skips the test where there is no PostgreSQL (fails with AUTOML_REQUIRE_POSTGRES=1)."""
    binaries = _binaries()
    if binaries is None:
        reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("AUTOML_REQUIRE_POSTGRES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return Cluster(binaries, _system_user())


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """The session's shared cluster; no test stops it."""
    cluster = start_cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> str:
    """The URL of a new, empty database in the session's cluster."""
    return postgres_cluster.new_database()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A cluster of the test's own, which it may stop and start."""
    cluster = start_cluster()
    yield cluster
    cluster.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'any.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
