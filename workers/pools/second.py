"""The second try: what a machine might have caused counts as a candidate's failure when another process fails alike."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

from automl.errors import InvalidInput
from automl.isolation.child import Child, ChildUnusable, TookTooLong
from automl.isolation.travel import pack
from automl.pool import Completion, Job, WorkerSetup
from workers.pools.perform import perform
from workers.pools.threads import torch_threads

_GRACE_SECONDS = 5.0  # beyond a time limit, for what cannot be interrupted from inside


NOBODY = "nobody"
"""The worker of a second try that could not be made."""


def verdict(first: Completion, second: Completion) -> Completion:
    """Joins two tries of one job in two processes, the first of which was "unclear".

    Both failed with one type of exception at one place: the candidate's own failure, charged with both tries. In two
    ways: the machine's.

    Example:
        >>> once = Completion(7, None, "unclear", "RuntimeError: no", 1.0, "a", place="RuntimeError at net.py:3 in f")
        >>> both = verdict(once, dataclasses.replace(once, worker="b"))
        >>> both.fault, both.seconds
        ('candidate', 2.0)
    """
    if second.worker == NOBODY:
        return second
    if second.fault != "unclear":
        return second if second.fault is None else dataclasses.replace(second, seconds=first.seconds + second.seconds)
    alike = first.place == second.place
    error = first.error if alike else f"{first.error}; in a second process: {second.error}"
    return dataclasses.replace(
        first,
        fault="candidate" if alike else "environment",
        error=error[:1000],
        seconds=first.seconds + second.seconds,
        worker=second.worker,
    )


class SecondProcess:
    """Runs failed jobs of this process once more in another one, which is started when it is first needed.

    Args:
        plan: what all jobs have in common.
    """

    def __init__(self, plan: WorkerSetup) -> None:
        self._plan = plan
        self._child: Child | None = None
        self._cannot = ""

    def settle(
        self,
        jobs: Sequence[Job],
        done: Sequence[Completion],
        timeout: float | None,
        begun: Callable[[Sequence[Job]], None] = lambda _: None,
    ) -> list[Completion]:
        """Returns the completions of these jobs, each "unclear" one judged by a second try.

        Args:
            jobs: in the order of `done`.
            done: how they ended here.
            timeout: seconds allowed for one evaluation.
            begun: called with the job that is tried next.
        """
        settled = []
        for job, one in zip(jobs, done, strict=True):
            if one.fault == "unclear":
                begun([job])
                one = verdict(one, self._again(job, one, timeout))
            settled.append(one)
        return settled

    def _again(self, job: Job, first: Completion, timeout: float | None) -> Completion:
        try:
            child = self._started()
            limit = None if timeout is None else timeout + _GRACE_SECONDS
            [answer] = child.answers([(job, timeout)], limit)
        except ChildUnusable as error:
            self._cannot = str(error)
            self.close()
            return _unknown(first, self._cannot)
        if isinstance(answer, Completion):
            if answer.fault in ("memory", "environment"):
                self.close()  # what is left of it must not harm the next one
            return answer
        fault = "timeout" if isinstance(answer, TookTooLong) else "lost"
        text = str(answer) if fault == "timeout" else f"the process of its second try {answer}"
        return Completion(job.id, None, fault, text, 0.0, "second")  # type: ignore[arg-type]

    def _started(self) -> Child:
        if self._cannot:
            raise ChildUnusable(self._cannot)
        if self._child is None:
            plan = self._plan
            try:
                packed = pack(functools.partial(_server, plan), plan.evaluator, plan.space.space)
            except InvalidInput as error:
                raise ChildUnusable(f"the search cannot be sent to another process: {error}") from error
            self._child = Child(packed)
        return self._child

    def close(self) -> None:
        """Ends the process."""
        if self._child is not None:
            self._child.close()
            self._child = None


def _unknown(first: Completion, why: str) -> Completion:
    """Returns a second completion that leaves the first as unclear as it was."""
    return dataclasses.replace(first, worker=NOBODY, error=f"{first.error} (no second process could try: {why})"[:1000])


def _server(plan: WorkerSetup) -> Callable[[tuple[Job, float | None]], Completion]:
    """Loads a plan over there; returns what runs one job."""
    space = plan.space.load()
    evaluator = plan.evaluator.for_device("cpu")
    evaluator.prepare()

    def run(asked: tuple[Job, float | None]) -> Completion:
        job, timeout = asked
        with torch_threads(1):
            return perform(space, evaluator, plan.objective, [job], worker="second", timeout=timeout)[0]

    return run
