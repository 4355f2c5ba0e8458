"""Stored features: read by whoever learns from them, computed where nobody did so before, written now and again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from automl.cache.versions import mark_of
from automl.hashing import Features, Hasher
from automl.hashing.features import FEATURES_VERSION, read, written
from automl.jsontext import stored
from automl.storage.engine import Database
from automl.storage.features import features_of, keep_features

REMEMBERED_BYTES = 64 << 20
"""Of features in memory, at most; what was forgotten is read again."""

WAITING, WAITING_SECONDS = 2048, 10.0
"""Classes whose features wait to be written, at most, and for how long: what a kill loses is computed again."""

_OVERHEAD = 250
"""Bytes of a dictionary and a key beside the numbers."""


class StoredFeatures:
    """Features of the classes of one hasher, in a database that any number of processes share.

    Rows are written in transactions of their own: most classes of a strategy's pool are never evaluated, so that there
    is no claim which they could go along with.

    Args:
        database: holds the rows.
        hasher: whose keys they are.

    Attributes:
        waiting: features by key that are not written yet.
        computed: number of classes whose features were added here.

    Example:
        >>> import numpy as np
        >>> rows = StoredFeatures(Database("sqlite:///cache.db"), Hasher())
        >>> rows.add({bytes(16): {"shape": np.array([3.0, 1.0])}})
        >>> rows.write()
        >>> list(StoredFeatures(rows.database, Hasher()).find([bytes(16), b"k" * 16]).values())
        [{'shape': array([3., 1.])}]
    """

    def __init__(self, database: Database, hasher: Hasher) -> None:
        self.database = database
        self.waiting: dict[bytes, Features] = {}
        self.computed = 0
        self._mark = mark_of(hasher.description())
        self._known: dict[bytes, Features] = {}
        self._bytes = 0
        self._written = time.monotonic()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Features]:
        """Returns the features of those of the classes that have any stored."""
        found = {key: self._known[key] for key in keys if key in self._known}
        found |= {key: self.waiting[key] for key in keys if key in self.waiting}
        missing = [key for key in keys if key not in found]
        if missing:
            with self.database.read() as connection:
                rows = features_of(connection, self._mark, FEATURES_VERSION, missing)
            for key, text in rows.items():
                found[key] = read(stored(text))
                self._remember(key, found[key])
        return found

    def add(self, features: Mapping[bytes, Features]) -> None:
        """Takes the features of classes that had none, and writes nothing yet; classes without any are passed over."""
        for key, one in features.items():
            if one:
                self.waiting[key] = one
                self.computed += 1
                self._remember(key, one)

    def write_due(self) -> None:
        """Writes what waits if it is much, or has waited for long."""
        if len(self.waiting) >= WAITING or time.monotonic() - self._written > WAITING_SECONDS:
            self.write()

    def write(self) -> None:
        """Writes what waits."""
        if self.waiting:
            rows = [(key, written(one)) for key, one in self.waiting.items()]
            self.database.write(lambda connection: keep_features(connection, self._mark, FEATURES_VERSION, rows))
            self.waiting.clear()
        self._written = time.monotonic()

    def _remember(self, key: bytes, features: Features) -> None:
        if self._bytes > REMEMBERED_BYTES:
            self._known.clear()
            self._bytes = 0
        if key not in self._known:
            self._bytes += _OVERHEAD + sum(_OVERHEAD + values.nbytes for values in features.values())
        self._known[key] = features
