"""The contract of pools as tests: every job ends once, nobody is blamed for what others did, and capacity is kept.

Subclass `PoolContract` in a test file and say how your pool is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from automl.behaviour import Configuration
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Part, Work
from automl.pool import Completion, Fault, Job, Pool, WorkerSetup
from automl.setup.targets import reference_to
from automl.spaces.fields import Integer
from automl.spaces.space import Space


class Numbers(Space):
    """Space of the numbers from 0 to 1,099. From 1,000 on, `Numbered` fails in ways that pools must handle.

    Example:
        >>> Numbers().decode({"x": 7}).x
        7
    """

    x = Integer(0, 1099)


def _raise(error: BaseException) -> Metrics:
    raise error


OTHER = 1050
"""A number whose metrics lack the objective: that is the user's setting, and no failure."""

FAILURES: Mapping[int, tuple[Fault, Callable[[], Any]]] = {
    1000: ("candidate", lambda: _raise(ValueError("does not\nconverge"))),
    1001: ("candidate", lambda: {"v": float("nan")}),
    1002: ("candidate", lambda: {"w": float("nan")}),
    1003: ("candidate", lambda: None),
    1004: ("candidate", lambda: _raise(SystemExit(1))),
    1005: ("environment", lambda: _raise(FileNotFoundError("data.npz"))),
    1006: ("environment", lambda: _raise(ModuleNotFoundError("No module named 'tensorrt'"))),
    1007: ("memory", lambda: _raise(MemoryError())),
}


@dataclass(frozen=True)
class Numbered(Evaluator):
    """Evaluator that returns a candidate's number with the seed and the replicate, or fails as `FAILURES` lists.

    Example:
        >>> Numbered().evaluate(Work(Configuration({"x": 7}), {}, '{"x":7}'), Evaluation(seed=11))["v"]
        7
    """

    name: ClassVar[str] = "numbered"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        number = int(cast(Configuration, work.behaviour).value["x"])
        if number in FAILURES:
            return cast(Metrics, FAILURES[number][1]())
        if number == OTHER:
            return {"w": 1.0}
        return {"v": number, "seed": how.seed, "replicate": how.replicate, "test": how.part == "test"}


class PoolContract:
    """Tests that every pool must pass; pytest collects them from a subclass whose name starts with `Test`.

    Example:
        >>> from workers.pools.inline import InlinePool
        >>> class TestInline(PoolContract):
        ...     def open(self, plan):
        ...         return InlinePool(plan, workers=4)
        >>> TestInline().test_capacity_is_kept()
    """

    def open(self, plan: WorkerSetup) -> Pool:
        """Returns a new pool for a plan; each test closes its own."""
        raise AssertionError(f"{type(self).__name__} must define open(self, plan)")

    def _pool(self) -> Pool:
        return self.open(WorkerSetup(reference_to(Numbers()), Numbered(), "v"))

    def test_every_job_ends_once_with_its_own_metrics(self) -> None:
        numbers = [i % 1000 for i in range(2500)]
        with self._pool() as pool:
            done = run(pool, numbers)
            assert pool.completed() == []
        for number, (x, item) in enumerate(zip(numbers, done, strict=True)):
            assert item.fault is None, f"job {number} failed: {item.error}"
            assert item.metrics == {"v": x, "seed": number, "replicate": number % 3, "test": float(number % 2)}
            assert all(type(value) is float for value in item.metrics.values()), "metrics must be plain floats"
            assert item.seconds >= 0

    def test_who_is_to_blame(self) -> None:
        with self._pool() as pool:
            done = run(pool, [1, *FAILURES, 2])
            other = run(pool, [OTHER])
        assert (other[0].metrics, other[0].fault) == ({"w": 1.0}, None), "metrics without the objective are kept"
        assert [item.fault for item in done] == [None, *(fault for fault, _ in FAILURES.values()), None]
        for item in done[1:-1]:
            assert item.metrics is None
            assert item.error, "a failure needs a line of text"
            assert "\n" not in item.error, "an error is one line"

    def test_capacity_is_kept(self) -> None:
        with self._pool() as pool:
            room = pool.capacity()
            assert room >= 1
            assert pool.workers >= 1
            try:
                pool.submit([_job(i, 1) for i in range(room + 1)])
            except ValueError:
                assert pool.completed(0.0) == [], "a refused batch must leave nothing in flight"
            else:
                raise AssertionError("submitting more than capacity() must raise ValueError")
            pool.submit([_job(i, 1) for i in range(room)])
            assert pool.capacity() == 0

    def test_time_runs_forward_and_closing_twice_is_fine(self) -> None:
        pool = self._pool()
        assert pool.device in ("cpu", "cuda")
        assert pool.hardware
        assert all(pool.hardware)
        before = pool.now()
        run(pool, [1, 2, 3])
        assert pool.now() >= before >= 0
        pool.submit([_job(0, 1)])
        pool.close()
        pool.close()


def _job(number: int, x: int) -> Job:
    part: Part = "test" if number % 2 else "validation"
    return Job(number, f'{{"x":{x}}}', Evaluation(number, part, number % 3))


def run(pool: Pool, numbers: Sequence[int]) -> list[Completion]:
    """Runs one job for each number, with its position as id and seed, and returns the completions in that order.

    Example:
        >>> from workers.pools.inline import InlinePool
        >>> with InlinePool(WorkerSetup(reference_to(Numbers()), Numbered(), "v")) as pool:
        ...     done = run(pool, [5, 3])
        >>> [completion.metrics["v"] for completion in done]
        [5.0, 3.0]
    """
    waiting = [_job(place, x) for place, x in enumerate(numbers)]
    done: dict[int, Completion] = {}
    while len(done) < len(numbers):
        room = pool.capacity()
        pool.submit(waiting[:room])
        waiting = waiting[room:]
        for completion in pool.completed():
            assert completion.job not in done, f"job {completion.job} ended twice"
            done[completion.job] = completion
    return [done[place] for place in range(len(numbers))]
