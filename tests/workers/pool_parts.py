"""A space and evaluators that the tests of pools share: what a candidate does is decided by its number."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.pool import Completion, Job, Pool, WorkerSetup
from automl.setup.targets import reference_to
from automl.spaces.fields import Integer
from automl.spaces.space import Space

RAISES, NAN, INFINITE, MISSING, NO_FILE, NO_MODULE, NO_MEMORY = 901, 902, 903, 904, 905, 906, 907
DIES, HANGS, HANGS_IN_C, TAKES_MEMORY, LEAVES, ENDS, UNCLEAR = 911, 912, 913, 914, 915, 916, 917


class Numbers(Space):
    x = Integer(0, 999)


@dataclass(frozen=True)
class Behaving(Evaluator):
    """Returns the candidate's number as "v", and misbehaves at some numbers."""

    name: ClassVar[str] = "behaving"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}
    seconds: float = 0.0

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        x = work.behaviour.value["x"]
        if self.seconds:
            time.sleep(self.seconds)
        if x in MISDEEDS:
            return MISDEEDS[x]()
        return {"v": np.float32(x), "seed": how.seed, "pid": os.getpid()}


@dataclass(frozen=True)
class Costly(Evaluator):
    """A table whose evaluation costs as many seconds as the candidate's number."""

    name: ClassVar[str] = "costly"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        x = work.behaviour.value["x"]
        return {"v": x, "cost_seconds": float(x)}


@dataclass(frozen=True)
class Together(Behaving):
    """Has a loop of its own for batches, in which one bad candidate spoils all."""

    name: ClassVar[str] = "together"

    def evaluate_many(self, works: Sequence[tuple[Work, Evaluation]]) -> list[Metrics | Exception]:
        return [{**self.evaluate(work, how), "batch": len(works)} for work, how in works]


def _raise(error: BaseException) -> Metrics:
    raise error


MISDEEDS = {
    RAISES: lambda: _raise(ValueError("does not\nconverge")),
    NAN: lambda: {"v": float("nan")},
    INFINITE: lambda: {"v": float("inf")},
    MISSING: lambda: {"w": 1.0},
    NO_FILE: lambda: _raise(FileNotFoundError("data.npz")),
    NO_MODULE: lambda: _raise(ModuleNotFoundError("No module named 'tensorrt'")),
    NO_MEMORY: lambda: _raise(MemoryError()),
    DIES: lambda: os.kill(os.getpid(), signal.SIGKILL) or {},
    ENDS: lambda: os._exit(3),
    UNCLEAR: lambda: _raise(RuntimeError("mat1 and mat2 shapes cannot be multiplied")),
    HANGS: lambda: _raise(RuntimeError("woke up")) if time.sleep(600) is None else {},
    HANGS_IN_C: lambda: {"v": float(ctypes.PyDLL(None).sleep(600))},  # holds the interpreter's lock
    TAKES_MEMORY: lambda: {"v": float(np.ones(2**31, dtype=np.uint8).sum())},
    LEAVES: lambda: _raise(SystemExit(1)),
}


def plan(evaluator: Evaluator, timeout: float | None = None) -> WorkerSetup:
    return WorkerSetup(reference_to(Numbers()), evaluator, "v", timeout)


def job(number: int, x: int, seed: int = 0) -> Job:
    return Job(number, f'{{"x":{x}}}', Evaluation(seed))


def run_all(pool: Pool, numbers: Sequence[int]) -> list[Completion]:
    """Runs one job for each number and returns their completions in that order; each must be completed exactly once."""
    todo = [job(i, x, seed=i) for i, x in enumerate(numbers)]
    done: dict[int, Completion] = {}
    while len(done) < len(numbers):
        now, todo = todo[: pool.capacity()], todo[pool.capacity() :]
        pool.submit(now)
        for completion in pool.completed():
            assert completion.job not in done
            done[completion.job] = completion
    assert pool.completed() == []
    return [done[i] for i in range(len(numbers))]
