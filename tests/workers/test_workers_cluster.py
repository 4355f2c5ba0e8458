"""One cluster of several raylets on this machine: nodes join, are drained and are killed while a pool works."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import cluster_parts
import pytest
from cluster_parts import Waiting, begun
from pool_parts import Numbers

from automl.errors import WorkersLost
from automl.evaluators.base import Evaluation
from automl.evaluators.checkpoints import Checkpoint
from automl.pool import Job, WorkerSetup
from automl.setup.targets import reference_to
from workers.pools.ray_pool import RayPool

SAID: list[str] = []


class Nodes:
    """A head without CPUs in this test's hands, and nodes with one CPU each."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})

    def join(self):
        return self.cluster.add_node(num_cpus=1, include_dashboard=False)


def main(folder: Path) -> None:
    """Runs in a process of its own: this Ray is not the one that the other tests share."""
    import pool_parts
    import ray
    from ray import cloudpickle

    for module in (cluster_parts, pool_parts):
        cloudpickle.register_pickle_by_value(module)  # workers do not find the tests
    nodes = Nodes()
    first = nodes.join()
    reach(nodes, folder)
    plan = WorkerSetup(reference_to(Numbers()), Waiting(str(folder)), "v")
    pool = RayPool(plan, max_workers=3, address=nodes.cluster.address, say=SAID.append)
    try:
        follow(pool, nodes, first, folder)
        drain(pool, nodes, folder)
        killed_worker(pool, folder)
        lose_raylet(pool, nodes)
    finally:
        pool.close()
        ray.shutdown()
        nodes.cluster.shutdown()
    print("all held")


def reach(nodes, folder):
    """A file of the user's, in a folder of its project, imports the project's packages on nodes that have neither."""
    import automl

    project = folder / "project"
    (project / "searches").mkdir(parents=True)
    (project / "kept").mkdir()
    (project / "pyproject.toml").touch()
    (project / "searches" / "helper_of_mine.py").write_text("def double(x):\n    return 2 * x\n")
    (project / "searches" / "mine.py").write_text(MINE)
    database = f"sqlite:///{folder / 'shipped.db'}"
    given = {"storage": database, "baseline": False, "confirm": 1, "test_seeds": 1, "sample": 2, "trials": 4}
    study = automl.search(
        str(project / "searches" / "mine.py:Mine"),
        evaluator=str(project / "searches" / "mine.py:fitness"),
        ray_address=nodes.cluster.address,
        **given,
    )
    assert {trial.metrics["shipped"] for trial in study.trials()} == {1.0}, list(study.trials())
    study.close()


MINE = """
import os
import automl
import helper_of_mine

class Mine(automl.Space):
    x = automl.Integer(0, 9)

def fitness(candidate, seed):
    here = os.path.realpath(helper_of_mine.__file__)
    return {"fitness": helper_of_mine.double(candidate.x), "shipped": "runtime_resources" in here}
"""


def wait_for(pool, true, seconds=90.0):
    """Lets the pool work until something is true; returns what completed meanwhile."""
    done, until = [], time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, (SAID, pool.running())
        done += pool.completed(0.2)
        SAID.extend(pool.news())
        time.sleep(0.05)  # where nothing is in flight, it returns at once
    return done


def job(number, x, folder=None):
    kept = Checkpoint(folder / f"state-{number}") if folder else None
    return Job(number, f'{{"x":{x}}}', Evaluation(number, checkpoint=kept))


def follow(pool, nodes, first, folder):
    """A node that joins is used; one that is killed takes its worker with it, and what it was at goes on elsewhere."""
    assert pool.workers == 1
    second = nodes.join()
    wait_for(pool, lambda: pool.workers == 2)
    wait_for(pool, lambda: any(one.endswith("has joined: 2 workers instead of 1") for one in SAID))
    wait_for(pool, lambda: len(pool._workers.ready()) == 2)
    pool.submit([job(1, 500), job(2, 501)])
    wait_for(pool, lambda: len(begun(folder)) == 2)
    assert {one["node"] for one in begun(folder)} == {first.node_id, second.node_id}
    nodes.cluster.remove_node(second, allow_graceful=False)
    done = wait_for(pool, lambda: pool.workers == 1)
    done += wait_for(pool, lambda: any(one.endswith("has left: 1 worker instead of 2") for one in SAID))
    (folder / "GO").touch()
    done += wait_for(pool, lambda: pool._in_flight == 0)
    assert sorted((one.job, one.fault) for one in done)[0][0] == 1
    assert {one.job for one in done} == {1, 2}
    assert {one.fault for one in done} <= {None, "lost"}  # the search tries a lost one again
    (folder / "GO").unlink()


def drain(pool, nodes, folder):
    """What runs on a node that is being drained saves its state and goes on elsewhere; nobody is to blame."""
    before = len(begun(folder))
    third = nodes.join()
    wait_for(pool, lambda: len(pool._workers.ready()) == 2)
    pool.submit([job(10, 510, folder), job(11, 511, folder)])
    wait_for(pool, lambda: len(begun(folder)) == before + 2)
    [moved] = [one["x"] for one in begun(folder)[before:] if one["node"] == third.node_id]
    from ray._raylet import GcsClient

    GcsClient(address=nodes.cluster.address).drain_node(third.node_id, 2, "preempted", int((time.time() + 60) * 1000))
    done = wait_for(pool, lambda: pool.workers == 1)
    (folder / "GO").touch()
    done += wait_for(pool, lambda: pool._in_flight == 0)
    assert any("is being drained" in one for one in SAID)
    assert sorted((one.job, one.fault, one.metrics["v"]) for one in done) == [(10, None, 510.0), (11, None, 511.0)]
    again = [one for one in begun(folder)[before:] if one["x"] == moved]
    assert [one["from"] for one in again] == [None, 1]  # it went on from what it had saved
    (folder / "GO").unlink()


def killed_worker(pool, folder):
    """SIGTERM to a worker: it saves what it can, and the evaluation is lost and nobody's fault."""
    before = len(begun(folder))
    pool.submit([job(20, 520, folder)])
    wait_for(pool, lambda: len(begun(folder)) == before + 1)
    os.kill(begun(folder)[-1]["pid"], signal.SIGTERM)
    [done] = wait_for(pool, lambda: pool._in_flight == 0)
    assert (done.fault, done.metrics) == ("lost", None), done
    assert (folder / "state-20").read_bytes() == b"saved"


def lose_raylet(pool, nodes):
    """The node that this process is connected through dies: a sentence, and no line of Ray's log."""
    pool.submit([job(30, 530)])
    nodes.cluster.head_node.kill_raylet(check_alive=False)
    with pytest.raises(WorkersLost, match="the Ray node that this search is connected through has died"):
        wait_for(pool, lambda: False, seconds=60)


def test_nodes_come_and_go(tmp_path):
    import subprocess

    here = Path(__file__).resolve()
    path = os.pathsep.join([str(here.parents[2]), str(here.parent)])
    ran = subprocess.run(
        [sys.executable, "-c", f"import test_workers_cluster as t; t.main(t.Path({str(tmp_path)!r}))"],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert "all held" in ran.stdout, ran.stdout[-2000:] + ran.stderr[-6000:]
