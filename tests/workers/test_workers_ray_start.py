"""The start of workers and what they may find there: other versions, busy resources, a head that falls silent."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from pool_parts import Behaving, plan, run_all

from automl.engine.run_config import RunConfig
from automl.errors import InvalidInput, WorkersLost, WorkersUnavailable
from automl.evaluators.base import Evaluator
from workers.pools import actor, ray_watch
from workers.pools.actor import PACKAGE, unlike, versions_here
from workers.pools.ray_pool import RayPool
from workers.pools.ray_watch import ClusterWatch
from workers.pools.ray_workers import RayWorkers


def test_a_node_with_other_versions_is_told_by_name():
    here = versions_here()
    assert {"Python", "ray", PACKAGE} <= here.keys()
    assert unlike(here) is None
    assert unlike({**here, "elsewhere only": "1.0"}) is None  # what one of both has not cannot differ
    said = unlike({**here, "ray": "1.13", "Python": "3.9"})
    assert f"has Python {here['Python']} where the search has 3.9, ray {here['ray']} where the search has 1.13" in said


def test_a_node_without_this_package_is_told_what_to_install():
    """Of this project a node without it has the file of the worker alone, which travels by value."""
    code = (
        "import importlib.util as util\n"
        f"found = util.spec_from_file_location('actor', {actor.__file__!r})\n"
        "actor = util.module_from_spec(found)\n"
        "found.loader.exec_module(actor)\n"
        f"try: actor.Worker(None, 'ray-0', [], 1, None, {versions_here()!r}, False)\n"
        "except RuntimeError as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60)
    assert f"has no {PACKAGE} for its Python ({sys.executable})" in ran.stdout, ran.stderr
    assert f"install it there: pip install {PACKAGE}=={versions_here()[PACKAGE]}" in ran.stdout


def test_other_versions_end_the_start_and_not_a_pickle(ray_session, monkeypatch):
    prepare = RayWorkers.prepare

    def elsewhere(self, *given):
        prepare(self, *given)
        self._versions = {**self._versions, "torch": "0.4.1"}

    monkeypatch.setattr(RayWorkers, "prepare", elsewhere)
    with pytest.raises(InvalidInput, match=r"cannot start: .*where the search has 0\.4\.1; install the same"):
        RayPool(plan(Behaving()), workers=1, num_cpus=0, num_gpus=0.25)


def test_busy_resources_are_named_at_once_and_waited_for_as_told(ray_session):
    said = []
    with RayPool(plan(Behaving()), workers=2, num_cpus=0, num_gpus=1):
        with pytest.raises(WorkersUnavailable, match=r"only 0 of 1 workers started .* ask for fewer, or wait longer"):
            RayPool(plan(Behaving()), workers=1, num_cpus=0, num_gpus=1, wait=4.0, say=said.append)
        [sentence] = said
        assert sentence.startswith(
            "1 worker with 0 CPUs and 1 GPUs are wanted, and there is room for 0 of them now: "
        ), sentence
        assert "0 of 2 GPUs are free" in sentence
    with pytest.raises(WorkersUnavailable, match=r"3 workers .* do not fit"):
        RayPool(plan(Behaving()), workers=3, num_cpus=0, num_gpus=1, wait=0.5, say=said.append)
    assert "nodes are waited for until" in said[-1]


@dataclass(frozen=True)
class Leaks(Evaluator):
    """Leaves 100 MB behind each time."""

    name: ClassVar[str] = "leaks"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}

    def evaluate(self, work, how):
        import os

        sys.modules["numpy"].__dict__.setdefault("left_behind", []).append(np.ones(100 * 2**20, dtype=np.uint8))
        return {"v": float(work.behaviour.value["x"]), "pid": os.getpid()}


def test_a_worker_that_has_grown_is_replaced_between_two_evaluations(ray_session):
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not find the tests
    with RayPool(plan(Leaks()), workers=1, num_cpus=0, num_gpus=0.25, memory=600 * 2**20) as pool:
        done = [run_all(pool, [x])[0] for x in range(8)]
    assert [(one.fault, one.metrics and one.metrics["v"]) for one in done] == [(None, float(x)) for x in range(8)]
    assert len({one.metrics["pid"] for one in done}) == 2  # after five: the limit of one alone is eight


def test_a_head_that_falls_silent_is_named_and_then_given_up(ray_session, monkeypatch):
    monkeypatch.setattr(ray_watch, "SAY_SECONDS", 0.0)
    monkeypatch.setattr(ray_watch, "head_seconds", lambda: 60.0)
    watch = ClusterWatch()
    with socket.create_server(("127.0.0.1", 0)) as head:
        watch._head = head.getsockname()
        assert watch._look_at_head()
    assert not watch._look_at_head()
    assert not watch._look_at_head()
    [said] = watch.news()
    assert "has not answered for 0 s: evaluations under way go on" in said
    watch.check()
    monkeypatch.setattr(ray_watch, "head_seconds", lambda: 0.0)
    watch._look_at_head()
    with pytest.raises(WorkersLost, match=r"Ray's head at 127\.0\.0\.1:\d+ has not answered .*is kept"):
        watch.check()


def test_who_follows_the_cluster():
    assert not RunConfig().follows
    assert not RunConfig(workers=4, ray_address="auto").follows
    assert RunConfig(ray_address="auto").follows
    assert RunConfig(workers="auto").most_workers is None
    assert RunConfig(workers=8, min_workers=2).most_workers == 8
    assert RunConfig(workers=np.int64(3)).most_workers == 3
    with pytest.raises(InvalidInput, match="min_workers=9: it must be 8 or less"):
        RunConfig(workers=8, min_workers=9)
    with pytest.raises(InvalidInput, match="workers='many': it must be a whole number, or 'auto'"):
        RunConfig(workers="many")
