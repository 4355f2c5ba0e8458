"""The database fails in the middle of a whole search: PostgreSQL crashes and comes back, SQLite's disk is full."""

import sqlite3
import threading
from collections import Counter
from contextlib import closing

import pytest
from crash_child import STUDY, given
from crash_parts import MARKS

import automl
from automl.errors import StorageError
from automl.storage.engine import Database


@pytest.fixture
def marks(tmp_path, monkeypatch):
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    return tmp_path / "marks"


def begun(marks):
    return Counter(line.split()[0] for line in marks.read_text().splitlines())


def told(study):
    """Returns what no clock measured of the search and of its random search."""
    return [
        (one.number, one.position, one.candidate, one.key, one.outcome, one.fitness, one.replicates, one.parents)
        for word in ("", "/random")
        for one in study.store.trials(study.store.find(study.name + word).id)
    ]


@pytest.fixture
def calm(marks, tmp_path):
    """What the same search finds when nothing happens."""
    with_none = automl.search(**given(f"sqlite:///{tmp_path / 'calm.db'}"))
    found = told(with_none), begun(marks)
    with_none.close()
    marks.unlink()
    return found


def test_postgresql_crashes_during_a_search_which_waits_and_loses_nothing(own_cluster, marks, calm):
    crashes = []

    def crash(study, trial):
        if trial.number in (15, 40):
            own_cluster.stop("immediate")
            back = threading.Timer(1.0, own_cluster.start)
            back.start()
            crashes.append(back)

    study = automl.search(**given(own_cluster.new_database(), callbacks=[crash]))
    for back in crashes:
        back.join()
    assert len(crashes) == 2
    assert study.finished
    assert (told(study), begun(marks)) == calm
    study.close()


def test_a_full_database_stops_the_search_and_it_goes_on_where_there_is_room(marks, calm, tmp_path):
    url = f"sqlite:///{tmp_path / 'full.db'}"
    Database(url).close()
    with closing(sqlite3.connect(tmp_path / "full.db")) as file:
        file.execute("VACUUM")  # migrations leave room inside the file

    def fill(study, trial):
        if trial.number == 5:
            pages = study.database.write(lambda link: link.exec_driver_sql("PRAGMA page_count").scalar_one())
            study.database.write(lambda link: link.exec_driver_sql(f"PRAGMA max_page_count={pages}"))

    with pytest.raises(StorageError, match=r"is full .* everything finished before stands"):
        automl.search(**given(url, callbacks=[fill]))
    stopped = automl.Study.open(STUDY, url)
    before = list(stopped.trials())
    with stopped.database.read() as link:
        rows = link.exec_driver_sql("SELECT seed FROM evaluation WHERE state IN ('done', 'failed')").fetchall()
    stopped.close()
    assert 6 <= len(before) < 70
    first = begun(marks)
    study = automl.resume(STUDY, storage=url, workers=0)
    again = begun(marks) - first
    assert rows
    assert not {str(seed) for (seed,) in rows} & again.keys()  # nothing that was stored is evaluated again
    assert told(study) == calm[0]
    assert study.finished
    study.close()
