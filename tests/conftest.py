"""What all tests share: one local Ray, the real data, and PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import *  # noqa: F403 - fixtures

_LONG = ("examples", "crash", "workers", "engine", "cli")
"""Folders whose files take longest; where two processes share the tests, they must not be left for the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take longest first, in an order that every process finds alike."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: (item.path not in slow, item.path.parent.name not in _LONG))


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray on the loopback interface for the session: 2 CPUs and 2 logical GPUs, which no device stands behind."""
    from workers.pools.ray_connection import connect

    assert connect(None, dashboard=True, num_cpus=2, num_gpus=2)
    yield
    import ray

    ray.shutdown()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a worker; more threads than free cores would spin against each other."""
    import torch  # noqa: F401 - where it is not loaded yet, there is nothing to pin

    from workers.pools.threads import torch_threads

    with torch_threads(1):
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data: $AUTOML_DATA, else ../shared/data beside the project; skips where neither is there."""
    named = os.environ.get("AUTOML_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "nasbench201" / "nb201.npz").is_file():
        pytest.skip(f"no real data at {folder}; set AUTOML_DATA to the folder that holds it")
    return folder
