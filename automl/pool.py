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

Fault = Literal["candidate", "unclear", "lost", "memory", "timeout", "environment", "stopped"]
"""Who is to blame for a failed evaluation.

candidate: it failed by itself, or a metric is not finite: a fact about its class, shared with everybody.
unclear: it raised what a machine might have caused, and no second process could try; it belongs to the study alone.
lost: the worker process ended. memory: it ran out of memory. environment: an error of the machine, the disk, the
network, an accelerator or a library. These three belong to the study alone and are tried again.
timeout: it took longer than allowed; it belongs to the study alone and is not tried again.
stopped: nobody wants its result any more (`Pool.stop_at`).
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all jobs of a pool have in common; it travels to each worker once.

    Attributes:
        space: where workers find the space.
        evaluator: runs the evaluations.
        objective: the metric that must be present and finite.
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
        place: of a failure, the exception's type and where it was raised; empty where nothing was raised.
        traceback: of a failure, the whole traceback, capped.
    """

    job: int
    metrics: Metrics | None = None
    fault: Fault | None = None
    error: str = ""
    seconds: float = 0.0
    worker: str = ""
    curve: str = ""
    place: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """One evaluation that a worker has begun.

    Attributes:
        job: the job's id.
        worker: a name of the worker.
        seconds: for how long, on the pool's clock.
    """

    job: int
    worker: str
    seconds: float


class Pool(ABC):
    """Runs jobs. Not thread-safe: one coordinator calls it.

    A pool says whose fault a failure is. An exception that a machine might have caused is a candidate's fault only
    when a second process has failed in the same way, so a pool runs such a job once more, elsewhere, before it
    completes it.
    """

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

    def stop_at(self, seconds: float | None) -> None:
        """Breaks off evaluations that run beyond this moment of the pool's clock: they complete as "stopped".

        A pool that cannot do so lets them end. May be called from a signal handler.

        Args:
            seconds: on the clock of `now`; None lets every evaluation end.
        """

    def limit(self, seconds: float | None) -> None:
        """Replaces the plan's time limit for evaluations that begin from now on."""

    def running(self) -> list[Running]:
        """Returns the evaluations under way, for sentences about those that take long; empty where nobody knows."""
        return []

    def news(self) -> list[str]:
        """Returns sentences that the user should read (workers that are missing), each of them once."""
        return []

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
