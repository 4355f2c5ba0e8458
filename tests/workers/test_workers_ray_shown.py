"""Ray's dashboard says who does what: actors, tasks and logs by study and trial, as its HTTP API gives them."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pool_parts import Behaving, plan

import automl
from automl.evaluators.base import Evaluation, Metrics, Work
from automl.pool import Job
from automl.study import Study
from workers.pools.ray_pool import RayPool

STUDY = "seen in Ray's dashboard"


class Width(automl.Space):
    width = automl.Integer(1, 40)


def talking(candidate, report):
    """Prints, reports two epochs, and fails for one width."""
    print(f"width {candidate.width} is trained")
    for epoch in (1, 2):
        report(epoch, candidate.width / 100)
    if candidate.width == 13:
        raise ValueError("thirteen")
    return candidate.width / 100


@dataclass(frozen=True)
class Reporting(Behaving):
    """Reports after half a second, and then takes long."""

    name = "reporting"

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        time.sleep(0.6)  # a worker shows what is reported twice a second
        how.report(3, {"v": 0.25})
        return super().evaluate(work, how)


def asked(path: str):
    """Returns what the dashboard's HTTP API answers."""
    import ray
    from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled

    address = ray.init(ignore_reinit_error=True, logging_level="ERROR").dashboard_url
    request = urllib.request.Request(f"http://{address}{path}", headers=get_auth_headers_if_auth_enabled({}))
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def listed(what: str, wanted, detail: bool = False):
    """Returns what the state API lists, once `wanted` is among it: Ray gathers it from all processes, with delay."""
    rows: list = []
    for _ in range(60):
        answer = asked(f"/api/v0/{what}?limit=10000{'&detail=true' if detail else ''}")
        rows = answer["data"]["result"]["result"]
        if wanted(rows):
            return rows
        time.sleep(0.5)
    return rows


@pytest.fixture(scope="module")
def searched(ray_session, tmp_path_factory):
    """A search on the session's Ray whose evaluations print and report."""
    storage = f"sqlite:///{tmp_path_factory.mktemp('shown')}/shown.db"
    evaluator = automl.FunctionEvaluator(talking, code_version="1")
    given = {"evaluator": evaluator, "evaluations": 12, "baseline": False, "test_seeds": 1, "sample": 2, "seed": 1}
    given |= {"study": STUDY, "storage": storage, "workers": 1, "progress": False, "enqueue": [{"width": 13}]}
    automl.search(Width(), **given).close()
    return storage


def test_actors_and_tasks_are_named_by_study_and_trial(searched):
    named = listed("actors", lambda rows: any(row["name"].startswith(STUDY) for row in rows), detail=True)
    [actor] = [row for row in named if row["name"].startswith(STUDY)]
    assert (actor["name"], actor["repr_name"]) == (f"{STUDY} ray-0", f"{STUDY} ray-0")
    tasks = listed("tasks", lambda rows: any(row["name"].startswith(f"{STUDY}/") for row in rows))
    names = {row["name"] for row in tasks if row["name"].startswith(STUDY)}
    assert f"{STUDY} trial 0" in names
    assert any(name.startswith(f"{STUDY}/") for name in names), names  # the later phases have names of their own


def test_a_process_shows_trial_candidate_and_progress(ray_session):
    import ray

    with RayPool(plan(Reporting(seconds=60)), workers=1) as pool:
        pool.serve("cells")
        pool.submit([Job(0, '{"x":3}', Evaluation(7), trial=41)])
        process = psutil.Process(pool._workers.slots[0].process.pid)
        titles = []
        while len(titles) < 600 and not (titles and "epoch" in titles[-1]):
            titles.append(" ".join(process.cmdline()).strip())
            time.sleep(0.1)
        assert titles[-1] == 'ray::cells trial 41 {"x":3}, epoch 3: v 0.25 on ray-0', set(titles)
        assert 'ray::cells trial 41 {"x":3} on ray-0' in titles
        ray.kill(pool._workers.slots[0].actor)


def test_logs_are_found_by_trial(searched):
    study = Study.open(STUDY, searched)
    trials = {json.loads(trial.candidate)["width"]: trial for trial in study.trials()}
    paid = next(trial for width, trial in trials.items() if width != 13 and trial.paid_seconds)
    width = json.loads(paid.candidate)["width"]
    shown = study.show(paid.number).splitlines()
    at = next(number for number, line in enumerate(shown) if line.startswith("log "))
    assert shown[at + 1].strip() == f"width {width} is trained"
    path = Path(shown[at].removeprefix("log").strip().partition(",")[0])
    assert path.name.startswith("worker-")
    assert f"width {width} is trained" in path.read_text()
    assert len([line for line in shown if "is trained" in line]) == 1  # its own part, and no other trial's
    assert "width 13 is trained" in study.show(trials[13].number)
    assert trials[13].outcome == "failed"
    study.close()


def test_logs_on_other_machines_are_named(searched, tmp_path):
    study = Study.open(STUDY, searched)
    [place] = study.settings["environment"]["logs"]
    assert Path(place["folder"]).is_dir()
    assert place["cluster"]
    from automl.report.reading.logs import log_lines

    trial = next(one for one in study.trials() if one.paid_seconds)
    [line] = log_lines([{"folder": str(tmp_path / "gone"), "cluster": "10.0.0.1:6379"}], STUDY, trial)
    assert "gone of the nodes of Ray at 10.0.0.1:6379" in line
    study.close()
