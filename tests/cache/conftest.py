"""What the tests of the cache and of its new keys share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rekey_parts import space_file

from automl.storage.engine import Database


@pytest.fixture
def database(any_url: str) -> Iterator[Database]:
    """An empty database, on SQLite and on PostgreSQL."""
    with Database(any_url) as opened:
        yield opened


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A user's file of a space, by its target."""
    return space_file(tmp_path)
