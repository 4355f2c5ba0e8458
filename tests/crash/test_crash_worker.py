"""Ray workers are killed in mid-evaluation, or run into their own memory limit: nobody notices but the clock."""

from collections import Counter

import psutil
import pytest
from crash_child import HERE, given

import automl

GIB = 2**30


@pytest.fixture
def search(tmp_path, ray_session):
    """Runs the search of all crash tests on Ray workers of 512 MB each; returns a closed study's rows."""
    marks = tmp_path / "marks"

    def run(name, mishaps=()):
        marks.write_text("")
        (tmp_path / "marks.mishaps").write_text("".join(f"{seed} {what} {times}\n" for seed, what, times in mishaps))
        url = f"sqlite:///{tmp_path / name}.db"
        settings = {"strategy.population": 12, "tournament": 3, "evaluator.marks": str(marks)}
        study = automl.search(
            **given(
                url,
                evaluator=f"{HERE / 'crash_parts.py'}:Mishaps",
                settings={**settings, "evaluator.seconds": 0.02},
                workers=2,
                memory_per_worker=GIB // 2,
                baseline=False,
                timeout=60.0,
            )
        )
        assert study.finished
        trials = list(study.trials())
        assert [trial.number for trial in trials] == [trial.position for trial in trials] == list(range(70))
        assert sum(study.report().json()["outcomes"].values()) == 70
        with study.database.read() as connection:
            states = dict(
                connection.exec_driver_sql("SELECT state, COUNT(*) FROM evaluation GROUP BY state").fetchall()
            )
            rows = connection.exec_driver_sql("SELECT key, seed FROM evaluation WHERE context = 1 AND replicate = 0")
            seeds = {key: str(seed) for key, seed in rows}
        study.close()
        return trials, states, seeds, Counter(line.split()[0] for line in marks.read_text().splitlines())

    return run


def told(trials):
    return [
        (one.candidate, one.key, one.outcome, one.fitness, one.replicates, one.origin, one.parents) for one in trials
    ]


def test_what_befalls_a_worker_befalls_no_trial(search):
    calm, states, seed_of, begun = search("calm")
    assert set(begun.values()) == {1}
    seeds = list(dict.fromkeys(seed_of[trial.key] for trial in calm if trial.fitness is not None))
    available = psutil.virtual_memory().available
    mishaps = [(seeds[2], "killed", 1), (seeds[12], "killed", 2), (seeds[20], "memory", 1)]
    trials, found, _, again = search("stormy", mishaps)
    assert told(trials) == told(calm)
    assert found == states
    assert again[seeds[2]] >= 2
    assert again[seeds[12]] >= 3
    assert again[seeds[20]] >= 2
    assert available > 4 * GIB  # it was never the machine's memory that ended


@pytest.mark.parametrize(("what", "said"), [("killed", "its worker process died"), ("memory", "Memory")])
def test_what_kills_every_worker_is_given_up_and_is_no_fact_about_its_class(what, said, search):
    calm, states, seed_of, _ = search("calm")
    key = next(trial.key for trial in calm if trial.fitness is not None)
    seed = seed_of[key]
    trials, found, _, again = search("stormy", [(seed, what, 99)])
    first = next(trial for trial in trials if trial.key == key)
    assert first.outcome == "failed"
    assert said in first.error
    assert 3 <= again[seed] <= 6  # three tries, each once more where it was in a batch with others
    assert found["lost"] == 1
    assert found.get("failed", 0) == states.get("failed", 0)
