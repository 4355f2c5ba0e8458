"""What is sent to the nodes of a cluster, and how what is sent is found there."""

import os
import pickle
import zipfile

import pytest
from pool_parts import Behaving, plan

from automl.errors import WorkersUnavailable
from automl.pool import WorkerSetup
from automl.setup.proposing import Proposing
from automl.setup.targets import resolve
from automl.strategies.random import Random
from automl.testing.pools import Numbered
from workers.pools import ray_connection
from workers.pools.ray_pool import RayPool
from workers.pools.ray_workers import RayWorkers
from workers.pools.shipped import left_out
from workers.supernets.evaluators import WholeRating


@pytest.fixture
def asked(monkeypatch):
    """Returns what Ray is asked for at the start, and lets it refuse."""
    import ray

    found = []

    def init(**given):
        found.append(given)
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray_connection, "_answers", lambda address: None)
    monkeypatch.setattr(ray_connection, "_on_loopback_only", lambda address: False)
    return found


@pytest.mark.parametrize("number", [{"workers": 2}, {"max_workers": 2}, {"workers": None}])
def test_the_project_is_sent_whatever_number_of_workers_is_asked_for(asked, tmp_path, number):
    with pytest.raises(WorkersUnavailable, match="nobody there"):
        RayPool(plan(Behaving()), **number, address="10.0.0.9:6379", ship=str(tmp_path))
    [given] = asked
    assert given["runtime_env"] == {"working_dir": str(tmp_path), "excludes": left_out(str(tmp_path))}


STAYS = [
    ".env",
    ".env.local",
    "prod.env",
    ".netrc",
    ".aws/credentials",
    ".ssh/id_ed25519",
    "keys/host.pem",
    "keys/api.key",
    ".git/config",
    ".venv/pyvenv.cfg",
    "venv/lib/x.py",
    "env/lib/x.py",
    "py311/pyvenv.cfg",
    "py311/lib/x.py",
    "node_modules/x.js",
    "study.db",
    "study.db-wal",
    "study.db-checkpoints/state",
    "automl-artefacts/weights",
    "deep/.env",
    "deep/other.sqlite",
    "deep/__pycache__/x.pyc",
]
GOES = [
    "mine.py",
    "searches/keys.py",
    "searches/environment.py",
    "data/table.csv",
    "models/env/maze.py",
    "pyproject.toml",
]


def test_secrets_and_ballast_stay_here(tmp_path):
    from ray._private.runtime_env.packaging import create_package

    project = tmp_path / "project"
    for name in (*STAYS, *GOES):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    create_package(str(project), tmp_path / "sent.zip", include_gitignore=True, excludes=left_out(str(project)))
    with zipfile.ZipFile(tmp_path / "sent.zip") as sent:
        assert sorted(one for one in sent.namelist() if not one.endswith("/")) == sorted(GOES)


def test_each_reference_to_the_space_is_found_in_the_folder_that_was_sent(monkeypatch, tmp_path):
    import ray

    monkeypatch.setattr(ray, "put", lambda thing: thing)
    (tmp_path / "spaces").mkdir()
    file = tmp_path / "spaces" / "mine.py"
    file.write_text("import automl\nclass Mine(automl.Space):\n    x = automl.Integer(0, 9)\n")
    _, reference = resolve(f"{file}:Mine")
    for evaluator in (
        Proposing(Random(), reference, Numbered()),
        WholeRating(space=reference),
        Proposing(Random(), reference, WholeRating(space=reference)),
    ):
        workers = RayWorkers(1, 0, None)
        workers.prepare(WorkerSetup(reference, evaluator, "v"), None, False, str(tmp_path))
        packed, arrays = workers._packed
        assert str(tmp_path).encode() not in packed
        sent = pickle.loads(packed, buffers=arrays)
        inner = getattr(sent.evaluator, "evaluator", sent.evaluator)
        held = [sent.space, sent.evaluator.space, getattr(inner, "space", sent.space)]
        assert {one.target for one in held} == {os.path.join("spaces", "mine.py") + ":Mine"}
        assert {one.source for one in held} == {reference.source}
    assert reference.target == f"{file}:Mine"  # here it is as it was
