"""The same with Ray workers: the coordinator is killed, its workers end with it, and the search is gone on with."""

import multiprocessing
import os
import random
import signal
import sqlite3

import pytest
from crash_child import STUDY, given, kill_at, main

import automl

SEED = int(os.environ.get("AUTOML_KILL_SEED", "20240811"))

POINTS = [
    ("after recording, before tell", "search"),
    ("after claims", "search"),
    ("inside commit, after trials", "baseline"),
    ("before commit", "search"),
    ("before commit", "test"),
]


@pytest.mark.parametrize(
    ("point", "phase"), [POINTS[0], *(pytest.param(*point, marks=pytest.mark.slow) for point in POINTS[1:])]
)
@pytest.mark.usefixtures("ray_session")
def test_killed_with_ray_workers_and_resumed(point, phase, tmp_path):
    marks, url = tmp_path / "marks", f"sqlite:///{tmp_path / 'crash.db'}"
    changed = {
        "workers": 2,
        "settings": {
            "strategy.population": 12,
            "tournament": 3,
            "evaluator.marks": str(marks),
            "evaluator.seconds": 0.02,
        },
    }
    recorded = 0 if phase == "test" else random.Random(f"{SEED} {point}").randint(5, 30)
    print(f"{point}, {phase} phase, {recorded} trials recorded, seed {SEED}")
    process = multiprocessing.get_context("forkserver").Process(
        target=main, args=(url, str(marks), changed, kill_at, point, phase, recorded)
    )
    process.start()
    process.join(240)
    assert process.exitcode == -signal.SIGKILL
    with sqlite3.connect(tmp_path / "crash.db") as connection:
        found = connection.execute("SELECT seed FROM evaluation WHERE state IN ('done', 'failed')").fetchall()
    finished = {str(seed) for (seed,) in found}
    before = len(marks.read_text().splitlines())
    assert finished
    study = automl.search(**given(url, **changed))  # the same script again
    after = {line.split()[0] for line in marks.read_text().splitlines()[before:]}
    assert not finished & after  # no committed evaluation is executed again
    trials = list(study.trials())
    assert [trial.number for trial in trials] == [trial.position for trial in trials] == list(range(70))
    report = study.report().json()
    assert study.finished
    assert study.name == STUDY
    assert sum(report["outcomes"].values()) == 70
    study.close()
