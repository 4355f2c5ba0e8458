"""The contract of pools: where evaluations run. A pool knows neither strategy nor cache; its clock may be simulated."""

from __future__ import annotations

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from automl.evaluators.base import Evaluator, Metrics, Part
from automl.observers import Observer
from automl.setup.targets import SpaceReference

Fault = Literal["candidate", "lost", "memory", "timeout", "environment"]
"""Who is to blame for a failed evaluation.

candidate: it raised, or a metric is not finite: a fact about its class, shared with everybody.
lost: the worker process died. memory: it ran out of memory. timeout: it took longer than allowed.
environment: MemoryError, OSError or ImportError. These four belong to the study alone and are retried.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all jobs of a pool have in common; it travels to each worker once.

    Attributes:
        space: where workers find the space.
        evaluator: runs the evaluations.
        objective: the metric that must be finite where it is present.
        timeout: seconds allowed for one evaluation, or None.
    """

    space: SpaceReference
    evaluator: Evaluator
    objective: str
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed evaluation on its way to a worker.

    Attributes:
        id: chosen by the submitter, unique among the jobs in flight.
        candidate: canonical JSON.
        seed: 63-bit.
        replicate, part, fidelity: as in `Evaluation`.
        checkpoint: path of its checkpoint, or None where nothing is kept.
    """

    id: int
    candidate: str
    seed: int
    replicate: int = 0
    part: Part = "validation"
    fidelity: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """How one job ended. Exactly one of `metrics` and `fault` is given.

    Attributes:
        job: the job's id.
        metrics: what the evaluator returned.
        fault: who is to blame.
        error: one line of text: the exception's type and message, or what happened to the worker.
        seconds: what the evaluation took on its worker, on the pool's clock.
        worker: a name of the worker, for logs.
        curve: its learning curve as canonical JSON; empty where it failed or reported nothing.
    """

    job: int
    metrics: Metrics | None = None
    fault: Fault | None = None
    error: str = ""
    seconds: float = 0.0
    worker: str = ""
    curve: str = ""


class Pool(ABC):
    """Runs jobs. Not thread-safe: one coordinator calls it."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of evaluations that can run at one time."""

    @property
    @abstractmethod
    def device(self) -> str:
        """Returns "cuda" where the workers were given a usable GPU, else "cpu"."""

    @property
    def hardware(self) -> Sequence[str]:
        """Returns what the workers compute on, in words, each kind once; this process's own unless overridden."""
        return [hardware(self.device)]

    @abstractmethod
    def capacity(self) -> int:
        """Returns how many more jobs can be started at once; claims are made for no more than that.

        Cheap evaluations travel in batches sized by time, so it may exceed the number of free workers.
        """

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> None:
        """Starts jobs. More than `capacity()` is a programming error and raises ValueError."""

    @abstractmethod
    def completed(self, timeout: float | None = None) -> list[Completion]:
        """Returns all completions that have arrived, waiting up to `timeout` seconds (None: for ever) for the first.

        Returns at once with an empty list when nothing is in flight.
        """

    @abstractmethod
    def now(self) -> float:
        """Returns seconds on the pool's clock since it was opened."""

    @abstractmethod
    def close(self) -> None:
        """Stops the workers; jobs in flight are abandoned. May be called twice."""

    @property
    def notice(self) -> str:
        """Returns what the user should know of this pool (where its dashboard is), or an empty text."""
        return ""

    def observer(self) -> Observer | None:
        """Returns who exports the search's metrics where this pool has such a thing (Ray has)."""
        return None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def machine() -> str:
    """Returns cores and processor of this machine, such as "2 x Intel(R) Xeon(R) Processor"."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {model}"


def hardware(device: str) -> str:
    """Returns the machine, with the names of the GPUs that torch sees here where the device is one.

    Args:
        device: "cpu" or "cuda"; torch is imported for the latter only.
    """
    if device != "cuda":
        return machine()
    import torch

    names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return f"{machine()} with {', '.join(names)}"
