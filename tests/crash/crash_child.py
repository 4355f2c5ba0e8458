"""Runs in a process of its own: a search that ends itself with SIGKILL at a named point.

The points are methods of the engine, wrapped here and nowhere else: nothing in the engine knows of it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crash_parts import MARKS

from automl.api import search
from automl.cache.store import EquivalenceCache
from automl.engine.in_flight import InFlight
from automl.engine.loop import Search
from automl.engine.outbox import Outbox
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore
from automl.strategies.evolution import RegularizedEvolution
from automl.strategies.random import Random
from workers.pools.inline import InlinePool

HERE = Path(__file__).resolve().parent
STUDY = "sack"

POINTS: dict[str, tuple[Any, str, str]] = {
    "before claims": (EquivalenceCache, "resolve_many", "before"),
    "after claims": (EquivalenceCache, "resolve_many", "after"),
    "after submit": (InlinePool, "submit", "after"),
    "after evaluations": (InlinePool, "completed", "after"),
    "before commit": (InFlight, "resolve", "before"),
    "inside commit, before trials": (StudyStore, "append_trials", "before"),
    "inside commit, after trials": (StudyStore, "append_trials", "after"),
    "after recording, before tell": (Outbox, "record", "after"),
    "after tell": (RegularizedEvolution, "tell", "after"),
    "in random search's tell": (Random, "tell", "before"),
}
"""Name → (class, method, before or after)."""

ONCE: dict[str, tuple[Any, str, str]] = {
    "before a study is created": (StudyStore, "create", "before"),
    "after a study is created": (StudyStore, "create", "after"),
    "before a phase": (Search, "run", "before"),
    "after a phase": (Search, "run", "after"),
    "before a study is finished": (StudyStore, "finish", "before"),
    "after a study is finished": (StudyStore, "finish", "after"),
    "before the coordinator lets go": (StudyStore, "release", "before"),
    "after the coordinator has let go": (StudyStore, "release", "after"),
    "before the session ends": (Session, "close", "before"),
    "after a study is claimed": (StudyStore, "coordinate", "after"),
}
"""The same, for what happens a few times in a search."""


def given(url: str, **changed: Any) -> dict[str, Any]:
    """The search that all tests here run."""
    return {
        "space": f"{HERE / 'crash_parts.py'}:Sack",
        "evaluator": f"{HERE / 'crash_parts.py'}:Weighing",
        "settings": {"strategy.population": 12, "tournament": 3},
        "trials": 70,
        "window": 12,
        "replicates": 2,
        "finalists": 2,
        "test_seeds": 2,
        "sample": 4,
        "workers": 0,
        "study": STUDY,
        "storage": url,
    } | changed


def kill_at(point: str, phase: str, recorded: int, calls: int = 1) -> None:
    """Arranges for SIGKILL at the point's next call (or a later one) once so many trials of a phase are recorded.

    Trials are counted and not calls, because how many trials a turn records depends on the machine. Without a phase
    every call counts.
    """
    owner, method, when = (POINTS | ONCE)[point]
    now = {"phase": "", "recorded": 0, "calls": 0}
    plain_run, plain_append, plain = Search.run, StudyStore.append_trials, getattr(owner, method)

    def run(self: Search, phase: str = "search") -> None:
        now.update(phase=phase, recorded=0)
        plain_run(self, phase)

    def append_trials(self: StudyStore, study_id: int, trials: Any, connection: Any = None) -> None:
        now["recorded"] += len(trials)
        plain_append(self, study_id, trials, connection)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        due = phase in ("", now["phase"]) and now["recorded"] >= recorded
        now["calls"] += due
        if due and when == "before" and now["calls"] == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        found = plain(*arguments, **named)
        if due and when == "after" and now["calls"] == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    if phase:
        Search.run = run  # type: ignore[method-assign]
        StudyStore.append_trials = append_trials  # type: ignore[method-assign]
        plain = append_trials if owner is StudyStore and method == "append_trials" else plain
    setattr(owner, method, wrapped)


def kill_in_evaluation(number: int) -> None:
    """Arranges for SIGKILL inside this process's evaluation of that number, right after its line is on disk."""
    plain, left = os.fsync, [number]

    def fsync(handle: int) -> None:
        plain(handle)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = fsync  # SQLite has its own


def main(url: str, marks: str, changed: dict[str, Any], prepare: Callable[..., None], *arguments: Any) -> None:
    """Searches; `prepare` arranges for the end."""
    os.environ[MARKS] = marks
    prepare(*arguments)
    search(**given(url, **changed)).close()
