"""Running jobs, the same way in every pool: candidate → behaviour → evaluator → completion, and whose fault it was."""

from __future__ import annotations

import errno
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from automl.errors import InvalidInput, brief
from automl.errors import one_line as shown
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.evaluators.checkpoints import Checkpoint
from automl.evaluators.figures import as_number
from automl.jsontext import parse
from automl.pool import Completion, Fault, Job
from automl.spaces.space import Space

_NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory")


class OutOfTime(BaseException):
    """One evaluation ran longer than allowed. Not an Exception, so that no evaluator swallows it."""


def perform(
    space: Space,
    evaluator: Evaluator,
    objective: str,
    jobs: Sequence[Job],
    *,
    device: str = "cpu",
    worker: str = "",
    timeout: float | None = None,
) -> list[Completion]:
    """Runs jobs one after another, a batch at once where the evaluator has a loop of its own for batches.

    Args:
        space: turns each job's JSON into a behaviour.
        evaluator: runs it.
        objective: the metric that must be finite where it is present.
        jobs: to be run, in order.
        device: "cpu" or "cuda".
        worker: a name for the completions.
        timeout: seconds allowed for one evaluation, watched from inside (`alarm`); None where somebody outside watches.

    Returns:
        One completion a job, in order. Never raises for what a candidate does.
    """
    if len(jobs) > 1 and type(evaluator).evaluate_many is not Evaluator.evaluate_many:
        together = _together(space, evaluator, objective, jobs, device, worker, timeout)
        if together is not None:
            return together
    return [_alone(space, evaluator, objective, job, device, worker, timeout) for job in jobs]


def _alone(
    space: Space, evaluator: Evaluator, objective: str, job: Job, device: str, worker: str, timeout: float | None
) -> Completion:
    began = time.perf_counter()
    outcome: Metrics | BaseException
    how = how_of(job, device)
    try:
        with alarm(timeout):
            outcome = evaluator.evaluate(work_of(space, job), how)
    except (Exception, SystemExit, OutOfTime) as error:
        outcome = error
    return complete(job, how, outcome, objective, time.perf_counter() - began, worker)


def _together(
    space: Space,
    evaluator: Evaluator,
    objective: str,
    jobs: Sequence[Job],
    device: str,
    worker: str,
    timeout: float | None,
) -> list[Completion] | None:
    """Runs a batch in one call; None when the call as a whole failed, and nobody knows which candidate made it."""
    began = time.perf_counter()
    try:
        works = [(work_of(space, job), how_of(job, device)) for job in jobs]
        with alarm(None if timeout is None else timeout * len(jobs)):
            outcomes = evaluator.evaluate_many(works)
    except (Exception, SystemExit, OutOfTime):
        return None
    each = (time.perf_counter() - began) / len(jobs)
    return [
        complete(job, how, outcome, objective, each, worker)
        for job, (_, how), outcome in zip(jobs, works, outcomes, strict=True)
    ]


def work_of(space: Space, job: Job) -> Work:
    """Returns what the evaluator may base its result on."""
    candidate = space.decode(parse(job.candidate))
    return Work(space.behaviour(candidate), space.training(candidate), job.candidate)


def how_of(job: Job, device: str) -> Evaluation:
    """Returns how the evaluation is to be run."""
    how = job.evaluation
    # The clock of a checkpoint and the points of a curve are this run's own: a job may be run a second time.
    kept = Checkpoint(how.checkpoint.path) if how.checkpoint else None
    return Evaluation(how.seed, how.part, how.replicate, how.fidelity, device, kept)


def complete(
    job: Job, how: Evaluation, outcome: Metrics | BaseException, objective: str, seconds: float, worker: str
) -> Completion:
    """Judges what an evaluation returned or raised."""
    if isinstance(outcome, BaseException):
        return Completion(job.id, None, blame(outcome), one_line(outcome), seconds, worker)
    try:
        metrics, curve = plain_metrics(outcome, objective), how.curve.json()
        beside = left_out(outcome) if len(metrics) < len(outcome) else ()
        return Completion(job.id, metrics, None, "", seconds, worker, curve, beside)
    except ValueError as error:
        return Completion(job.id, None, "candidate", str(error), seconds, worker)


def blame(error: BaseException) -> Fault:
    """Returns whose fault an exception is: what the machine did is never a fact about a candidate."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__
    if any(isinstance(item, OutOfTime) for item in chain):
        return "timeout"
    if any(_is_memory(item) for item in chain):
        return "memory"
    if any(isinstance(item, OSError | ImportError) for item in chain):
        return "environment"
    return "candidate"


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch tells a failed allocation by a RuntimeError, on the CPU by its text alone
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _NO_MEMORY)


def one_line(error: BaseException) -> str:
    """Returns the exception's type and the first 500 characters of its message, on one line."""
    if isinstance(error, OutOfTime):
        return str(error)
    message = shown(str(error), 500)
    return f"{type(error).__name__}: {message}"[:500] if message else type(error).__name__


def plain_metrics(metrics: Any, objective: str) -> Metrics:
    """Returns the metrics as plain floats. Those that are not finite are left out, and so is what is no number.

    Metrics without the objective are returned all the same: that they were asked for under another name is the user's
    setting and no fact about a candidate.

    Raises:
        ValueError: they are no mapping, none is left, or the objective is not finite.
    """
    if not isinstance(metrics, Mapping):
        raise ValueError(f"the evaluator returned {type(metrics).__name__} instead of a dict of metrics")
    plain: Metrics = {}
    for name, value in metrics.items():
        number = as_number(value)
        if number is None and name == objective and isinstance(value, str):
            with suppress(ValueError):
                number = float(value)  # a figure read from another program's output
        if number is None and name == objective:
            raise ValueError(f"metric {brief(name)} is {brief(value)}, which is no number")
        if number is not None and math.isfinite(number):
            plain[str(name)] = number
        elif name == objective:
            raise ValueError(f"metric {objective!r} is {number}")
    if not plain:
        raise ValueError(f"the evaluator returned no metric {objective!r}, only none")
    return plain


def left_out(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names under which an evaluation returned something else than a number, such as {"status": "ok"}."""
    return tuple(str(name) for name, value in metrics.items() if as_number(value) is None)


def check_alarm(timeout: float | None) -> None:
    """Checks that `alarm` can work here.

    Raises:
        InvalidInput: a time limit was asked for outside the main thread, where signals do not arrive.
    """
    if timeout is not None and threading.current_thread() is not threading.main_thread():
        raise InvalidInput(
            f"a timeout of {timeout:g} s inside this process needs the main thread; "
            "use Ray workers, or search from the main thread"
        )


@contextmanager
def alarm(timeout: float | None) -> Iterator[None]:
    """Raises OutOfTime in the body after `timeout` seconds. Main thread only; it cannot interrupt a call into C."""
    if timeout is None:
        yield
        return

    def ring(*_: object) -> None:
        raise OutOfTime(f"took longer than {timeout:g} s")

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
