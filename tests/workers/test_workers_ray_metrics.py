"""The engine's figures are seen where Prometheus reads them, and the Grafana dashboard draws them by those names."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from automl.selection.objectives import Objective
from automl.storage.records import TrialRecord

DASHBOARD = Path(__file__).resolve().parents[2] / "docs" / "grafana-dashboard.json"


def trial(number, outcome, fitness, paid=0.0, saved=0.0):
    return TrialRecord(
        number=number, candidate="{}", key=bytes(16), context=1, outcome=outcome, fitness=fitness,
        paid_seconds=paid, saved_seconds=saved, hash_seconds=0.25,
    )  # fmt: skip


@pytest.fixture(scope="module")
def endpoint(ray_session):
    """The text of the Prometheus endpoint once the figures of two turns have arrived in it."""
    import ray

    from workers.pools.ray_metrics import RayMetrics

    metrics, settings = RayMetrics(), SimpleNamespace(name="digits 1", objective=Objective("accuracy"))
    metrics.turn(settings, [trial(0, "miss", 0.5, paid=2.0), trial(1, "hit", 0.5, saved=2.0)], 2, 1)
    metrics.turn(settings, [trial(2, "miss", 0.75, paid=3.0), trial(3, "failed", None, paid=1.5)], 1, 2)
    (node,) = ray.nodes()
    url = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"
    for _ in range(60):
        time.sleep(1)
        text = urllib.request.urlopen(url, timeout=10).read().decode()
        if len(set(re.findall(r"^ray_(automl_\w+)\{", text, re.MULTILINE))) >= 9:
            return text
    pytest.fail("the figures did not arrive within a minute")


def values(text, name):
    return {
        re.search(r'outcome="(\w+)"', tags).group(1) if "outcome=" in tags else "": float(value)
        for tags, value in re.findall(rf"^ray_{name}\{{([^}}]*)\}} (\S+)$", text, re.MULTILINE)
        if 'study="digits 1"' in tags
    }


def test_prometheus_reads_what_was_told(endpoint):
    assert values(endpoint, "automl_trials_total") == {"miss": 2.0, "hit": 1.0, "failed": 1.0}
    assert values(endpoint, "automl_saved_seconds_total") == {"": 2.0}
    assert values(endpoint, "automl_hashing_seconds_total") == {"": 1.0}
    assert values(endpoint, "automl_evaluations_in_flight") == {"": 1.0}
    assert values(endpoint, "automl_best_fitness") == {"": 0.75}
    assert values(endpoint, "automl_evaluation_seconds_total") == {"": 6.5}
    assert values(endpoint, "automl_seconds_per_trial_count") == {"": 3.0}


def test_the_dashboard_draws_only_what_exists(endpoint):
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 6
    drawn = {name for panel in panels for target in panel["targets"] for name in re.findall(r"ray_\w+", target["expr"])}
    exported = set(re.findall(r"^(ray_\w+)\{", endpoint, re.MULTILINE))
    assert drawn <= exported
    assert {name for name in drawn if name.startswith("ray_automl_")} >= {
        "ray_automl_trials_total", "ray_automl_evaluations_in_flight", "ray_automl_best_fitness",
        "ray_automl_evaluation_seconds_total", "ray_automl_hashing_seconds_total", "ray_automl_saved_seconds_total",
    }  # fmt: skip
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"datasource", "study"}
