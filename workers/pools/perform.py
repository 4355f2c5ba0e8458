"""Running jobs, the same way in every pool: candidate → behaviour → evaluator → completion."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeGuard

from automl.artefacts.shelf import Kept
from automl.errors import InvalidInput, brief
from automl.evaluators.artefacts import declared_artefacts
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.evaluators.checkpoints import Checkpoint
from automl.evaluators.curves import LearningCurve
from automl.evaluators.figures import as_number
from automl.evaluators.pruning import Pruned
from automl.isolation.limits import FAULTS, BrokenOff, alarm, in_main_thread, no_exit
from automl.jsontext import parse
from automl.pool import Completion, Job
from automl.spaces.space import Space
from workers.pools.blame import failure

_ENDS = (*FAULTS, BrokenOff)
"""What ends one evaluation, and nothing else."""


def perform(
    space: Space,
    evaluator: Evaluator,
    objective: str,
    jobs: Sequence[Job],
    *,
    device: str = "cpu",
    worker: str = "",
    timeout: float | None = None,
    begun: Callable[[Sequence[Job]], None] = lambda _: None,
    curve: Callable[[], LearningCurve] = LearningCurve,
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
        begun: called with the jobs that are run next, one or a batch.
        curve: makes the learning curve of each evaluation that is run by itself.

    Returns:
        One completion a job, in order. Never raises for what a candidate does.
    """
    proposing = evaluator.proposing()
    evaluator = evaluator.stage(bool(jobs) and jobs[0].evaluation.rates)  # jobs of one call are of one stage
    if (
        len(jobs) > 1
        and not any(job.artefact for job in jobs)
        and type(evaluator).evaluate_many is not Evaluator.evaluate_many
    ):
        begun(jobs)
        together = _together(space, evaluator, objective, jobs, device, worker, timeout)
        if together is not None:
            return together
    done = []
    for job in jobs:
        begun([job])
        maker = proposing if job.artefact and _declares(proposing, job) else evaluator
        done.append(_alone(space, maker, objective, job, device, worker, timeout, curve))
    return done


def _declares(proposing: Evaluator | None, job: Job) -> TypeGuard[Evaluator]:
    """Tells whether a job is to make an artefact of the strategy."""
    return proposing is not None and job.artefact in {
        one.name for one in declared_artefacts(proposing, job.evaluation.replicate)
    }


def _alone(
    space: Space,
    evaluator: Evaluator,
    objective: str,
    job: Job,
    device: str,
    worker: str,
    timeout: float | None,
    curve: Callable[[], LearningCurve],
) -> Completion:
    began = time.perf_counter()
    outcome: Metrics | BaseException
    how = how_of(job, device, curve())
    try:
        with no_exit(), alarm(timeout):
            if job.artefact:
                outcome = make(evaluator, job.artefact, how)
            else:
                outcome = evaluator.evaluate(work_of(space, job), how)
    except _ENDS as error:
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
        with no_exit(), alarm(None if timeout is None else timeout * len(jobs)):
            works = [(work_of(space, job), how_of(job, device)) for job in jobs]
            outcomes = evaluator.evaluate_many(works)
    except _ENDS:
        return None
    each = (time.perf_counter() - began) / len(jobs)
    return [
        complete(job, how, outcome, objective, each, worker)
        for job, (_, how), outcome in zip(jobs, works, outcomes, strict=True)
    ]


def make(evaluator: Evaluator, name: str, how: Evaluation) -> Metrics:
    """Makes an artefact, and leaves it on the shelf. Returns its size."""
    assert how.shelf is not None
    [artefact] = [one for one in declared_artefacts(evaluator, how.replicate) if one.name == name]
    content = artefact.make(how)
    how.shelf.leave(name, content)
    return {"bytes": float(len(content.data))}


def work_of(space: Space, job: Job) -> Work:
    """Returns what the evaluator may base its result on."""
    candidate = space.decode(parse(job.candidate))
    return Work(space.behaviour(candidate), space.training(candidate), job.candidate)


def how_of(job: Job, device: str, curve: LearningCurve | None = None) -> Evaluation:
    """Returns how the evaluation is to be run."""
    how = job.evaluation
    # The clock of a checkpoint and the points of a curve are this run's own: a job may be run a second time.
    kept = Checkpoint(how.checkpoint.path) if how.checkpoint else None
    shelf = how.shelf.again() if how.shelf is not None else None
    return Evaluation(
        how.seed,
        how.part,
        how.replicate,
        how.fidelity,
        device,
        kept,
        curve if curve is not None else LearningCurve(),
        shelf=shelf,
        rule=how.rule,
        rates=how.rates,
    )


def complete(
    job: Job, how: Evaluation, outcome: Metrics | BaseException, objective: str, seconds: float, worker: str
) -> Completion:
    """Judges what an evaluation returned or raised."""
    if isinstance(outcome, Pruned):
        return _stopped(job, how, objective, seconds, worker)
    if isinstance(outcome, BaseException):
        found = failure(outcome)
        return Completion(
            job.id,
            None,
            found.fault,
            found.error,
            seconds,
            worker,
            place=found.place,
            traceback=found.traceback,
        )
    try:
        metrics, curve = plain_metrics(outcome, objective), how.curve.json()
        beside = left_out(outcome) if len(metrics) < len(outcome) else ()
    except ValueError as error:
        return Completion(job.id, None, "candidate", str(error), seconds, worker)
    artefacts, why = settled(how)
    return Completion(
        job.id, metrics, None, "", seconds, worker, curve, left_out=beside, artefacts=artefacts, not_kept=why
    )


def settled(how: Evaluation) -> tuple[tuple[Kept, ...], str]:
    """Writes what an evaluation left and returns it, or why it could not be written: the figures stand all the same."""
    if how.shelf is None:
        return (), ""
    try:
        return how.shelf.settle(), ""
    except InvalidInput as error:
        return (), str(error)


def _stopped(job: Job, how: Evaluation, objective: str, seconds: float, worker: str) -> Completion:
    """Judges an evaluation that has stopped early: what it reported last is its result."""
    why = ""
    if how.rule is None:
        why = "it raised Pruned, and nobody had asked it to stop; ask should_prune() first, or return the metrics"
    elif not how.curve.points or objective not in how.curve.points[-1][1]:
        why = f"it raised Pruned before it had reported {objective!r}; report it, and ask should_prune() then"
    if why:
        return Completion(job.id, None, "candidate", why, seconds, worker)
    epoch, metrics = how.curve.points[-1]
    return Completion(job.id, dict(metrics), None, "", seconds, worker, how.curve.json(), reached=epoch)


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
    """Checks that a time limit can be kept in this thread.

    Raises:
        InvalidInput: one was asked for outside the main thread, where signals do not arrive.
    """
    if timeout is not None and not in_main_thread():
        raise InvalidInput(
            f"a timeout of {timeout:g} s inside this process needs the main thread; "
            "use Ray workers, or search from the main thread"
        )
