"""A database that is open twice in one process keeps its locks: nobody else takes it for unused."""

import subprocess
import sys
from pathlib import Path

import pytest

from automl.errors import StorageRefused
from automl.storage.engine import Database
from automl.storage.studies import StudyStore

OTHER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1])
print(other.execute("SELECT count(*) FROM study").fetchone()[0])
other.close()  # the last one to close takes the log away
"""


def test_another_process_does_not_take_the_log_away(tmp_path: Path) -> None:
    path = tmp_path / "held.db"
    one = Database(f"sqlite:///{path}")
    StudyStore(one).create("first", "search", {})
    two = Database(f"sqlite:///{path}", create=False)
    assert Database.exists(f"sqlite:///{path}")
    Database.check(f"sqlite:///{path}")
    StudyStore(two).create("second", "search", {})
    log = path.with_name("held.db-wal")
    assert log.exists()
    done = subprocess.run([sys.executable, "-c", OTHER, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
    assert log.exists(), "the other process took itself for the last one"
    StudyStore(one).create("third", "search", {})
    assert len(StudyStore(two).all()) == 3
    one.close()
    two.close()
    path.write_bytes(b"no database" * 20)
    with pytest.raises(StorageRefused, match="is not an SQLite database"):  # once closed, it is looked at again
        Database(f"sqlite:///{path}")
