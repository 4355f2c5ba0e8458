"""What the tests of cases share: a command line in a process of its own, and a database that is looked into."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from automl.cli import main; main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(folder, *arguments, seconds=300, **environment):
    """Runs the command to its end; returns (exit code, standard output, standard error)."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    return done.returncode, done.stdout, done.stderr


def script(folder, text, seconds=300, **environment):
    """Runs a program of the user's; returns (exit code, standard output, standard error)."""
    path = Path(folder) / "program.py"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    return done.returncode, done.stdout, done.stderr


class Started:
    """A command under way, in a process group of its own."""

    def __init__(self, folder, *arguments):
        self.folder = Path(folder)
        self.out, self.err = self.folder / "out.txt", self.folder / "err.txt"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [*COMMAND, *map(str, arguments)], cwd=folder, env=ENVIRONMENT, stdout=out, stderr=err, process_group=0
            )
        self.below = []

    def wait_for(self, condition, seconds=240):
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.err.read_text() + self.out.read_text()
            assert time.monotonic() < until, "it never came to pass"
            time.sleep(0.1)

    def children(self):
        """Returns the processes below; they are remembered."""
        found = []
        with suppress(psutil.Error):
            found = psutil.Process(self.process.pid).children(recursive=True)
        self.below = [*{one.pid: one for one in (*self.below, *found)}.values()]
        return found

    def send(self, number):
        self.children()
        os.kill(self.process.pid, number)

    def end(self, seconds=120):
        """Returns (exit code, standard error), once it has ended; whatever it started has ended too, soon after."""
        try:
            code = self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
        until = time.monotonic() + 30
        while self.left() and time.monotonic() < until:
            time.sleep(0.2)
        return code, self.err.read_text()

    def left(self):
        """Returns the names of processes that it left behind."""
        names = []
        for one in self.below:
            try:
                if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                    names.append(one.name())
            except psutil.Error:
                pass
        return names

    def close(self):
        for one in self.below:
            try:
                if one.is_running():  # it compares the start time
                    one.send_signal(signal.SIGKILL)
            except psutil.Error:
                pass
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def rows(database, query):
    """Returns rows of an SQLite file; none while there is no such table."""
    if not Path(database).exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def trials(database):
    found = rows(database, "select count(*) from trial")
    return found[0][0] if found else 0
