"""The process that evaluates: one Ray actor, reused for all evaluations of a search.

This module travels to the worker by value and imports nothing of ours before it has checked, over there, that what
would be imported is ours: Ray puts the driver's folder first on sys.path.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automl.pool import Completion, Job


class Worker:
    """Runs batches of jobs.

    Args:
        plan: a pickled `automl.pool.WorkerSetup`, as bytes, so that it is read only after the check of origin.
        name: for logs.
        path: the driver's sys.path, whose folders are searched last.
        threads: that torch may use; other libraries were pinned by the environment before they were imported.
        memory: bytes that evaluations may take on top of what the process holds once it is ready; None sets no limit.

    Raises:
        RuntimeError: a folder of the user's shadows one of our packages; the sentence names it.
    """

    def __init__(self, plan: bytes, name: str, path: Sequence[str], threads: int, memory: int | None) -> None:
        sys.path.extend(folder for folder in path if folder not in sys.path)
        complaint = shadowed()
        if complaint:
            raise RuntimeError(complaint)
        from ray import cloudpickle

        self._plan = cloudpickle.loads(plan)
        self._name = name
        self._space = self._plan.space.load()
        self._device = usable_device()
        self._evaluator = self._plan.evaluator.for_device(self._device)
        self._evaluator.prepare()
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)
        if memory is not None:
            limit_memory(memory)

    def ready(self) -> tuple[str, str, int, str]:
        """Returns the device of this worker, the id of its Ray node, its process id there, and what it computes on."""
        import ray

        from automl.pool import hardware

        return self._device, ray.get_runtime_context().get_node_id(), os.getpid(), hardware(self._device)

    def run(self, jobs: Sequence[Job]) -> tuple[float, list[Completion]]:
        """Returns the seconds that the whole batch took, and one completion a job."""
        from workers.pools.perform import perform

        began = time.perf_counter()
        done = perform(self._space, self._evaluator, self._plan.objective, jobs, device=self._device, worker=self._name)
        return time.perf_counter() - began, done


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


def limit_memory(memory: int) -> None:
    """Limits this process, never the host, to `memory` more bytes of data than it holds now (RLIMIT_DATA; Linux)."""
    import resource
    from pathlib import Path

    status: dict[str, Any] = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    held = int(status["VmData"].split()[0]) * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + memory
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
