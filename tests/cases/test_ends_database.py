"""A PostgreSQL that stays away is waited for once, and not by each part of the search in turn."""

import time
import types

import pytest

import automl
from automl.errors import StorageError
from automl.storage import engine
from automl.storage.engine import Database
from automl.storage.sessions import Session

PATIENCE = 2.0


class Line(automl.Space):
    x = automl.Integer(0, 10_000)


def value(c, seed):
    return float(c.x)


@pytest.fixture
def slept(monkeypatch):
    """The seconds that writing has waited for the database; its patience is not ten minutes here."""
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(engine, "time", types.SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    monkeypatch.setattr(Database.__init__, "__kwdefaults__", {**Database.__init__.__kwdefaults__, "patience": PATIENCE})
    return pauses


@pytest.mark.parametrize("at", [0, 5])
def test_a_search_ends_with_a_sentence_and_is_gone_on_with(own_cluster, slept, at):
    url = own_cluster.new_database()
    given = {"storage": url, "study": "s", "evaluator": value, "trials": 12, "workers": 0}
    quick = {
        "strategy": "regularized_evolution",
        "baseline": False,
        "finalists": 1,
        "confirm": 1,
        "test_seeds": 1,
        "sample": 2,
    }

    def stop(study, trial):
        if trial.number == at:
            own_cluster.stop("immediate")

    with pytest.raises(StorageError) as caught:
        automl.search(Line(), **given, **quick, callbacks=[stop])
    assert "\n" not in str(caught.value)
    # The search, giving back its claims, giving up the study and the session all find the database away.
    assert PATIENCE / 3 < sum(slept) < 2 * PATIENCE
    own_cluster.start()
    study = automl.search(Line(), **given, **quick)
    assert study.finished
    study.close()


def test_what_was_given_up_is_tried_once_and_waited_for_again_when_it_is_back(own_cluster, slept):
    database = Database(own_cluster.new_database())
    session = Session(database)
    own_cluster.stop()
    counts = []
    for _ in range(3):
        with pytest.raises(StorageError):
            database.write(lambda connection: connection.exec_driver_sql("SELECT 1"))
        counts.append(len(slept))
    assert counts[0] > 0
    assert counts == [counts[0]] * 3
    with pytest.raises(StorageError), database.read():
        pass
    assert len(slept) == counts[0]
    own_cluster.start()
    assert database.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one()) == 1
    own_cluster.stop()
    with pytest.raises(StorageError):
        database.write(lambda connection: connection.exec_driver_sql("SELECT 1"))
    assert len(slept) > counts[0]  # a new outage
    own_cluster.start()
    session.close()
    database.close()
