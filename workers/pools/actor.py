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
    from collections.abc import Mapping, Sequence

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
        versions: what the search runs with, by name; this node must have the same.
        watches: True if this node may be drained while others go on.

    Raises:
        RuntimeError: this node lacks something or has another version of it, or a folder of the user's shadows one of
            our packages; the sentence names it.
    """

    def __init__(
        self,
        plan: tuple[bytes, list[Any]],
        name: str,
        path: Sequence[str],
        threads: int,
        memory: int | None,
        versions: Mapping[str, str],
        watches: bool,
    ) -> None:
        sys.path.extend(folder for folder in map(os.path.abspath, path) if folder not in sys.path)
        complaint = unlike(versions) or shadowed()
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
        from workers.pools.growth import Growth
        from workers.pools.leaving import Leaving

        self._growth, self._leaving = Growth(memory, threads), Leaving()
        self._leaving.begin(saves=False)
        if watches:
            self._leaving.watch()
        if memory is not None:
            from automl.isolation.limits import limit_memory

            limit_memory(memory)

    def __repr__(self) -> str:
        """Returns what the worker is at. Ray's list of actors keeps what it was at the start."""
        working = getattr(self, "_working", None)  # Ray asks for it where the start has failed, too
        return "a worker that starts" if working is None else repr(working)

    def ready(self) -> tuple[str, Process, str, str]:
        """Returns the device of this worker, which process it is, what it computes on, and Ray's id of its node."""
        import ray

        from automl.pool import hardware
        from automl.storage.processes import this_process

        return self._device, this_process(), hardware(self._device), ray.get_runtime_context().get_node_id()

    def run(self, jobs: Sequence[Job], timeout: float | None, study: str) -> tuple[float, list[Completion], bool]:
        """Returns the seconds that the whole batch took, one completion a job, and whether this process has grown so
        much that a fresh one should take its place.

        Args:
            jobs: to be run one after another.
            timeout: seconds allowed for each; what cannot be interrupted from inside is ended from outside.
            study: name of the study that they belong to.
        """
        from workers.pools.perform import perform

        began = time.perf_counter()
        self._leaving.begin(saves=any(job.evaluation.checkpoint is not None for job in jobs))
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
        self._leaving.end()
        self._working.end()
        return time.perf_counter() - began, done, self._growth.too_much()


PACKAGE = "automl-functional-hashing"
"""The name under which this package is installed."""


def versions_here() -> dict[str, str]:
    """Returns the versions that all nodes of a search must have alike: Python's, ours, Ray's and torch's."""
    from importlib import metadata

    found = {"Python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for name in (PACKAGE, "ray", "torch"):
        try:
            found[name] = metadata.version(name).partition("+")[0]  # a build for another device is the same version
        except metadata.PackageNotFoundError:
            continue
    return found


def unlike(versions: Mapping[str, str]) -> str | None:
    """Returns a sentence where this node lacks what the search runs with, or has another version of it.

    Args:
        versions: what the search runs with; torch counts only where both have it.
    """
    import socket

    here, node = versions_here(), socket.gethostname()
    if PACKAGE not in here and PACKAGE in versions:
        import importlib.util

        if importlib.util.find_spec("automl") is None:
            return (
                f"node {node} has no {PACKAGE} for its Python ({sys.executable}); install it there: "
                f"pip install {PACKAGE}=={versions[PACKAGE]}"
            )
    other = [name for name, wanted in versions.items() if here.get(name, wanted) != wanted]
    if not other:
        return None
    both = ", ".join(f"{name} {here[name]} where the search has {versions[name]}" for name in other)
    return f"node {node} has {both}; install the same versions there, or leave the node out"


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
