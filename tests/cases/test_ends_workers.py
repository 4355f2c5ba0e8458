"""A worker that Ray cannot place again is said to be missing, given up, and the search goes on without it or ends."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
from evidence_parts import database

import automl
from automl.errors import WorkersLost
from automl.evaluators.base import Evaluation, Evaluator
from automl.pool import Job, WorkerSetup
from automl.setup.targets import reference_to
from workers.pools import missing
from workers.pools.missing import MissingWorkers
from workers.pools.ray_pool import RayPool
from workers.pools.ray_workers import RayWorkers


class Numbers(automl.Space):
    x = automl.Integer(0, 99)


@dataclass(frozen=True)
class EndsOnce(Evaluator):
    """One of its evaluations takes its worker with it, and leaves a file."""

    name: ClassVar[str] = "ends-once"
    version: ClassVar[str] = "1"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}
    file: str = ""
    at: int = -1

    def settings(self):
        return {}

    def evaluate(self, work, how):
        x = work.behaviour.value["x"]
        if self.at in (x, -1) and not os.path.exists(self.file):
            open(self.file, "w").close()
            os.kill(os.getpid(), 9)
        return {"v": float(x)}


@pytest.fixture
def no_place(ray_session, monkeypatch):
    """From now on a worker that is started again wants more CPUs than there are, as if its node were gone."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not find the tests
    monkeypatch.setattr(missing, "SAY_SECONDS", 0.2)
    monkeypatch.setattr(missing, "GIVE_UP_SECONDS", 2.0)
    restart = RayWorkers.restart

    def nowhere(self, slot):
        self._options["num_cpus"] = 1000
        restart(self, slot)

    monkeypatch.setattr(RayWorkers, "restart", nowhere)


def opened(tmp_path, workers):
    evaluator = EndsOnce(str(tmp_path / "ended"), 7)
    return RayPool(WorkerSetup(reference_to(Numbers()), evaluator, "v"), workers=workers, dashboard=False)


def run(pool, numbers):
    """Returns the completions, and what the pool said meanwhile."""
    todo = [Job(number, f'{{"x":{x}}}', Evaluation(1)) for number, x in enumerate(numbers)]
    done, said = {}, []
    while len(done) < len(numbers):
        now, todo = todo[: pool.capacity()], todo[pool.capacity() :]
        pool.submit(now)
        done |= {one.job: one for one in pool.completed(0.2)}
        said += pool.news()
    return [done[number] for number in range(len(numbers))], said


def test_the_others_do_its_work_and_it_is_said_and_given_up(no_place, tmp_path):
    with opened(tmp_path, 2) as pool:
        said = []
        while pool.workers == 2:  # whoever met the seven is missing
            done, more = run(pool, [1, 7, 2, 3, 7, 4])
            said += more
            assert {one.fault for one in done} <= {None, "lost"}
        done, more = run(pool, [7, 8])
        said += more
        assert [one.metrics["v"] for one in done] == [7.0, 8.0]
        first, second = said
        assert first.startswith("worker ray-")
        assert "is missing for 0.2 s: Ray has 1 node with" in first
        assert "the search goes on with 1 others; they are waited for until" in first
        assert second.endswith("is given up: Ray has found no place for it for 2 s")


def test_a_search_without_workers_ends_and_says_how_to_go_on(no_place, tmp_path):
    storage = database(tmp_path)
    given = {"evaluator": EndsOnce(str(tmp_path / "ended"), -1), "storage": storage, "study": "s", "trials": 8}
    quick = {"baseline": False, "finalists": 1, "confirm": 1, "test_seeds": 1, "sample": 2}
    with pytest.raises(WorkersLost, match=r"no worker is left \(.*found no place.*go on with: automl resume s"):
        automl.search(Numbers(), **given, **quick, workers=1, window=2, dashboard=False)
    study = automl.search(Numbers(), **given, **quick, workers=0)
    assert study.finished
    assert {trial.outcome for trial in study.trials()} <= {"miss", "joined", "hit"}
    study.close()


def test_who_comes_back_is_said_to_be_back(monkeypatch):
    monkeypatch.setattr(missing, "SAY_SECONDS", 0.0)
    watch = MissingWorkers()
    assert watch.look(["ray-0", "ray-1"], ready=3) == []
    [said] = watch.news()
    assert said.startswith("2 workers (ray-0, ray-1) are missing")
    watch.there("ray-0")
    watch.there("ray-0")
    assert watch.news() == ["worker ray-0 is back"]
    watch.look(["ray-1"], ready=4)
    assert watch.news() == []  # once
