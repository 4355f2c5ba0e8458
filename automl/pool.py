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
    """Settings that all jobs of a pool share. They are sent to each worker once.

    Attributes:
        space: Reference from which a worker loads the space.
        evaluator: Evaluator that runs the evaluations.
        objective: Name of the metric that must be finite if the evaluator returns it.
        timeout: Seconds allowed for one evaluation; None sets no limit.
        title: Name under which the workers are shown before the first study begins, such as the space's.

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
    title: str = "automl"


@dataclass(slots=True)  # not frozen: every evaluation makes one, and frozen ones take longer to make
class Job:
    """One evaluation to be run by a worker. Treat it as immutable.

    Attributes:
        id: Number chosen by the submitter, unique among the jobs in flight.
        candidate: Canonical JSON of the candidate.
        evaluation: Seed, part, fidelity and replicate of the evaluation. The worker sets its own device.
        artefact: Name of the evaluator's artefact that is to be made; empty for an evaluation.
        trial: Number of the trial that asked for the evaluation, for names and logs; -1 if there is none.

    Example:
        >>> Job(0, '{"x": 3}', Evaluation(seed=11)).evaluation.seed
        11
    """

    id: int
    candidate: str
    evaluation: Evaluation
    artefact: str = ""
    trial: int = -1

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles in a quarter of the time that a dataclass takes by itself."""
        return type(self), (self.id, self.candidate, self.evaluation, self.artefact, self.trial)


@dataclass(frozen=True, slots=True)
class Running:
    """One evaluation that a worker has begun.

    Attributes:
        job: Id of the job.
        worker: Name of the worker.
        seconds: Seconds of real time since the evaluation began.
        others: Number of other evaluations in the same batch; any of the batch may be the slow one.

    Example:
        >>> Running(job=7, worker="ray-3", seconds=41.5)
        Running(job=7, worker='ray-3', seconds=41.5, others=0)
    """

    job: int
    worker: str
    seconds: float
    others: int = 0


class Pool(ABC):
    """Base class of pools, which run evaluations on workers. Not thread-safe: one coordinator calls it.

    A pool decides whether the candidate or the machine caused a failure. If a machine could have caused the exception,
    the pool runs the job a second time in another process, and blames the candidate only if that fails in the same way.

    Attributes:
        evaluates_here: True if evaluations run in the calling thread, inside `submit` or `completed`. Another thread
            must then call `running`.
        hands_out: True if nobody evaluates while the search runs: jobs are handed out, and what comes of them is found
            in the cache by a later run.

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
    hands_out: ClassVar[bool] = False

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of evaluations that can run at one time."""

    @property
    @abstractmethod
    def device(self) -> str:
        """Returns "cuda" if the workers were given a usable GPU, else "cpu"."""

    @property
    def hardware(self) -> Sequence[str]:
        """Returns descriptions of what the workers compute on, each kind once.

        This process's own, unless overridden.
        """
        return [hardware(self.device)]

    @abstractmethod
    def capacity(self) -> int:
        """Returns how many more jobs can be started at once; claims are made for no more than that.

        Cheap evaluations are sent in batches, so the number may exceed that of free workers.
        """

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> None:
        """Starts jobs. More than `capacity()` is a programming error and raises ValueError."""

    @abstractmethod
    def completed(self, timeout: float | None = None) -> list[Completion]:
        """Returns all completions that have arrived, waiting up to `timeout` seconds for the first.

        If `timeout` is None, waits without a limit.

        Returns at once with an empty list when nothing is in flight.
        """

    @abstractmethod
    def now(self) -> float:
        """Returns seconds on the pool's clock since it was opened."""

    @abstractmethod
    def close(self) -> None:
        """Stops the workers; jobs in flight are abandoned. May be called twice."""

    def stop_at(self, seconds: float | None) -> None:
        """Interrupts evaluations that run beyond this time of the pool's clock: they complete as "stopped".

        A pool that cannot do so lets them end. May be called from a signal handler.

        Args:
            seconds: time on the clock of `now`; None lets every evaluation end.
        """

    def limit(self, seconds: float | None) -> None:
        """Replaces the plan's time limit for evaluations that begin from now on."""

    def rest(self) -> None:
        """Gives the workers back until `wake`, for others to use; nothing may be in flight.

        A pool whose workers cost nothing while they are idle need not do anything.
        """

    def wake(self) -> None:
        """Gets workers again after `rest`."""

    def serve(self, study: str) -> None:
        """Names the study that the jobs from now on belong to, for dashboards, logs and metrics."""

    def log_places(self) -> dict[str, str]:
        """Returns where the workers write their logs, to be kept with the study; empty if they write none.

        The texts are "folder", the same on every node, and "cluster", the address of the nodes.
        """
        return {}

    def running(self) -> list[Running]:
        """Returns the evaluations that are running; an empty list if the pool does not know them."""
        return []

    def news(self) -> list[str]:
        """Returns new sentences that the user should read (about missing workers); each is returned once."""
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
    """Returns the number and the model of this machine's processors, such as "2 x Intel(R) Xeon(R) Processor".

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
    """Returns a description of this machine in one line, with the names of its GPUs if the device is "cuda".

    Args:
        device: "cpu" or "cuda"; torch is imported for "cuda" only.

    Returns:
        Text such as "2 x Intel(R) Xeon(R) Processor with NVIDIA H200".

    Example:
        >>> hardware("cpu") == machine()  # number and model of the processors
        True
    """
    if device != "cuda":
        return machine()
    import torch

    names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return f"{machine()} with {', '.join(names)}"
