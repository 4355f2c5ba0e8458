"""A stored study found by its name."""

from __future__ import annotations

from automl.errors import InvalidInput
from automl.registry import unknown
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore


def find(store: StudyStore, name: str) -> StudyRecord:
    """Returns a study's stored record by name.

    Raises:
        InvalidInput: there is no such study; the message offers the nearest names.

    Example:
        >>> from automl.storage.engine import Database
        >>> studies = StudyStore(Database("sqlite:///cells.db"))
        >>> find(studies, "cells")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown study 'cells'; known: none
    """
    record = store.find(name)
    if record is None:
        raise InvalidInput(unknown("study", name, [item.name for item in store.all() if item.kind == "search"]))
    return record
