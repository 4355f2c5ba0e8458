"""`EquivalenceCache(url).get_or_evaluate(key, function)`, for those who bring their own search."""

import multiprocessing
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from automl.cache.store import EquivalenceCache
from automl.errors import CandidateFailure, InvalidInput


@pytest.fixture
def cache(any_url: str) -> Iterator[EquivalenceCache]:
    with EquivalenceCache(any_url) as opened:
        yield opened


class Counted:
    def __init__(self, *values: object):
        self.values = list(values)
        self.seeds: list[int] = []

    def __call__(self, seed: int) -> object:
        self.seeds.append(seed)
        value = self.values[min(len(self.seeds), len(self.values)) - 1]
        if isinstance(value, BaseException):
            raise value
        return value


def test_a_function_is_called_once_for_a_key(cache: EquivalenceCache) -> None:
    function = Counted(0.5)
    assert cache.get_or_evaluate({"lr": 0.1, "layers": 2}, function) == 0.5
    assert cache.get_or_evaluate({"layers": 2, "lr": 0.1}, function) == 0.5
    assert len(function.seeds) == 1


def test_numbers_give_numbers_and_metrics_give_metrics(cache: EquivalenceCache) -> None:
    assert cache.get_or_evaluate(1, lambda: np.float32(0.25)) == 0.25
    assert cache.get_or_evaluate(1, lambda: 0.0) == 0.25
    for _ in range(2):
        assert cache.get_or_evaluate(2, lambda: {"loss": np.float64(1.5), "epochs": 3}) == {"loss": 1.5, "epochs": 3}


def test_keys_may_be_hashes_in_either_form_or_any_json(cache: EquivalenceCache) -> None:
    function = Counted(1.0)
    key = bytes(range(16))
    cache.get_or_evaluate(key, function)
    cache.get_or_evaluate(key.hex(), function)
    assert len(function.seeds) == 1
    cache.get_or_evaluate("a name of exactly thirty-two chrs", function)
    cache.get_or_evaluate(b"longer than sixteen bytes", function)
    cache.get_or_evaluate([1, {"a": None}], function)
    assert len(function.seeds) == 4
    with pytest.raises(InvalidInput):
        cache.get_or_evaluate(object(), function)


def test_contexts_keep_results_apart(cache: EquivalenceCache) -> None:
    function = Counted(1.0, 2.0)
    assert cache.get_or_evaluate(1, function, context={"epochs": 5}) == 1.0
    assert cache.get_or_evaluate(1, function, context={"epochs": 6}) == 2.0
    assert cache.get_or_evaluate(1, function, context={"epochs": 5}) == 1.0


def test_replicates_are_added_and_their_mean_is_returned(cache: EquivalenceCache) -> None:
    function = Counted({"loss": 1.0, "name": "a"}, {"loss": 2.0, "name": "a"}, {"loss": 6.0, "name": "a"})
    assert cache.get_or_evaluate(1, function)["loss"] == 1.0
    assert cache.get_or_evaluate(1, function, replicates=3) == {"loss": 3.0, "name": "a"}
    assert cache.get_or_evaluate(1, function, replicates=2)["loss"] == 1.5
    assert len(set(function.seeds)) == 3
    with pytest.raises(InvalidInput, match="replicates is 0"):
        cache.get_or_evaluate(1, function, replicates=0)


def test_a_candidates_own_failure_is_kept(cache: EquivalenceCache) -> None:
    function = Counted(CandidateFailure("no such layer"))
    for _ in range(2):
        with pytest.raises(CandidateFailure, match="no such layer"):
            cache.get_or_evaluate(1, function)
    assert len(function.seeds) == 1
    for value in (float("nan"), {"loss": np.float32("inf")}):
        with pytest.raises(CandidateFailure, match=r"is (nan|inf)"):
            cache.get_or_evaluate(repr(value), lambda value=value: value)


@pytest.mark.parametrize("error", [OSError("disk"), MemoryError(), KeyboardInterrupt(), ValueError("a bug")])
def test_any_other_error_is_passed_on_and_the_key_stays_free(cache: EquivalenceCache, error: BaseException) -> None:
    function = Counted(error, 0.5)
    with pytest.raises(type(error)):
        cache.get_or_evaluate(1, function)
    assert cache.get_or_evaluate(1, function) == 0.5


def test_a_result_that_is_not_json_is_refused_and_the_key_stays_free(cache: EquivalenceCache) -> None:
    with pytest.raises(InvalidInput):
        cache.get_or_evaluate(1, lambda: {"model": object()})
    assert cache.get_or_evaluate(1, lambda: 1.0) == 1.0


def test_threads_of_one_process_call_the_function_once(cache: EquivalenceCache) -> None:
    calls, results = [], []

    def slow(seed: int) -> float:
        calls.append(seed)
        time.sleep(0.3)
        return 0.5

    threads = [threading.Thread(target=lambda: results.append(cache.get_or_evaluate(1, slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(calls), results) == (1, [0.5] * 4)


def _in_a_process(cache: EquivalenceCache, log: Path) -> None:
    def slow() -> float:
        with log.open("a") as file:
            file.write("called\n")
        time.sleep(0.2)
        return 0.5

    for key in range(3):
        assert cache.get_or_evaluate(key, slow) == 0.5


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_one_cache_can_be_handed_to_worker_processes(cache: EquivalenceCache, tmp_path: Path, method: str) -> None:
    cache.get_or_evaluate("before", lambda: 1.0)  # its connection is open
    log = tmp_path / "log"
    workers = multiprocessing.get_context(method)
    processes = [workers.Process(target=_in_a_process, args=(cache, log)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert log.read_text().splitlines() == ["called"] * 3
    assert cache.get_or_evaluate(2, lambda: 7.0) == 0.5


def test_a_cache_travels_with_its_namespace(any_url: str) -> None:
    with EquivalenceCache(any_url, namespace="mine") as cache:
        cache.get_or_evaluate(1, lambda: 1.0)
        with pickle.loads(pickle.dumps(cache)) as copy:
            assert copy.get_or_evaluate(1, lambda: 2.0) == 1.0
        with EquivalenceCache(any_url) as other:
            assert other.get_or_evaluate(1, lambda: 3.0) == 3.0
