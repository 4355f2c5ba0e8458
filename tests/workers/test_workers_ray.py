"""The pool on Ray: reused workers, deaths, time-outs, memory, resources, and what listens where."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from pool_parts import DIES, HANGS, HANGS_IN_C, NAN, TAKES_MEMORY, Behaving, job, plan, run_all

from automl.errors import InvalidInput, WorkersUnavailable
from automl.pool import WorkerSetup
from workers.pools.ray_pool import RayPool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pool(ray_session):
    with RayPool(plan(Behaving(), timeout=1.5), workers=2) as pool:
        yield pool


def test_all_work_is_done_once_by_two_reused_processes(pool):
    run_all(pool, [1] * 50)  # learns that evaluations are short
    done = run_all(pool, [i % 90 for i in range(5000)])
    assert [item.metrics["v"] for item in done] == [i % 90 for i in range(5000)]
    assert [item.metrics["seed"] for item in done] == list(range(5000))
    assert len({item.metrics["pid"] for item in done}) == 2
    assert os.getpid() not in {item.metrics["pid"] for item in done}
    assert {item.worker for item in done} == {"ray-0", "ray-1"}


def test_short_evaluations_travel_together(pool):
    run_all(pool, [1] * 50)
    assert pool.capacity() > 50 * pool.workers
    with pytest.raises(ValueError, match="can be started"):
        pool.submit([job(i, 1) for i in range(pool.capacity() + 1)])


def test_only_the_candidate_that_kills_its_worker_is_blamed(pool):
    run_all(pool, [1] * 50)
    numbers = [i % 90 for i in range(600)]
    numbers[77], numbers[300] = DIES, DIES
    done = run_all(pool, numbers)
    assert {i: item.fault for i, item in enumerate(done) if item.fault} == {77: "lost", 300: "lost"}
    assert "its worker process died" in done[77].error
    assert all(item.metrics["v"] == x for item, x in zip(done, numbers, strict=True) if item.metrics)


@pytest.mark.parametrize("hang", [HANGS, HANGS_IN_C])
def test_a_hanging_candidate_is_timed_out_and_others_go_on(pool, hang):
    numbers = [1, 2, hang, 3, 4]
    done = run_all(pool, numbers)
    assert [item.fault for item in done] == [None, None, "timeout", None, None]
    assert done[2].error == "took longer than 1.5 s"
    assert done[2].seconds >= 1.5


def test_a_hanging_candidate_in_a_batch_is_found(pool):
    run_all(pool, [1] * 50)
    numbers = [i % 90 for i in range(400)]
    numbers[123] = HANGS
    done = run_all(pool, numbers)
    assert {i: item.fault for i, item in enumerate(done) if item.fault} == {123: "timeout"}


def test_a_candidates_own_failure_keeps_its_worker(pool):
    before = {item.metrics["pid"] for item in run_all(pool, [1] * 20)}
    assert run_all(pool, [NAN])[0].fault == "candidate"
    assert {item.metrics["pid"] for item in run_all(pool, [1] * 20)} <= before


def test_memory_is_the_workers_own_limit(ray_session, pool):
    """The pool in `pool` holds both CPUs, so these workers take a logical GPU instead."""
    with RayPool(plan(Behaving()), workers=1, num_cpus=0, num_gpus=0.5, memory=512 * 2**20) as limited:
        done = [run_all(limited, [x])[0] for x in (1, TAKES_MEMORY, 2)]
    assert [item.fault for item in done] == [None, "memory", None]
    assert done[0].metrics["pid"] != done[2].metrics["pid"]  # the next one finds a fresh worker
    assert psutil.virtual_memory().available > 2**31  # the host had enough


def test_fractions_of_gpus(ray_session, pool):
    with RayPool(plan(Behaving()), workers=4, num_cpus=0, num_gpus=0.5) as shared:
        assert shared.workers == 4
        assert shared.device == "cpu"  # logical GPUs only: torch can use none
        assert [item.metrics["v"] for item in run_all(shared, [1, 2, 3])] == [1.0, 2.0, 3.0]
    with pytest.raises(
        WorkersUnavailable, match=r"5 workers with 0 CPUs and 0\.5 GPUs each do not fit: .* enough for 4"
    ):
        RayPool(plan(Behaving()), workers=5, num_cpus=0, num_gpus=0.5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"workers": 0}, "cannot have 0 workers"),
        ({"workers": 1, "num_cpus": 0}, "needs CPUs or GPUs"),
        ({"workers": 1, "num_gpus": 1.5}, "whole GPUs only"),
        ({"workers": 1, "memory": -1}, "no limit"),
    ],
)
def test_senseless_numbers(settings, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        RayPool(plan(Behaving()), **settings)


def test_more_workers_than_cpus_are_refused_with_the_numbers(ray_session):
    with pytest.raises(
        WorkersUnavailable, match=r"3 workers with 1 CPUs each do not fit: Ray has 2 CPUs .* enough for 2"
    ):
        RayPool(plan(Behaving()), workers=3)


def test_threads_are_pinned(pool):
    from workers.pools.threads import environment, threads_of

    environments = [psutil.Process(int(pid)).environ() for pid in {c.metrics["pid"] for c in run_all(pool, [1] * 20)}]
    for found in environments:
        assert {name: found.get(name) for name in environment(1)} == environment(1)
    assert [threads_of(n) for n in (0, 0.5, 1, 2.9)] == [1, 1, 1, 2]


def test_everything_listens_on_loopback_only(pool):
    """GCS, raylet, dashboard, agents and workers: all processes below this one that have a listening socket."""
    run_all(pool, [1])
    listening = set()
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # replaced workers of former tests may just be ending
            listening |= {
                (process.name(), connection.laddr.ip)
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    assert {name for name, _ in listening} >= {"gcs_server", "raylet"}
    assert {address for _, address in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_the_dashboard_asks_for_the_token(pool):
    import urllib.error
    import urllib.request

    assert pool.dashboard_url.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{pool.dashboard_url}/api/cluster_status", timeout=10)
    assert refused.value.code == 401
    command = [str(Path(sys.executable).parent / "ray"), "get-auth-token"]
    assert (
        pool.notice
        == f"Ray's dashboard: {pool.dashboard_url} (it asks for a token: print it with `ray get-auth-token`)"
    )
    token = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()[-1]
    request = urllib.request.Request(
        f"{pool.dashboard_url}/api/cluster_status", headers={"Authorization": f"Bearer {token}"}
    )
    assert urllib.request.urlopen(request, timeout=10).status == 200


def test_a_folder_that_shadows_ours_is_named(tmp_path):
    """Ray puts the driver's folder first on the workers' sys.path."""
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").write_text("")
    script = tmp_path / "search.py"
    script.write_text(
        "import sys\n"
        f"sys.path[:] = [{str(ROOT)!r}, {str(ROOT / 'tests' / 'workers')!r}, *sys.path]\n"
        "import workers.pools.ray_pool, pool_parts\n"
        f"sys.path[:] = sys.path[2:] + [{str(ROOT)!r}, {str(ROOT / 'tests' / 'workers')!r}]\n"
        "from automl.errors import InvalidInput\n"
        "try:\n"
        "    workers.pools.ray_pool.RayPool(pool_parts.plan(pool_parts.Behaving()), workers=1, dashboard=False)\n"
        "except InvalidInput as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert f"{tmp_path}/workers shadows the package 'workers' of automl" in ran.stdout, ran.stderr


def test_a_search_of_its_own_ray_is_quiet_and_leaves_nothing(tmp_path):
    """A script whose spaces and evaluators exist in itself alone; its standard output holds only what it prints."""
    script = tmp_path / "own.py"
    script.write_text(
        "import os\n"
        "from dataclasses import dataclass\n"
        "from automl.evaluators.base import Evaluation, Evaluator\n"
        "from automl.spaces.fields import Integer\n"
        "from automl.pool import Job, WorkerSetup\n"
        "from automl.spaces.space import Space\n"
        "from automl.setup.targets import reference_to\n"
        "from workers.pools.ray_pool import RayPool\n"
        "class Mine(Space):\n"
        "    x = Integer(0, 9)\n"
        "@dataclass(frozen=True)\n"
        "class Squares(Evaluator):\n"
        "    name = 'squares'\n"
        "    metrics = {'v': 'maximize'}\n"
        "    def evaluate(self, work, how):\n"
        "        x = work.behaviour.value['x']\n"
        "        return {'v': x * x} if x else os._exit(1)\n"
        "with RayPool(WorkerSetup(reference_to(Mine()), Squares(), 'v'), workers=1, dashboard=False) as pool:\n"
        "    for x in (3, 0, 4):\n"
        "        pool.submit([Job(x, '{\"x\":%d}' % x, Evaluation(0))])\n"
        "        for done in pool.completed():\n"
        "            print(done.metrics, done.fault)\n"
        "import ray\n"
        "print(ray.is_initialized())\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert ran.stdout.splitlines() == ["{'v': 9.0} None", "None candidate", "{'v': 16.0} None", "False"], ran.stderr


def test_a_users_file_with_its_neighbour_reaches_the_workers(ray_session, tmp_path):
    """The space is loaded there from its file; the evaluator, a function of that file, travels by value."""
    from automl.evaluators.function import FunctionEvaluator
    from automl.setup.targets import resolve

    (tmp_path / "neighbour_of_mine.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "mine.py").write_text(
        "from automl import Integer, Space\n"
        "from neighbour_of_mine import double\n"
        "class Mine(Space):\n"
        "    x = Integer(0, 9)\n"
        "def fitness(c, seed):\n"
        "    return double(c.x) + 100 * seed\n"
    )
    space, reference = resolve(str(tmp_path / "mine.py"))
    function = sys.modules[type(space).__module__].fitness
    given = WorkerSetup(reference, FunctionEvaluator(function), "fitness")
    with RayPool(given, workers=1, num_cpus=0, num_gpus=0.25) as pool:
        pool.submit([job(0, 7, seed=3)])
        (done,) = pool.completed()
    assert done.metrics == {"fitness": 314.0}, done.error


def test_no_cluster_at_the_address():
    script = (
        "from pool_parts import *\nfrom workers.pools.ray_pool import RayPool\n"
        "from automl.errors import WorkersUnavailable\n"
        "try:\n    RayPool(plan(Behaving()), address='127.0.0.1:1')\n"
        "except WorkersUnavailable as error:\n    print(error)\n"
    )
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'workers'}"}
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, env={**os.environ, **path}
    )
    assert "no Ray cluster answers at '127.0.0.1:1'" in ran.stdout, ran.stderr
