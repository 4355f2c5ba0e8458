"""Classification tasks whose examples lie on the device whole, for ratings and scores, which look at single ones."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput
from automl.evaluators.task import Task

if TYPE_CHECKING:
    from workers.networks.batches import Parts


def arrays_task(given: Any) -> Task:
    """Returns a task of arrays, by itself or by the text that names it.

    Raises:
        InvalidInput: there is no such task, or it is a data set that is read batch by batch.
    """
    found = _named(given) if isinstance(given, str) else given
    if not isinstance(found, Task):
        name = getattr(found, "name", type(found).__name__)
        raise InvalidInput(f"task {name!r} is no task of arrays, which ratings need; give an automl.Task")
    return found


@functools.lru_cache(maxsize=8)
def _named(text: str) -> Any:
    from automl.data import load

    return load(text)


def arrays_of(task: Task, device: str) -> Parts:
    """Returns the parts of a classification task on a device, copied there once a process."""
    from workers.networks.batches import parts_of
    from workers.networks.kinds import Classes

    return parts_of(task, Classes(None), device)
