"""Drivers that connect to a Ray that runs already, in processes of their own."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pool_parts import Behaving, plan, run_all

from workers.pools.ray_pool import RayPool

ROOT = Path(__file__).resolve().parents[2]


def twice(address, environment=None):
    """Connects, works, and leaves the cluster running."""
    os.environ.update(environment or {})  # a server of forks may be older than the Ray, and not know its token
    with RayPool(plan(Behaving()), workers=1, num_cpus=0, num_gpus=0.25, address=address) as pool:
        assert [item.metrics["v"] for item in run_all(pool, [1, 2])] == [1.0, 2.0]


@pytest.fixture
def address(ray_session):
    import ray

    found = ray.get_runtime_context().gcs_address
    assert found.startswith("127.0.0.1:")
    return found


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_child_process_uses_the_ray_of_its_parent(method, address):
    """Ray itself would look for 127.0.0.1 at the machine's outward address, and wait for minutes."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
    for _ in range(2):
        process = multiprocessing.get_context(method).Process(target=twice, args=(address, environment))
        process.start()
        process.join(120)
        code, _ = process.exitcode, process.kill()
        assert code == 0


def test_the_environment_may_name_the_cluster(address):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "workers")])
    done = subprocess.run(
        [sys.executable, "-c", "import test_workers_ray_connection as here; here.twice('auto')"],
        env=os.environ | {"RAY_ADDRESS": address, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_ray_tells_of_no_dead_worker_on_standard_output(ray_session, capsys):
    """Whoever imports ray first: ours is the JSON there, and completions tell of dead workers."""
    from ray._private.worker import print_to_stdstream

    for text in ("A worker died or was killed while executing a task by an unexpected system error.", "of the user"):
        print_to_stdstream({"lines": [text], "pid": "raylet", "ip": "", "job": "", "is_err": False}, True)
    assert capsys.readouterr().out.count("\n") == 1


def test_whoever_sends_no_token_is_told_of_it(address):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "workers")])
    done = subprocess.run(
        [sys.executable, "-c", f"import test_workers_ray_connection as here; here.twice({address!r})"],
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "it asks for a token: set RAY_AUTH_MODE=token" in done.stderr
