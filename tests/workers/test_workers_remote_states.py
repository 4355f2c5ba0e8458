"""States of evaluations at a URL: written, carried on, marked and tidied as those of a folder."""

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from automl.errors import InvalidInput
from automl.evaluators import checkpoints
from automl.evaluators.checkpoints import Checkpoint, check_folder, file_of, move, names_in, used
from automl.evaluators.places import RemotePath, place

STATES = "memory://bucket/states"


@pytest.fixture(autouse=True)
def bucket():
    MemoryFileSystem.store.clear()
    yield
    MemoryFileSystem.store.clear()


def test_a_state_is_read_where_another_process_would_look_for_it():
    name = file_of(f"{STATES}/group", bytes(16), 7, '{"x":1}')
    assert name.startswith(f"{STATES}/group/")
    Checkpoint(place(name)).write(b"epoch 3")
    assert Checkpoint(place(name)).read() == b"epoch 3"
    Checkpoint(place(name)).discard()
    assert Checkpoint(place(name)).read() is None


def test_the_last_study_that_ends_takes_the_states_along():
    folder = f"{STATES}/group"
    with used(folder, "one") as one, used(folder, "another"):
        Checkpoint(place(file_of(folder, bytes(16), 7, "{}"))).write(b"epoch 3")
        one.keep()
    assert len(names_in(folder)) == 1  # it goes on there
    with used(folder, "one"):
        assert len(names_in(folder)) == 1
    assert not place(folder).exists()


def test_states_move_with_their_keys():
    Checkpoint(place(file_of(f"{STATES}/old", bytes(16), 2, "{}"))).write(b"epoch 3")
    assert move(f"{STATES}/old", f"{STATES}/new", dict.fromkeys(names_in(f"{STATES}/old"), (b"k" * 16, 2))) == 1
    assert Checkpoint(place(file_of(f"{STATES}/new", b"k" * 16, 2, "{}"))).read() == b"epoch 3"
    assert not names_in(f"{STATES}/old")


def test_a_place_that_nothing_knows_is_refused_beforehand():
    with pytest.raises(InvalidInput, match="checkpoints cannot be kept at nowhere://bucket"):
        check_folder("nowhere://bucket/states")
    check_folder(STATES)


def test_what_goes_wrong_there_costs_the_state_alone(monkeypatch):
    def full(self, path, value, **_):
        raise RuntimeError("SlowDown")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", full)
    state = Checkpoint(RemotePath(f"{STATES}/one"))
    state.write(b"epoch 3")
    assert state.read() is None
    with pytest.raises(InvalidInput, match="checkpoints cannot be written to memory://bucket/states: RuntimeError"):
        check_folder(STATES)


def test_a_file_system_without_dates_keeps_the_states_of_a_study_that_lives(monkeypatch):
    def undated(self, path):
        raise NotImplementedError

    monkeypatch.setattr(MemoryFileSystem, "modified", undated)
    folder = f"{STATES}/group"
    with used(folder, "one"):
        Checkpoint(place(file_of(folder, bytes(16), 7, "{}"))).write(b"epoch 3")
        with used(folder, "another"):
            pass
        assert len(names_in(folder)) == 1
    assert not place(folder).exists()


def test_a_study_ends_though_its_folder_cannot_be_listed_any_more(monkeypatch):
    folder, listed = f"{STATES}/group", []

    def once(self, path, detail=True, **_):
        listed.append(path)
        if len(listed) > 1:
            raise RuntimeError("SlowDown")
        return [f"{path}/one"]

    with used(folder, "one"):
        monkeypatch.setattr(MemoryFileSystem, "ls", once)
    assert len(listed) == 2


def test_who_is_about_to_end_stays_until_the_state_is_saved(monkeypatch, tmp_path):
    left = []
    monkeypatch.setattr(checkpoints, "_on_saved", [])
    checkpoints.hurry(lambda: left.append("saved"))
    (tmp_path / "full").write_text("a file where the folder should be")
    Checkpoint(tmp_path / "full" / "state").write(b"epoch 3")
    with monkeypatch.context() as broken:
        broken.setattr(MemoryFileSystem, "pipe_file", lambda *given, **more: 1 / 0)
        Checkpoint(RemotePath(f"{STATES}/one")).write(b"epoch 3")
    assert left == []
    Checkpoint(RemotePath(f"{STATES}/one")).write(b"epoch 3")
    Checkpoint(tmp_path / "states" / "state").write(b"epoch 3")
    assert left == ["saved", "saved"]
