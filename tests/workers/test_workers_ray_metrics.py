"""The engine's figures are seen where Prometheus reads them; dashboard and alerts work in a real Prometheus."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from pool_parts import Behaving, plan

import automl
from automl.evaluators.base import Evaluation, Metrics, Work
from automl.observers import LoopFigures
from automl.pool import Job
from automl.selection.objectives import Objective
from automl.storage.records import TrialRecord
from workers.pools.ray_metrics import RayMetrics
from workers.pools.ray_pool import RayPool

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
NAMES = {
    "trials_total", "evaluation_seconds_total", "saved_seconds_total", "hashing_seconds_total", "evaluations_in_flight",
    "best_fitness", "seconds_per_trial_bucket", "seconds_per_trial_count", "seconds_per_trial_sum", "trials_queued",
    "trials_waiting", "budget_left_ratio", "workers_ready", "workers_idle", "workers_missing", "nodes", "epochs_total",
    "evaluation_retries_total", "features_computed_total", "database_commits_total", "database_commit_seconds_total",
}  # fmt: skip
"""All metrics; people's dashboards and alerts hold these names."""


FIGURES = LoopFigures(6, 3, 3, 9, 14, 0.7, 0.5)


class Width(automl.Space):
    width = automl.Integer(1, 40)


def trained(candidate):
    return candidate.width / 100


@dataclass(frozen=True)
class Reporting(Behaving):
    """Reports an epoch now and again until a file is there."""

    name = "reporting"
    until: str = ""

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        for epoch in range(1, 1000):
            how.report(epoch, {"v": 0.25})
            time.sleep(0.25)
            if Path(self.until).exists():
                break
        return {"v": 1.0}


def trial(number, outcome, fitness, paid=0.0, saved=0.0):
    return TrialRecord(
        number=number, candidate="{}", key=bytes(16), context=1, outcome=outcome, fitness=fitness,
        paid_seconds=paid, saved_seconds=saved, hash_seconds=0.25,
    )  # fmt: skip


def settings(name):
    return SimpleNamespace(name=name, objective=Objective("accuracy"))


def required(program: str) -> str:
    """Returns the path of a program of Debian's package prometheus; without it, skips unless it is required."""
    found = shutil.which(program)
    if found is None and os.environ.get("AUTOML_REQUIRE_PROMETHEUS"):
        pytest.fail(f"{program} is not installed: apt-get install prometheus")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def reported(ray_session, tmp_path_factory):
    """Reports fixed figures as the study "digits 1", and those of a real search; returns where, and what reports."""
    import ray

    metrics = RayMetrics(lambda: {"ready": 4, "idle": 1, "missing": 2, "nodes": 3})
    one = settings("digits 1")
    metrics.begin(one, "search", 0, 0)
    metrics.turn(one, [trial(0, "miss", 0.5, paid=2.0), trial(1, "hit", 0.5, saved=2.0)], 2, 1)
    metrics.figures(one, LoopFigures(5, 2, 1, 7, 10, 0.5, 0.75))
    metrics.turn(one, [trial(2, "miss", 0.75, paid=3.0), trial(3, "failed", None, paid=1.5)], 1, 2)
    metrics.figures(one, FIGURES)
    storage = f"sqlite:///{tmp_path_factory.mktemp('reported')}/search.db"
    given = {"evaluator": automl.FunctionEvaluator(trained, code_version="1"), "baseline": False, "sample": 2}
    given |= {"study": "digits 2", "storage": storage, "workers": 1, "progress": False, "test_seeds": 1}
    automl.search(Width(), evaluations=8, **given).close()
    (node,) = ray.nodes()
    until = tmp_path_factory.mktemp("until") / "now"
    with RayPool(plan(Reporting(until=str(until))), workers=1) as pool:
        pool.serve("digits 4")
        pool.submit([Job(0, '{"x":3}', Evaluation(7), trial=41)])
        yield f"127.0.0.1:{node['MetricsExportPort']}", metrics
        until.touch()


def report(metrics, number):
    """Says the figures of "digits 1" again, as a loop does, and those of "digits 3", which goes on."""
    metrics.figures(settings("digits 1"), FIGURES)
    metrics.figures(settings("digits 3"), LoopFigures(0, 0, number, number, number, number / 2, 1.0))


@pytest.fixture(scope="module")
def endpoint(reported):
    """The text of Ray's endpoint once all figures have arrived in it."""
    address, metrics = reported
    for number in range(90):
        report(metrics, number)
        text = urllib.request.urlopen(f"http://{address}/metrics", timeout=10).read().decode()
        missing = NAMES - set(re.findall(r"^ray_automl_(\w+)\{", text, re.MULTILINE))
        if not missing:
            return text
        time.sleep(1)
    pytest.fail(f"these figures did not arrive: {missing}")


def values(text, name, study="digits 1"):
    return {
        re.search(r'outcome="(\w+)"', tags).group(1) if "outcome=" in tags else "": float(value)
        for tags, value in re.findall(rf"^ray_automl_{name}\{{([^}}]*)\}} (\S+)$", text, re.MULTILINE)
        if f'study="{study}"' in tags
    }


