"""The process that evaluates: one Ray actor, reused for all evaluations of a search.

This module travels to the worker by value and imports nothing of ours before it has checked, over there, that what
would be imported is ours: Ray puts the driver's folder first on sys.path.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automl.pool import Completion, Job
    from automl.storage.processes import Process


class Worker:
    """Runs batches of jobs.

    Args:
        plan: a pickled `automl.pool.WorkerSetup`, as bytes, so that it is read only after the check of origin; and the
            memory of its large arrays, which all workers of a node share.
        name: for logs.
        path: the driver's sys.path, whose folders are searched last.
        threads: that torch may use; other libraries were pinned by the environment before they were imported.
        memory: bytes that evaluations may take on top of what the process holds once it is ready; None sets no limit.

    Raises:
        RuntimeError: a folder of the user's shadows one of our packages; the sentence names it.
    """

    def __init__(
        self, plan: tuple[bytes, list[Any]], name: str, path: Sequence[str], threads: int, memory: int | None
    ) -> None:
        sys.path.extend(folder for folder in path if folder not in sys.path)
        complaint = shadowed()
        if complaint:
            raise RuntimeError(complaint)
        from ray import cloudpickle

        from workers.pools.working import Working

        self._plan = cloudpickle.loads(plan[0], buffers=plan[1])
        self._name = name
        self._working = Working(self._plan.title, name)
        self._space = self._plan.space.load()
        self._device = usable_device()
        self._evaluator = self._plan.evaluator.for_device(self._device)
        self._evaluator.prepare()
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)
        end_at_once()
        if memory is not None:
            from automl.isolation.limits import limit_memory

            limit_memory(memory)

    def __repr__(self) -> str:
        """Returns what the worker is at. Ray's list of actors keeps what it was at the start."""
        return repr(self._working)

    def ready(self) -> tuple[str, Process, str]:
        """Returns the device of this worker, which process it is, and what it computes on."""
        from automl.pool import hardware
        from automl.storage.processes import this_process

        return self._device, this_process(), hardware(self._device)

    def run(self, jobs: Sequence[Job], timeout: float | None, study: str) -> tuple[float, list[Completion]]:
        """Returns the seconds that the whole batch took, and one completion a job.

        Args:
            jobs: to be run one after another.
            timeout: seconds allowed for each; what cannot be interrupted from inside is ended from outside.
            study: name of the study that they belong to.
        """
        from workers.pools.perform import perform

        began = time.perf_counter()
        self._working.begin(study, jobs)
        done = perform(
            self._space,
            self._evaluator,
            self._plan.objective,
            jobs,
            device=self._device,
            worker=self._name,
            timeout=timeout,
            begun=self._working.next,
            curve=self._working.curve,
        )
        self._working.end()
        return time.perf_counter() - began, done


def end_at_once() -> None:
    """Makes SIGTERM end this process without a word to the code that runs in it.

    Ray raises SystemExit there, inside of whatever candidate is being evaluated, as if the candidate had done it.
    """
    plain = os._exit  # while candidates are evaluated, another function stands in its place
    signal.signal(signal.SIGTERM, lambda *_: plain(128 + signal.SIGTERM))


def usable_device() -> str:
    """Returns "cuda" where Ray gave this worker a GPU and torch can use it, else "cpu"."""
    import ray

    if not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def shadowed() -> str | None:
    """Returns a sentence where `workers` or `search_spaces` would be imported from elsewhere than beside `automl`."""
    import importlib.util
    from pathlib import Path

    def folder(name: str) -> Path | None:
        found = importlib.util.find_spec(name)
        places = list(found.submodule_search_locations or []) if found else []
        return Path(places[0]).resolve().parent if places else None

    ours = folder("automl")
    for name in ("workers", "search_spaces"):
        there = folder(name)
        if there != ours:
            return (
                f"the folder {there or 'on sys.path'}/{name} shadows the package {name!r} of automl; rename it, "
                f"or start from another folder"
            )
    return None
