"""Makes the files of this folder: what an automl with version 1 of the functional hash has left behind.

Run once, with that release (commit ccfe0bd), and never with later code: `tests/cache/test_rekey_release.py` takes these
very files through `automl cache rekey`.

    AUTOML_DATA=../shared/data PYTHONPATH=../version-1 python tests/data/version_1/make.py

Written by hand are `own_space.py`, a user's file, and `studies.json`, the arguments of `automl.search` for each study.
Made are

- `left.db.gz`: one SQLite file with all these studies. That of the study `killed` was ended with SIGKILL when half of
  its trials were stored. Where a target was the absolute path of `own_space.py`, its folder is written as `/version-1`;
- `export.jsonl.gz`: `automl cache export` of it, format 2, which says nothing of spaces;
- `reports.json.gz`: `automl report STUDY --json` of each finished study in it.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
STUDIES: dict[str, dict[str, Any]] = json.loads((HERE / "studies.json").read_text())
FOLDER = "/version-1"
COMMAND = [sys.executable, "-c", "from automl.cli import main; main()"]
SEARCH = "import automl, json, sys; automl.search(**json.loads(sys.argv[1])).close()"
STORAGE = "sqlite:///left.db"
KILLED = "killed"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        shutil.copy(HERE / "own_space.py", folder)
        os.chdir(folder)
        for study in STUDIES:
            if study != KILLED:
                assert started(study, 0).wait() == 0
        kill(KILLED)
        reports = {study: json.loads(command("report", study, "--json")) for study in STUDIES if study != KILLED}
        write("reports.json.gz", json.dumps(reports).replace(f"{folder}/", f"{FOLDER}/").encode())
        tidy(folder)
        command("cache", "export", "export.jsonl.gz")
        shutil.copy("export.jsonl.gz", HERE)
        write("left.db.gz", Path("left.db").read_bytes())


def write(name: str, content: bytes) -> None:
    (HERE / name).write_bytes(gzip.compress(content, mtime=0))
    print(name, (HERE / name).stat().st_size)


def command(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments, "--storage", STORAGE], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def started(study: str, seconds: float) -> subprocess.Popen[bytes]:
    given = {**STUDIES[study], "study": study, "storage": STORAGE, "workers": 0}
    environment = {**os.environ, "OWN_SPACE_SECONDS": str(seconds)}
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", SEARCH, json.dumps(given)], env=environment)


def kill(study: str) -> None:
    """Ends the search with SIGKILL in the middle of an evaluation, when half of its trials are stored."""
    process = started(study, 0.2)
    query = "SELECT COUNT(*) FROM trial JOIN study ON trial.study = study.id WHERE study.name = ?"
    stored = 0
    while 2 * stored < STUDIES[study]["trials"]:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
        with contextlib.closing(sqlite3.connect("file:left.db?mode=ro", uri=True)) as connection:
            stored = connection.execute(query, (study,)).fetchone()[0]
    process.kill()
    assert process.wait() == -signal.SIGKILL


def tidy(folder: Path) -> None:
    """Brings the log into the file, and writes the folder of the user's file as one that is nowhere."""
    with contextlib.closing(sqlite3.connect("left.db")) as connection:
        with connection:
            for change in (
                "UPDATE study SET settings = replace(settings, ?, ?)",
                "UPDATE evaluation SET error = replace(error, ?, ?)",  # it holds a traceback
            ):
                connection.execute(change, (f"{folder}/", f"{FOLDER}/"))
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert str(folder).encode() not in Path("left.db").read_bytes()


if __name__ == "__main__":
    main()