def test_prometheus_reads_what_was_told(endpoint):
    assert values(endpoint, "trials_total") == {"miss": 2.0, "hit": 1.0, "failed": 1.0}
    found = {name: values(endpoint, name)[""] for name in NAMES - {"trials_total", "epochs_total"}
             if name not in ("seconds_per_trial_bucket", "seconds_per_trial_sum")}  # fmt: skip
    assert found == {
        "evaluation_seconds_total": 6.5, "saved_seconds_total": 2.0, "hashing_seconds_total": 1.0,
        "evaluations_in_flight": 1.0, "best_fitness": 0.75, "seconds_per_trial_count": 3.0, "trials_queued": 6.0,
        "trials_waiting": 3.0, "budget_left_ratio": 0.5, "workers_ready": 4.0, "workers_idle": 1.0,
        "workers_missing": 2.0, "nodes": 3.0, "evaluation_retries_total": 3.0, "features_computed_total": 9.0,
        "database_commits_total": 14.0, "database_commit_seconds_total": 0.7,
    }  # fmt: skip


def test_a_search_reports_all_of_it(endpoint):
    study = "digits 2"
    assert values(endpoint, "trials_total", study)["miss"] >= 8
    assert values(endpoint, "database_commits_total", study)[""] >= 1
    over = [values(endpoint, name, study).get("", 0.0) for name in ("workers_ready", "trials_queued", "nodes")]
    assert over == [0.0, 0.0, 0.0]  # its loop has ended
    assert values(endpoint, "epochs_total", "digits 4")[""] >= 1  # of an evaluation under way


def test_no_name_is_drawn_or_watched_that_does_not_exist(endpoint):
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    exported = set(re.findall(r"^(ray_\w+)\{", endpoint, re.MULTILINE))
    drawn = {name for panel in PANELS for target in panel["targets"] for name in re.findall(r"ray_\w+", target["expr"])}
    assert drawn <= exported
    assert {f"ray_automl_{name}" for name in NAMES} - drawn == {"ray_automl_seconds_per_trial_sum"}
    watched = set(re.findall(r"ray_\w+", (ROOT / "docs" / "prometheus-alerts.yml").read_text()))
    assert watched <= exported
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "study"}


@pytest.fixture(scope="module")
def prometheus(reported, endpoint, tmp_path_factory):
    """A Prometheus that reads Ray's endpoint and our alerts; returns what asks it."""
    program, folder, (address, metrics) = required("prometheus"), tmp_path_factory.mktemp("prometheus"), reported
    port = free_port()
    written = folder / "prometheus.yml"
    written.write_text(
        f"global: {{scrape_interval: 1s}}\nrule_files: [{json.dumps(str(ROOT / 'docs' / 'prometheus-alerts.yml'))}]\n"
        f"scrape_configs: [{{job_name: ray, static_configs: [{{targets: [{json.dumps(address)}]}}]}}]\n"
    )
    server = subprocess.Popen(
        [
            program,
            f"--config.file={written}",
            f"--storage.tsdb.path={folder}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=(folder / "log").open("wb"),
    )

    def ask(path, **asked):
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(asked)}"
        return json.load(urllib.request.urlopen(url, timeout=30))["data"]

    try:
        for number in range(100, 190):
            report(metrics, number)
            try:  # until what goes on is seen to go on
                found = ask("query", query='rate(ray_automl_database_commits_total{study="digits 3"}[1m]) > 0')
                if found["result"]:
                    break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()
            time.sleep(1)
        yield ask
    finally:
        server.terminate()
        server.wait()


def queries():
    for panel in PANELS:
        for target in panel["targets"]:
            yield pytest.param(target["expr"].replace("$study", ".*"), id=f"{panel['title']} {target['refId']}")


@pytest.mark.parametrize("expression", [*queries()])
def test_every_panel_draws_something(prometheus, expression):
    """A rate of what stands still is 0, and a quantile of nothing is NaN: both are points of a series that is there."""
    found = prometheus("query", query=expression)
    assert found["result"], expression
    assert all(math.isnan(value) or value >= 0 for _, value in ((0, float(one["value"][1])) for one in found["result"]))


def test_panels_show_the_figures(prometheus):
    def shown(title, letter="A", study="digits 1"):
        [panel] = [panel for panel in PANELS if panel["title"] == title]
        [target] = [target for target in panel["targets"] if target["refId"] == letter]
        found = prometheus("query", query=target["expr"].replace("$study", study))["result"]
        return [float(one["value"][1]) for one in found]

    assert shown("Trials") == [4.0]
    assert shown("Best fitness") == [0.75]
    assert shown("Trials that no evaluation was paid for") == [0.25]
    assert shown("Workers", "B") == [1.0]
    assert shown("Seconds of one commit", study="digits 3") == [pytest.approx(0.5)]


def test_prometheus_takes_the_alerts_and_offers_the_studies(prometheus):
    [group] = prometheus("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}  # unknown: not evaluated yet
    assert len(group["rules"]) == 6
    assert {"digits 1", "digits 2"} <= set(prometheus("label/study/values"))


def test_alerts_fire_when_they_should():
    found = subprocess.run(
        [required("promtool"), "test", "rules", "tests/workers/prometheus-alerts-tests.yml"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
