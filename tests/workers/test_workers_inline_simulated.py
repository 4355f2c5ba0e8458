"""The pools without processes: inline, and with a simulated clock."""

from __future__ import annotations

import pytest
from pool_parts import HANGS, RAISES, Behaving, Costly, job, plan, run_all

from automl.errors import InvalidInput
from workers.pools.inline import InlinePool
from workers.pools.simulated import SimulatedPool


def test_inline_runs_everything_once():
    with InlinePool(plan(Behaving())) as pool:
        done = run_all(pool, [i % 90 for i in range(3000)])
    assert [item.metrics["v"] for item in done] == [i % 90 for i in range(3000)]
    assert [item.metrics["seed"] for item in done] == list(range(3000))


def test_inline_goes_on_after_failures_and_timeouts():
    with InlinePool(plan(Behaving(), timeout=0.1)) as pool:
        done = run_all(pool, [1, RAISES, HANGS, 2])
    assert [item.fault for item in done] == [None, "candidate", "timeout", None]


def test_inline_capacity_is_kept():
    pool = InlinePool(plan(Behaving(seconds=0.2)), workers=2)
    assert pool.capacity() == 2
    pool.submit([job(0, 1), job(1, 1)])
    assert pool.capacity() == 0
    with pytest.raises(ValueError, match="only 0 can be started"):
        pool.submit([job(2, 1)])
    assert len(pool.completed(0.0)) == 1
    pool.close()
    pool.close()
    assert pool.completed() == []


def test_simulated_completions_come_in_order_of_their_ends():
    pool = SimulatedPool(plan(Costly()), workers=3)
    pool.submit([job(0, 50), job(1, 10), job(2, 30)])
    assert pool.capacity() == 0
    assert [item.job for item in pool.completed()] == [1]
    assert pool.now() == 10.0
    pool.submit([job(3, 20)])  # ends at 30, with job 2, which was submitted before it
    assert [item.job for item in pool.completed()] == [2, 3]
    assert pool.now() == 30.0
    assert [(item.job, item.seconds) for item in pool.completed()] == [(0, 50.0)]
    assert pool.now() == 50.0
    assert pool.completed() == []


@pytest.mark.parametrize("workers", [1, 2, 10, 10_000])
def test_simulated_time_is_what_a_queue_of_workers_takes(workers):
    """Ten thousand evaluations of 1 to 9 s, greedily queued: the known bounds of list scheduling hold."""
    numbers = [1 + i * 7919 % 9 for i in range(10_000)]
    pool = SimulatedPool(plan(Costly()), workers=workers)
    done = run_all(pool, numbers)
    assert [item.seconds for item in done] == [float(x) for x in numbers]
    least = max(sum(numbers) / workers, max(numbers))
    assert least <= pool.now() <= least + max(numbers)


def test_simulated_timeout_ends_at_the_limit():
    pool = SimulatedPool(plan(Costly(), timeout=20.0), workers=2)
    pool.submit([job(0, 500), job(1, 10)])
    assert [(item.job, item.fault) for item in pool.completed()] == [(1, None)]
    (late,) = pool.completed()
    assert (late.fault, late.seconds, late.metrics) == ("timeout", 20.0, None)
    assert pool.now() == 20.0


def test_simulated_pool_needs_a_worker():
    with pytest.raises(InvalidInput, match="cannot have 0 workers"):
        SimulatedPool(plan(Costly()), workers=0)


def test_the_simulated_clock_stands_still_for_who_only_looks():
    pool = SimulatedPool(plan(Costly()), workers=2)
    pool.submit([job(0, 50)])
    assert pool.completed(0.0) == []
    assert pool.now() == 0.0
    pool.submit([job(1, 20)])  # begins now, beside the other
    assert [item.job for item in pool.completed(0.1)] == [1]
    assert pool.completed(0.0) == []
    assert pool.now() == 20.0
