"""A broken machine: what it makes evaluations say is no fact about a candidate, and nobody is served it afterwards."""

import os

import pytest
from case_parts import rows

import automl
from automl import Integer, Space
from automl.errors import CandidateFailure
from workers.pools.blame import blame, failure


class S(Space):
    x = Integer(0, 3)


BROKEN = "AUTOML_TEST_BROKEN"


def train(c, seed):
    if text := os.environ.get(BROKEN):
        raise RuntimeError(text)
    return float(c.x)


def search(tmp_path, **given):
    settings = {
        "evaluator": train, "trials": 6, "workers": 0, "baseline": False, "finalists": 1, "sample": 2, "window": 1,
        "storage": f"sqlite:///{tmp_path}/a.db", "equal_failures": 0,
    } | given  # fmt: skip
    return automl.search(S(), **settings)


MACHINE = [
    # the messages of public threads
    "DataLoader worker (pid 77) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
    "shared memory. Please try to raise your shared memory limit.",
    "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    # and others of their kinds
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "CUDA error: unspecified launch failure",
    "CUDA error: an illegal memory access was encountered",
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 7.79 GiB total capacity)",
    "cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR",
    "NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1269, unhandled system error",
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver",
    "The NVIDIA driver on your system is too old (found version 11040)",
    "no kernel image is available for execution on the device",
    "unable to open shared memory object </torch_77_1> in read-write mode: No space left on device (28)",
    "unable to write to file </torch_12_34>",
    "DataLoader worker (pid(s) 12, 13) exited unexpectedly",
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes",
    "std::bad_alloc",
    "HIP out of memory. Tried to allocate 20.00 MiB",
    "MPS backend out of memory (MPS allocated: 5.00 GB)",
    "[enforce fail at inline_container.cc:595] . unexpected pos 64 vs 0: file write failed, No space left on device",
    "Connection reset by peer",
    "HTTPSConnectionPool(host='data.example', port=443): Max retries exceeded with url: /train.npz",
    "[Errno 24] Too many open files",
    "libcudart.so.12: cannot open shared object file: No such file or directory",
]


@pytest.mark.parametrize("text", MACHINE)
def test_a_machines_message_is_never_the_candidates(text):
    assert blame(RuntimeError(text)) in ("environment", "memory")
    try:
        raise RuntimeError(text)
    except RuntimeError:
        with pytest.raises(ValueError, match="training failed") as caught:
            raise ValueError("training failed")  # noqa: B904 - as people write it
    assert blame(caught.value) in ("environment", "memory")
    assert blame(ExceptionGroup("several", [ValueError("x"), RuntimeError(text)])) in ("environment", "memory")


@pytest.mark.parametrize("text", [MACHINE[0], MACHINE[9], MACHINE[17]])
def test_after_the_repair_nothing_is_left(tmp_path, monkeypatch, text):
    monkeypatch.setenv(BROKEN, text)
    broken = search(tmp_path)
    assert {trial.outcome for trial in broken.trials()} == {"failed"}
    assert text[:30] in next(broken.trials()).error
    broken.close()
    assert rows(tmp_path / "a.db", "select count(*) from evaluation where state = 'failed'") == [(0,)]
    monkeypatch.delenv(BROKEN)
    repaired = search(tmp_path)
    assert "failed" not in {trial.outcome for trial in repaired.trials()}
    repaired.close()


@pytest.mark.parametrize(
    "error",
    [
        OSError("disk"),
        ConnectionRefusedError("refused"),
        TimeoutError("timed out"),
        ImportError("libcudnn.so.9"),
        ModuleNotFoundError("No module named 'apex'"),
        EOFError("ran out of input"),
        FileNotFoundError(2, "No such file", "/data/train.npz"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_types_that_a_machine_raises(error):
    assert blame(error) == "environment"


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [TypeError("a"), ValueError("b"), IndexError("c"), KeyError("d"), ZeroDivisionError("e"), AssertionError("f")],
    ids=lambda error: type(error).__name__,
)
def test_six_types_count_at_once_where_the_users_own_code_raises_them(error):
    assert blame(raised(error)) == "candidate"


def test_the_same_types_raised_in_a_library_need_a_second_process():
    import json
    import statistics

    for act in (lambda: json.loads("{"), lambda: statistics.mode([]), lambda: os.environ["NOT_SET_AT_ALL"]):
        with pytest.raises((ValueError, KeyError)) as caught:
            act()
        assert blame(caught.value) == "unclear"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x63 and 64x8)"),
        RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RecursionError("maximum recursion depth exceeded"),
        NotImplementedError("no such layer"),
        SystemExit(3),
        AttributeError("no attribute"),
    ],
)
def test_what_may_be_either_needs_a_second_process(error):
    assert blame(raised(error)) == "unclear"


def test_what_an_evaluator_says_on_purpose_counts_at_once():
    assert blame(CandidateFailure("training diverged: CUDA or not")) == "candidate"


def test_a_traceback_is_kept_whole_and_capped():
    def deep(n):
        return deep(n - 1) if n else {}["no such key"]

    with pytest.raises(KeyError) as caught:
        deep(5)
    found = failure(caught.value)
    assert found.traceback.startswith("Traceback (most recent call last)")
    assert "in deep" in found.traceback
    assert found.traceback.rstrip().endswith("KeyError: 'no such key'")
    assert found.place.startswith("KeyError at ")
    long = failure(raised(RuntimeError("x" * 100_000)))
    assert len(long.traceback) < 21_000
    assert len(long.error) <= 500
