"""Who is blamed for what, in any pool."""

from __future__ import annotations

import threading
import time

import pytest
from pool_parts import (
    ENDS,
    INFINITE,
    LEAVES,
    MISSING,
    NAN,
    NO_FILE,
    NO_MEMORY,
    NO_MODULE,
    RAISES,
    UNCLEAR,
    Behaving,
    Numbers,
    Together,
    job,
)  # fmt: skip

from automl.errors import InvalidInput
from automl.isolation.limits import OutOfTime, alarm
from workers.pools.blame import blame
from workers.pools.perform import check_alarm, perform, plain_metrics


def outcome(x, evaluator=None, **options):
    return perform(Numbers(), evaluator or Behaving(), "v", [job(7, x, seed=5)], **options)[0]


def test_metrics_become_plain_floats():
    done = outcome(3, worker="me")
    assert done.job == 7
    assert done.fault is None
    assert done.metrics["v"] == 3.0
    assert type(done.metrics["v"]) is float
    assert done.metrics["seed"] == 5.0
    assert done.worker == "me"
    assert done.seconds > 0


@pytest.mark.parametrize(
    ("x", "fault", "error"),
    [
        (RAISES, "candidate", "ValueError: does not converge"),
        (NAN, "candidate", "metric 'v' is nan"),
        (INFINITE, "candidate", "metric 'v' is inf"),
        (LEAVES, "unclear", "SystemExit: 1"),
        (ENDS, "unclear", "the candidate ended its process by os._exit(3)"),
        (UNCLEAR, "unclear", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
        (NO_FILE, "environment", "FileNotFoundError: data.npz"),
        (NO_MODULE, "environment", "ModuleNotFoundError: No module named 'tensorrt'"),
        (NO_MEMORY, "memory", "MemoryError"),
    ],
)
def test_each_failure_has_its_culprit(x, fault, error):
    done = outcome(x)
    assert (done.metrics, done.fault, done.error) == (None, fault, error)


def test_metrics_without_the_objective_are_kept():
    done = outcome(MISSING)
    assert (done.metrics, done.fault, done.error) == ({"w": 1.0}, None, "")


def test_what_the_machine_did_is_found_behind_other_exceptions():
    error = RuntimeError("could not train")
    error.__cause__ = OSError("disk")
    assert blame(error) == "environment"
    assert blame(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")) == "memory"
    assert blame(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")) == "memory"
    assert blame(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) == "unclear"


def test_real_torch_allocation_failure_is_memory():
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert blame(caught.value) == "memory"


def test_a_candidate_that_is_no_point_of_the_space_is_to_blame():
    done = outcome(5000)
    assert done.fault == "candidate"
    assert "5000" in done.error


@pytest.mark.parametrize("metrics", [None, [1.0], {"v": "much"}, {"v": None}])
def test_what_is_no_metric_is_refused(metrics):
    with pytest.raises(ValueError, match=r"instead of a dict|is no number"):
        plain_metrics(metrics, "v")


def test_other_metrics_that_are_not_finite_are_left_out():
    assert plain_metrics({"v": 1, "w": float("nan")}, "v") == {"v": 1.0}


def test_a_batch_goes_through_the_evaluators_own_loop():
    done = perform(Numbers(), Together(), "v", [job(i, i) for i in range(5)])
    assert [item.metrics["batch"] for item in done] == [5.0] * 5
    assert [item.metrics["v"] for item in done] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_one_bad_candidate_spoils_no_batch():
    done = perform(Numbers(), Together(), "v", [job(0, 1), job(1, RAISES), job(2, 3)])
    assert [item.fault for item in done] == [None, "candidate", None]
    assert [item.metrics["v"] for item in done if item.metrics] == [1.0, 3.0]


def test_the_alarm_interrupts_and_is_put_back():
    with pytest.raises(OutOfTime, match=r"longer than 0\.05 s"), alarm(0.05):
        time.sleep(60)
    with alarm(60.0):
        pass
    assert outcome(1, Behaving(seconds=60.0), timeout=0.05).fault == "timeout"


def test_no_alarm_outside_the_main_thread():
    caught = []

    def work():
        with pytest.raises(InvalidInput, match="main thread"):
            check_alarm(1.0)
        check_alarm(None)
        caught.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught
