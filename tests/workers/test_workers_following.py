"""Workers that follow a cluster, without one: nodes where no worker starts, places that Ray cannot give, and pauses."""

import time
from types import SimpleNamespace

import pytest
import ray
import ray.autoscaler.sdk
from pool_parts import Behaving, plan

from workers.pools import missing, ray_pool, ray_start
from workers.pools.ray_elastic import Elastic
from workers.pools.ray_pool import RayPool
from workers.pools.ray_start import Demand, Start
from workers.pools.ray_watch import Node
from workers.pools.ray_workers import RayWorkers


def node(name, cpus=1.0, free=1.0):
    return Node(name, f"10.0.0.{name}", {"CPU": cpus}, {"CPU": free})


@pytest.fixture
def workers(monkeypatch):
    """Workers whose actors are numbers: Ray is asked for nothing."""

    def fill(self, slot):
        slot.started += 1
        slot.starting = slot.actor = slot.started
        slot.asked = time.monotonic()

    monkeypatch.setattr(RayWorkers, "_fill", fill)
    monkeypatch.setattr(RayWorkers, "_kill", lambda self, slot: setattr(slot, "starting", None))
    found = RayWorkers(1, 0, None)
    found.follows = True
    found.watch = SimpleNamespace(nodes=(), lost=False, check=lambda: None, leaving=set)
    return found


def look(elastic, say=lambda _: None):
    elastic._settled = 0.0
    elastic.look(say)


def places(workers):
    return sorted(slot.pinned for slot in workers.slots)


def fails(workers, monkeypatch, error):
    """Lets each worker that is being started fail."""

    def get(reference):
        raise error

    monkeypatch.setattr(ray, "get", get)
    for slot in workers.starting():
        assert workers.started(slot) == ""


def test_a_node_on_which_no_worker_starts_is_left_out_and_said_once(workers, monkeypatch):
    workers.watch.nodes = (node("1"), node("2", cpus=2.0, free=2.0))
    elastic = Elastic(workers, None)
    look(elastic)
    workers.slots[0].starting = None  # the first node's is ready
    for _ in range(6):
        fails(workers, monkeypatch, ray.exceptions.RayError("no driver for this device"))
        look(elastic)
    assert places(workers) == ["1"]
    assert workers.refused == {"2"}
    said = workers.missing.news()
    assert said == ["no worker can be started on node 10.0.0.2: RayError: no driver for this device; it is left out"]


def test_a_worker_that_ray_could_not_place_is_tried_again(workers, monkeypatch):
    workers.watch.nodes = (node("1"),)
    elastic = Elastic(workers, None)
    for _ in range(6):
        look(elastic)
        fails(workers, monkeypatch, ray.exceptions.ActorUnschedulableError("full"))
    assert not workers.refused
    look(elastic)
    assert places(workers) == ["1"]


def test_a_start_without_a_place_keeps_no_other_node_waiting(workers, monkeypatch):
    workers.watch.nodes = (node("1"),)
    elastic, said = Elastic(workers, 2), []
    look(elastic)
    stuck = workers.slots[0].name
    workers.watch.nodes = (node("1", free=0.0), node("2"), node("3"))
    look(elastic)
    assert places(workers) == ["1", "2"]  # two are the most
    for slot in workers.slots:
        slot.starting = slot.starting if slot.name == stuck else None
    monkeypatch.setattr(missing, "GIVE_UP_SECONDS", 0.0)
    look(elastic, said.append)
    assert places(workers) == ["2", "3"]
    assert said[0].startswith(f"worker {stuck} has not started on node 10.0.0.1 for 0 s: it is given up")


@pytest.fixture
def requests(monkeypatch):
    found = []
    monkeypatch.setattr(ray.autoscaler.sdk, "request_resources", lambda bundles: found.append(len(bundles)))
    return found


@pytest.fixture
def pool(workers, monkeypatch, requests):
    """A pool of these workers, which follows two nodes."""

    class Ready(Start):
        def _await(self, needed):
            for slot in self._workers.slots:
                slot.starting = None

    workers.watch.nodes = (node("1"), node("2"))
    workers.watch.start = workers.watch.close = lambda: None
    workers.prepare = lambda *given: None
    monkeypatch.setattr(ray_pool, "RayWorkers", lambda *given: workers)
    monkeypatch.setattr(ray_pool, "Start", Ready)
    monkeypatch.setattr(ray_pool, "ClusterWatch", lambda: workers.watch)
    for name, found in {"connect": False, "names_are_dropped": True, "dashboard_url": None}.items():
        monkeypatch.setattr(ray_pool, name, lambda *given, found=found, **more: found)
    monkeypatch.setattr(ray_pool, "shipped_folder", lambda ship: None)
    with RayPool(plan(Behaving()), max_workers=3) as found:
        yield found


def test_a_paused_search_asks_the_autoscaler_for_nothing(pool, requests):
    assert requests == [3]
    pool.rest()
    assert requests == [3, 0]
    pool.wake()
    assert requests == [3, 0, 3]
    assert pool.workers == 2
    pool.close()
    assert requests == [3, 0, 3, 0]


def test_a_pause_counts_as_no_time_without_workers(pool, workers):
    for slot in list(workers.slots):
        workers.retire(slot)
    workers.watch.nodes = ()
    look(pool._elastic)  # there is none since now
    pool._elastic._none_since -= 2 * missing.GIVE_UP_SECONDS
    pool.rest()
    pool.wake()
    look(pool._elastic)


def test_who_was_missing_before_a_pause_is_waited_for_anew(workers):
    workers.follows = False
    workers.add()
    workers.give_up()
    workers.missing._since["ray-0"] -= 2 * missing.GIVE_UP_SECONDS  # a long pause
    workers.rest()
    workers.wake()
    workers.give_up()
    assert [slot.name for slot in workers.slots] == ["ray-0"]
    assert not workers.missing.news()


def test_a_pool_of_what_fits_waits_for_the_first_node(workers, monkeypatch):
    workers.follows = False
    waited = []

    def check():
        waited.append(1)
        workers.watch.nodes = (node("1", cpus=2.0, free=2.0),)

    workers.watch.check = check
    monkeypatch.setattr(ray_start, "_STEP_SECONDS", 0.0)
    started = []
    monkeypatch.setattr(Start, "_await", lambda self, needed: started.append(needed))
    Start(workers, Demand(wait=60.0), lambda _: None).run()
    assert waited
    assert started == [2]
    assert len(workers.slots) == 2
