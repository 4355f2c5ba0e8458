"""A study that is paused from elsewhere: what runs is finished, workers are given back, and the loop waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from automl.managing import PAUSED
from automl.pool import Pool
from automl.storage.studies import StudyStore

LOOK_SECONDS = 2.0
"""How often the study's row is looked at."""

_SLICE_SECONDS = 0.1


class Pausing:
    """Looks whether a study is to be paused, and waits while it is.

    Args:
        store: holds the study.
        study: number of the search; its later phases are paused with it.
        pool: whose workers are given back meanwhile.
        say: tells the user.
    """

    def __init__(self, store: StudyStore, study: int, pool: Pool, say: Callable[[str], None]) -> None:
        self._store = store
        self._study = study
        self._pool = pool
        self._say = say
        self._looked = float("-inf")
        self._asked: dict[str, Any] | None = None
        self._said = False
        self._broken_off = False  # since the last rest

    def asked(self) -> bool:
        """Tells whether the study is to be paused. Breaks off what is being evaluated where that is wanted."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look()
        if self._asked is None and not self._broken_off:  # what is broken off rests first: the pool's time is over
            self._said = False
            return False
        now = self._asked is not None and bool(self._asked.get("now")) and not self._broken_off
        if now:
            self._broken_off = True
            self._pool.stop_at(self._pool.now())
        if now or not self._said:
            self._said = True
            self._say(
                f"paused: evaluations under way are {'broken off and' if now else 'finished, then'} workers are given "
                f"back; `automl resume {self._store.by_id(self._study).name}` lets it go on"
            )
        return True

    def rest(self, interrupted: Callable[[], bool]) -> float:
        """Gives the workers back, and waits until the study is not paused any more, or the search was interrupted.

        Nothing may be in flight.

        Returns:
            Seconds on the pool's clock that the pause took.
        """
        began = self._pool.now()
        self._pool.rest()
        while self._asked is not None and not interrupted():
            time.sleep(_SLICE_SECONDS)
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                self._look()
        self._said = self._broken_off = False  # another pause is another one
        if not interrupted():
            self._say("the pause is over: workers are started again")
            self._pool.wake()
        return self._pool.now() - began

    def _look(self) -> None:
        self._looked = time.monotonic()
        found = self._store.by_id(self._study).settings.get(PAUSED)
        self._asked = dict(found) if found else None
