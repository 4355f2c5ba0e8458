"""The contract of pools: where evaluations run. A pool knows neither strategy nor cache; its clock may be simulated."""

from __future__ import annotations

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from automl.cache.records import Completion as Completion
from automl.cache.records import Fault as Fault
from automl.evaluators.base import Evaluation, Evaluator
from automl.observers import Observer
from automl.setup.targets import SpaceReference


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What all jobs of a pool have in common. It is sent to each worker once.

    Attributes:
        space: where workers find the space.
        evaluator: runs the evaluations.
        objective: the metric that must be finite where it is present.
        timeout: seconds allowed for one evaluation, or None.

    Example:
        >>> import automl
        >>> from automl.setup.targets import resolve
        >>> count = automl.FunctionEvaluator(lambda candidate: len(candidate.json), code_version="1")
        >>> setup = WorkerSetup(resolve("nasbench201")[1], count, objective="fitness", timeout=60)
        >>> type(setup.space.load()).__name__
        'NASBench201'
    """

    space: SpaceReference
    evaluator: Evaluator
    objective: str
    timeout: float | None = None


@dataclass(slots=True)  # not frozen: every evaluation makes one, and frozen ones take longer to make
class Job:
    """One evaluation on its way to a worker. Nobody changes it once it is made.

    Attributes:
        id: chosen by the submitter, unique among the jobs in flight.
        candidate: canonical JSON.
        evaluation: how it is to be run. The worker fills in its own device.

    Example:
        >>> Job(0, '{"x": 3}', Evaluation(seed=11)).evaluation.seed
        11
    """

    id: int
    candidate: str
    evaluation: Evaluation

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles in a quarter of the time that a dataclass takes by itself."""
        return type(self), (self.id, self.candidate, self.evaluation)


@dataclass(frozen=True, slots=True)
class Running:
    """One evaluation that a worker has begun.

    Attributes:
        job: the job's id.
        worker: a name of the worker.
        seconds: for how long, in real time.
        others: evaluations of its batch; any of them may be the one that takes so long.

    Example:
        >>> Running(job=7, worker="ray-3", seconds=41.5)
        Running(job=7, worker='ray-3', seconds=41.5, others=0)
    """

    job: int
    worker: str
    seconds: float
    others: int = 0


class Pool(ABC):
    """Runs evaluations on workers. It is not thread-safe: one coordinator calls it.

    A pool says whose fault a failure is. An exception that a machine might have caused is a candidate's fault only
    when a second process has failed in the same way, so a pool runs such a job once more, elsewhere, before it
    completes it.

    Attributes:
        evaluates_here: True where evaluations run in the calling thread, inside `submit` or `completed`. Then `running`
            is asked by another thread, for this one is busy.

    Example:
        >>> import automl
        >>> from automl.setup.targets import reference_to
        >>> from workers.pools.inline import InlinePool
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> with InlinePool(WorkerSetup(reference_to(Line()), height, "fitness")) as pool:
        ...     pool.submit([Job(0, '{"x":3}', Evaluation(seed=11))])
        ...     [done] = pool.completed()
        >>> dict(done.metrics)
        {'fitness': 3.0}
    """

    evaluates_here: ClassVar[bool] = False

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
        """Returns descriptions of what the workers compute on, each kind once.

        This process's own, unless overridden.
        """
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
        """Returns the evaluations under way, or nothing where the pool does not know them."""
        return []

    def news(self) -> list[str]:
        """Returns sentences that the user should read (workers that are missing), each of them once."""
        return []

    @property
    def notice(self) -> str:
        """Returns what the user should know of this pool (where its dashboard is), or an empty text."""
        return ""

    def observer(self) -> Observer | None:
        """Returns an observer that exports the search's metrics, or None."""
        return None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def machine() -> str:
    """Returns cores and processor of this machine, such as "2 x Intel(R) Xeon(R) Processor".

    Example:
        >>> machine()
        '... x ...'
    """
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {model}"


def hardware(device: str) -> str:
    """Returns a description of this machine, with the names of its GPUs where the device is one.

    Args:
        device: "cpu" or "cuda"; torch is imported for the latter only.

    Example:
        >>> hardware("cpu") == machine()
        True
    """
    if device != "cuda":
        return machine()
    import torch

    names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return f"{machine()} with {', '.join(names)}"
