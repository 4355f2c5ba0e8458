"""Studies and trials as rows."""

import threading
from collections.abc import Iterator

import pytest

from automl.errors import InvalidInput, StorageError, StudyBusy
from automl.storage.engine import Database
from automl.storage.records import TrialRecord
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore


@pytest.fixture
def store(any_url: str) -> Iterator[StudyStore]:
    with Database(any_url) as database:
        yield StudyStore(database)


def trial(number: int, position: int | None = None) -> TrialRecord:
    return TrialRecord(
        number=number,
        candidate=f'{{"width":{number % 7}}}',
        key=bytes([number % 5]) * 16,
        context=1,
        outcome="miss",
        fitness=number / 3,
        metrics={"accuracy": number / 3, "größe": [1, 2]},
        replicates=1,
        origin="mutation",
        parents=(number - 1, number - 2),
        paid_seconds=0.1,
        saved_seconds=0.2,
        hash_seconds=0.3,
        costs={"parameters": 123},
        told_at=float(number),
        position=number if position is None else position,
    )


def test_a_study_is_what_it_was_made_as(store: StudyStore) -> None:
    made = store.create("a", "search", {"seed": 7, "window": 4})
    assert store.find("a") == made
    assert (made.state, made.trials, made.parent) == ("open", 0, None)
    assert made.created > 1_700_000_000
    child = store.create("a-random", "baseline", {}, parent=made.id)
    assert store.phase_studies(made.id) == [child]
    assert store.all() == [made, child]
    assert store.find("b") is None


def test_a_name_is_given_once(store: StudyStore) -> None:
    store.create("a", "search", {})
    with pytest.raises(InvalidInput, match="a study named 'a' exists already"):
        store.create("a", "baseline", {})
    assert len(store.all()) == 1


def test_a_study_is_finished_and_opened_again(store: StudyStore) -> None:
    made = store.create("a", "search", {"trials": 5})
    store.finish(made.id)
    assert store.find("a").state == "finished"
    store.reopen([(made.id, {"trials": 10})])
    found = store.find("a")
    assert (found.state, found.settings) == ("open", {"trials": 10})


def test_trials_come_back_as_they_were_written_page_by_page(store: StudyStore) -> None:
    made = store.create("a", "search", {})
    other = store.create("b", "search", {})
    trials = [trial(number) for number in range(25)]
    store.append_trials(made.id, trials[:10])
    store.append_trials(other.id, trials[:3])
    store.append_trials(made.id, trials[10:])
    store.append_trials(made.id, [])
    for page in (1, 7, 25, 26, 5000):
        assert list(store.trials(made.id, page=page)) == trials
    assert list(store.trials(made.id, after_position=19, page=2)) == trials[20:]
    assert store.find("a").trials == 25
    assert store.find("b").trials == 3


def test_trials_are_found_by_their_positions_in_the_order_asked_for(store: StudyStore) -> None:
    study = store.create("s", "search", {})
    store.append_trials(study.id, [trial(1200 - place, position=place) for place in range(1201)])
    asked = [7, 1200, 0, 7, *range(600, 1150)]
    assert [one.position for one in store.trials_at(study.id, asked)] == asked
    assert store.trials_at(study.id, [1200])[0].number == 0
    assert store.trials_at(study.id, []) == []
    with pytest.raises(StorageError, match="has no trial at position 1201, 5000"):
        store.trials_at(study.id, [3, 1201, 5000])


def test_trials_come_back_in_told_order_whatever_their_numbers(store: StudyStore) -> None:
    made = store.create("a", "search", {})
    store.append_trials(made.id, [trial(5, position=0), trial(2, position=1), trial(9, position=2)])
    assert [one.number for one in store.trials(made.id)] == [5, 2, 9]


@pytest.mark.parametrize("again", [trial(3), trial(3, position=9), trial(9, position=3)])
def test_no_trial_is_written_twice_and_its_batch_leaves_nothing(store: StudyStore, again: TrialRecord) -> None:
    made = store.create("a", "search", {})
    store.append_trials(made.id, [trial(number) for number in range(5)])
    with pytest.raises(StorageError):
        store.append_trials(made.id, [trial(20), again])
    assert [one.number for one in store.trials(made.id)] == [0, 1, 2, 3, 4]
    assert store.find("a").trials == 5


def test_a_class_is_counted_each_time_that_it_is_seen(store: StudyStore) -> None:
    made = store.create("a", "search", {})
    store.append_trials(made.id, [trial(number) for number in range(35)])
    with store.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT key, times_seen FROM equivalence_class ORDER BY key").all()
        assert [(bytes(key)[0], seen) for key, seen in rows] == [(number, 7) for number in range(5)]


def test_a_study_has_one_coordinator(store: StudyStore) -> None:
    made = store.create("a", "search", {})
    with Session(store.database) as one, Session(store.database) as two:
        store.coordinate(made.id, one.id)
        store.coordinate(made.id, one.id)
        with pytest.raises(StudyBusy, match=f"'a' is being run by process {one.process.pid} on {one.process.host}"):
            store.coordinate(made.id, two.id)
        store.release(made.id, two.id)  # not its to release
        with pytest.raises(StudyBusy):
            store.coordinate(made.id, two.id)
        store.release(made.id, one.id)
        store.coordinate(made.id, two.id)


def test_a_study_whose_coordinator_is_dead_is_taken_over(store: StudyStore) -> None:
    made = store.create("a", "search", {})
    one = Session(store.database)
    store.coordinate(made.id, one.id)
    one.close()
    with Session(store.database) as two:
        store.coordinate(made.id, two.id)


def test_of_many_that_want_a_study_at_once_one_gets_it(any_url: str) -> None:
    with Database(any_url) as database:
        made = StudyStore(database).create("a", "search", {})
    got: list[int] = []
    refused: list[StudyBusy] = []
    start = threading.Barrier(6)

    def want() -> None:
        with Database(any_url) as database, Session(database) as session:
            start.wait()
            try:
                StudyStore(database).coordinate(made.id, session.id)
                got.append(session.id)
            except StudyBusy as busy:
                refused.append(busy)
            start.wait()

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(got), len(refused)) == (1, 5)
