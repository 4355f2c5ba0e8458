"""What evaluators make of data, kept for a few tasks and files, and only while the data are what they were.

Tasks are known by their identity, since arrays have no hash. A notebook makes many of them, and changes their arrays
in place: so the oldest are forgotten, and a task is looked at anew whenever a search asks what it is. Files are known
by their path, and read again when they were written since.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from automl.evaluators.parts import AnyTask
from automl.evaluators.task import Task

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

MOST = 8
"""So many things are remembered of each kind."""


class Remembered(Generic[T]):
    """A function of a task that is computed once, as long as the task's data are what they were.

    Args:
        make: the function; of the task, and of whatever else it is called with.

    Example:
        >>> import numpy as np
        >>> part = (np.zeros((4, 2)), np.zeros(4, int))
        >>> task, calls = Task(part, part, part), []
        >>> rows = Remembered(lambda task: calls.append(1) or len(task.train[0]))
        >>> rows(task), rows(task), len(calls)
        (4, 4, 1)
        >>> part[0][0] = 1.0
        >>> _ = described(task)
        >>> rows(task), len(calls)
        (4, 2)
    """

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        # The task itself is kept, so that its id stays its own.
        self._kept: OrderedDict[tuple[Hashable, ...], tuple[AnyTask, str, T]] = OrderedDict()
        _all.append(self)

    def __call__(self, task: AnyTask, *more: Hashable) -> T:
        key = (id(task), *more)
        if key not in self._kept:
            # That of data sets reads them whole: they are made anew whenever a search has asked what they are.
            now = task.fingerprint() if isinstance(task, Task) else ""
            self._kept[key] = (task, now, self._make(task, *more))
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key][2]

    def forget_unless(self, task: AnyTask, fingerprint: str) -> None:
        """Forgets what was made of a task whose data had another fingerprint."""
        for key, (_, before, _) in list(self._kept.items()):
            if key[0] == id(task) and before != fingerprint:
                del self._kept[key]


_all: list[Remembered] = []  # type: ignore[type-arg]


def described(task: AnyTask) -> dict[str, str]:
    """Returns a task's description, read off its data now; what was made of other data of it is forgotten."""
    found = task.description()
    for one in _all:
        one.forget_unless(task, found["fingerprint"])
    return found


def while_unchanged(most: int) -> Callable[[F], F]:
    """Remembers the latest values of a function of a file, and of whatever else it takes, while the file is unchanged.

    Args:
        most: so many values are remembered.

    Example:
        >>> import os, tempfile
        >>> file = Path(tempfile.mkdtemp()) / "table"
        >>> _ = file.write_text("1")
        >>> read = while_unchanged(4)(lambda path: [path.read_text()])
        >>> read(file) is read(file)
        True
        >>> _ = file.write_text("22")
        >>> read(file)
        ['22']
    """

    def remembering(function: F) -> F:
        @functools.lru_cache(maxsize=most)
        def known(_: tuple[int, ...], path: Path, *more: Hashable) -> Any:
            return function(path, *more)

        @functools.wraps(function)
        def call(path: Path, *more: Hashable) -> Any:
            try:
                state = path.stat()
            except OSError:  # the function knows how to say that it is not there
                return function(path, *more)
            return known((state.st_mtime_ns, state.st_size, state.st_ino), path, *more)

        return cast("F", call)

    return remembering
