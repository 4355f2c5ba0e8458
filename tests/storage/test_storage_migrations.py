"""Migrations: every released schema is brought up to date with its data intact, from wherever they are installed."""

import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, select

from alembic import command
from automl.cache.features import StoredFeatures
from automl.cache.store import EquivalenceCache
from automl.errors import StorageRefused
from automl.hashing import Hasher
from automl.jsontext import canonical
from automl.setup.space_code import SpaceCode
from automl.storage import migrate, opening, schema
from automl.storage.artefacts import artefacts_of
from automl.storage.connections import make_engine
from automl.storage.engine import Database
from automl.storage.sessions import Session
from automl.storage.spaces import StoredSpace, spaces_of
from automl.storage.studies import StudyStore
from automl.storage.urls import parse_url

OLD = sorted((Path(__file__).parent / "old_schemas").glob("*.sqlite"))
PROJECT = Path(__file__).resolve().parents[2]

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("study", sa.Column("note", sa.Text, nullable=False, server_default="none"))
"""


def test_the_revision_that_opening_compares_with_is_the_head() -> None:
    assert migrate.head() == schema.REVISION
    assert {path.stem for path in OLD} == set(migrate.known())


def test_migrations_make_exactly_the_tables_that_the_code_uses(any_url: str) -> None:
    with Database(any_url) as database, database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        for table in schema.metadata.tables.values():
            keys = inspect(connection).get_pk_constraint(table.name)["constrained_columns"]
            assert keys == [column.name for column in table.primary_key.columns]


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_a_database_of_every_released_schema_is_upgraded_with_its_data(tmp_path: Path, old: Path) -> None:
    url = f"sqlite:///{shutil.copy(old, tmp_path / 'old.db')}"
    assert opening.current(url) == old.stem
    assert opening.upgrade(url) == (old.stem, migrate.head())
    assert opening.current(url) == migrate.head()
    with Database(url) as database, Session(database) as session:
        store = StudyStore(database)
        study, baseline = store.all()
        assert (study.name, study.kind, study.settings) == ("kept", "search", {"trials": 4, "space": "digits-cells"})
        assert [child.name for child in store.phase_studies(study.id)] == [baseline.name] == ["kept-random"]
        trials = list(store.trials(study.id))
        assert [(trial.number, trial.candidate, trial.outcome, trial.fitness) for trial in trials] == [
            (0, '"candidate 0"', "miss", 0.5),
            (1, '"candidate 1"', "failed", None),
            (3, '"candidate 3"', "hit", 0.5),
        ]
        cache = EquivalenceCache(database, session=session)
        context = cache.context({"evaluator": {"name": "table", "version": "1"}, "hasher": {"version": "1"}})
        assert context == trials[0].context
        found = cache.replicates(context, [bytes([number]) * 16 for number in range(3)])
        assert found[b"\0" * 16][0].metrics == {"accuracy": 0.5}
        assert found[b"\1" * 16][0].error == "ValueError: no such layer"
        curves = cache.learning_curves(context, [bytes([number]) * 16 for number in range(3)])
        points = {key: of[0].points for key, of in curves.items()}
        assert points == (
            {} if old.stem == "0001" else {b"\0" * 16: [(1.0, {"accuracy": 0.25}), (2.0, {"accuracy": 0.5})]}
        )
        assert b"\2" * 16 not in found
        with database.read() as connection:
            links = [tuple(row) for row in artefacts_of(connection, context, b"\0" * 16, 0)]
        assert links == ([] if old.stem < "0006" else [("made", "weights", b"\xab" * 32, 4096)])
        features = StoredFeatures(database, Hasher()).find([b"\0" * 16])
        assert {key: one["shape"].tolist() for key, one in features.items()} == (
            {} if old.stem < "0005" else {b"\0" * 16: [2.0, pytest.approx(np.nan, nan_ok=True)]}
        )
        with database.read() as connection:
            rows = connection.execute(select(schema.evaluation.c.space, schema.evaluation.c.moved).distinct()).all()
            spaces = spaces_of(connection, [row.space for row in rows])
        assert {(spaces[row.space].target, spaces[row.space].source, row.moved) for row in rows} == {
            ("digits-cells", "", None)
        }
        store.coordinate(study.id, session.id)


SPACES: dict[str, tuple[dict[str, object], tuple[str, dict[str, object], str] | None]] = {
    "text": ({"space": "digits-cells"}, ("digits-cells", {}, "")),
    "shipped": (
        {"space": {"target": "nasbench201", "settings": {"rows": 1}, "source": None}},
        ("nasbench201", {"rows": 1}, ""),
    ),
    "a file as a whole": (
        {"space": {"target": "/a/own.py", "settings": {}, "source": "0" * 32}},
        ("/a/own.py", {}, "0" * 32),
    ),
    "its parts": (
        {"space": {"target": "/a/größe.py", "settings": {}, "code": {"x": "Integer(0, 3)", "größe": "01"}}},
        ("/a/größe.py", {}, SpaceCode({"x": "Integer(0, 3)", "größe": "01"}).digest),
    ),
    "an object": (
        {"space": {"target": "object Tower", "settings": {}, "code": {"x": "1"}}},
        ("object Tower", {}, SpaceCode({"x": "1"}).digest),
    ),
    "nothing": ({"trials": 3}, None),
}


def test_evaluations_learn_which_space_made_them_from_their_studies(any_url: str) -> None:
    engine = make_engine(parse_url(any_url), writing=True)
    with engine.connect() as connection, connection.begin():
        command.upgrade(migrate._config(connection), "0003")
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA application_id={schema.APPLICATION_ID}")
        old = MetaData()
        old.reflect(connection)
        for number, (name, (settings, _)) in enumerate(SPACES.items(), 1):
            for study, phase in ((number, name), (number + 100, f"{name}/random")):
                row = {"id": study, "name": phase, "kind": "search", "settings": canonical(settings)}
                row |= {"state": "open", "created": 0.0, "trials": 0}
                connection.execute(old.tables["study"].insert(), row)
        results = {"state": "done", "seed": 0, "candidate": b"c" * 16, "metrics": "{}", "error": "", "seconds": 0.5}
        places = [*range(1, len(SPACES) + 1), *range(101, len(SPACES) + 101), None]
        rows = [
            {"context": 1, "key": b"k" * 16, "replicate": replicate, "study": study, "attempt": 1, "changed": 0.0}
            for replicate, study in enumerate(places)
        ]
        connection.execute(old.tables["evaluation"].insert(), [row | results for row in rows])
    engine.dispose()
    assert opening.upgrade(any_url) == ("0003", migrate.head())
    with Database(any_url) as database, database.read() as connection:
        found = {row.study: row.space for row in connection.execute(select(schema.evaluation))}
        spaces = spaces_of(connection, [one for one in found.values() if one is not None])
        assert found.pop(None) is None
        for number, (name, (settings, expected)) in enumerate(SPACES.items(), 1):
            assert found[number] == found[number + 100], name
            one = spaces.get(found[number]) if found[number] else None
            assert (one and (one.target, one.settings, one.source)) == expected, name
            assert one is None or (not one.imported and one.digest == StoredSpace.of_study(settings).digest)  # type: ignore[union-attr]
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_trials_take_their_candidates_along_and_classes_their_counts(any_url: str) -> None:
    engine = make_engine(parse_url(any_url), writing=True)
    key, floats = b"k" * 16, dict.fromkeys(("paid_seconds", "saved_seconds", "hash_seconds", "told_at"), 0.5)
    texts = {"outcome": "hit", "metrics": "{}", "origin": "", "parents": "[]", "error": "", "costs": "{}"}
    with engine.connect() as connection, connection.begin():
        command.upgrade(migrate._config(connection), "0002")
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA application_id={schema.APPLICATION_ID}")
        old = MetaData()
        old.reflect(connection)
        connection.execute(
            old.tables["candidate"].insert(), [{"digest": bytes([n]) * 16, "json": f'"{n}"'} for n in range(3)]
        )
        connection.execute(
            old.tables["equivalence_class"].insert(),
            [{"context": 1, "key": key, "candidate": bytes([0]) * 16, "times_seen": 5}],
        )
        rows = [
            {"study": study, "position": n, "number": 9 - n, "candidate": bytes([n % 3]) * 16, "key": key, "context": 1}
            for study in (7, 8)
            for n in range(5)
        ]
        connection.execute(old.tables["trial"].insert(), [row | texts | floats | {"replicates": 1} for row in rows])
    engine.dispose()
    assert opening.upgrade(any_url) == ("0002", migrate.head())
    with Database(any_url) as database, database.read() as connection:
        store = StudyStore(database)
        for study in (7, 8):
            found = [(one.position, one.number, one.candidate) for one in store.trials(study)]
            assert found == [(n, 9 - n, f'"{n % 3}"') for n in range(5)]
        assert connection.execute(select(schema.equivalence_class)).all() == [(1, key, 5)]
        tables = inspect(connection).get_table_names()
        assert set(tables) == {"alembic_version", *schema.metadata.tables}
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


@pytest.fixture
def newer_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of automl with one migration more than the present one."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "v9999_next.py").write_text(NEXT.format(head=migrate.head()))
    monkeypatch.setattr(migrate, "folder", lambda: folder)
    monkeypatch.setattr("automl.storage.opening.REVISION", "9999")


def test_an_old_schema_is_refused_with_the_command_and_upgraded_by_it(
    any_url: str, request: pytest.FixtureRequest
) -> None:
    with Database(any_url) as database:
        StudyStore(database).create("kept", "search", {})
    before = migrate.head()
    request.getfixturevalue("newer_version")
    with pytest.raises(StorageRefused, match=f"has the schema {before}.*automl db upgrade --storage"):
        Database(any_url)
    assert opening.upgrade(any_url) == (before, "9999")
    assert opening.upgrade(any_url) == ("9999", "9999")
    with Database(any_url) as database, database.read() as connection:
        rows = connection.exec_driver_sql("SELECT name, note FROM study").all()
        assert [tuple(row) for row in rows] == [("kept", "none")]


def test_a_newer_schema_is_refused_by_an_older_version(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    Database(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    for open_database in (Database, opening.upgrade):
        with pytest.raises(StorageRefused, match="written by a newer one: update automl"):
            open_database(f"sqlite:///{path}")


def test_a_migration_that_fails_leaves_the_database_as_it_was(any_url: str, request: pytest.FixtureRequest) -> None:
    with Database(any_url) as database:
        StudyStore(database).create("kept", "search", {})
    before = migrate.head()
    request.getfixturevalue("newer_version")
    file = migrate.folder() / "versions" / "v9999_next.py"
    file.write_text(file.read_text() + "    raise RuntimeError('half-way')\n")
    with pytest.raises(RuntimeError, match="half-way"):
        opening.upgrade(any_url)
    assert opening.current(any_url) == before


def test_upgrade_creates_a_new_database_and_current_refuses_a_missing_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(StorageRefused, match="there is no database"):
        opening.current(url)
    assert opening.upgrade(url) == (None, migrate.head())
    Database(url, create=False).close()


def test_the_migrations_are_in_the_wheel_and_found_there(tmp_path: Path) -> None:
    """The wheel is built from this checkout and put on the path of a process that sees nothing of the checkout."""
    pytest.importorskip("hatchling")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    place = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        names = wheel.namelist()
        wheel.extractall(place)
    assert not [name for name in names if name.startswith("alembic/")]
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from automl.storage import migrate, opening; from automl.storage.engine import Database\n"
        "Database(sys.argv[2]).close(); print(migrate.folder(), opening.current(sys.argv[2]))"
    )
    url = f"sqlite:///{tmp_path / 'new.db'}"
    done = subprocess.run(
        [sys.executable, "-c", script, str(place), url], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(place / "automl" / "storage" / "migrations"), migrate.head()]


def test_the_checkout_itself_holds_them_and_does_not_shadow_the_library() -> None:
    assert not (PROJECT / "alembic" / "__init__.py").exists()
    script = "import alembic; from automl.storage import migrate; print(alembic.__file__, migrate.folder())"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    library, folder = done.stdout.split()
    assert Path(library).parent != PROJECT / "alembic"
    assert Path(folder) == PROJECT / "alembic"
