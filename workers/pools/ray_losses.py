"""What a call to a Ray worker brought back: its completions, or what is told of the worker that did not answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl.pool import Completion, Fault
from workers.pools.blame import blame, one_line


@dataclass(frozen=True)
class Answer:
    """A worker's answer: the seconds that it took, one completion for each job, and whether it has grown too much."""

    seconds: float
    done: Sequence[Completion]
    grown: bool = False


@dataclass(frozen=True)
class Loss:
    """A call that has no answer: the fault of a job that ran alone in it, the sentence for it, and whether the worker's
    node was taken away (then nothing that ran there has a fault).
    """

    fault: Fault
    error: str
    preempted: bool = False


def answer_of(reference: Any) -> Answer | Loss:
    """Returns the answer that a reference resolved to, or why there is none."""
    import ray

    try:
        return Answer(*ray.get(reference))
    except ray.exceptions.RayTaskError as error:  # the worker lives; what went wrong was not inside an evaluation
        return Loss("memory" if blame(error.cause) == "memory" else "environment", one_line(error.cause))
    except ray.exceptions.OutOfMemoryError:
        return Loss("memory", "Ray killed its worker because the machine ran out of memory")
    except ray.exceptions.RayError as error:
        return Loss("lost", f"its worker process died ({_exit_type(error)})", bool(getattr(error, "preempted", False)))


def _exit_type(error: Exception) -> str:
    """Returns Ray's word for how a worker ended, out of a message of twenty lines."""
    found = re.search(r"exit type: (\w+)", str(error))
    return found.group(1) if found else type(error).__name__
