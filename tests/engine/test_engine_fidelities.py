"""Cheaper evaluations in the line: their own contexts, one group of seeds and states, counted by what they cost."""

import signal
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import pytest
from line_parts import Marking, child_rows, mark, marks, rows, searching, whole

import automl
from automl.errors import InvalidInput
from automl.evaluators.base import Fidelity

STEPS = 9


@dataclass(frozen=True)
class Stepping(Marking):
    """Nine steps, each marked on disk; goes on from a checkpoint, which holds how many were done."""

    name: ClassVar[str] = "stepping"
    resumable: ClassVar[bool] = True

    def approximations(self):
        return [Fidelity(n / STEPS, {"steps": n}) for n in range(1, STEPS)]

    def evaluate(self, work, how):
        saved = how.checkpoint.read() if how.checkpoint else None
        begun, until = int(saved or b"0"), how.fidelity.get("steps", STEPS)
        for step in range(begun, until):
            mark(f"{how.seed} {how.part} {how.replicate} {work.candidate} {step}")
        if how.checkpoint:
            how.checkpoint.write(str(until).encode())
        numbers = work.behaviour.value
        score = float(sum(numbers)) * until / STEPS + (how.seed % 1000) / 1e4
        return {"score": score, "loss": -score, "cost_seconds": float(until - begun)}


@dataclass(frozen=True)
class Separate(Stepping):
    """The same, but every fidelity starts anew."""

    name: ClassVar[str] = "separate"
    resumable: ClassVar[bool] = False


@pytest.fixture
def search(tmp_path, monkeypatch):
    halving = {"evaluator": Stepping(), "strategy": "successive_halving", "trials": 80}
    with searching(tmp_path, monkeypatch, **halving) as run:
        yield run


def drawn(study):
    return study.report().json()["drawn"]


def test_only_full_evaluations_have_a_fitness_and_the_best_is_one(search):
    study = search()
    trials = list(study.trials())
    by_context = {context: [one for one in trials if one.context == context] for context in {t.context for t in trials}}
    assert len(by_context) == 3
    full = {trial.context for trial in trials if trial.fitness is not None}
    assert len(full) == 1
    assert all(trial.metrics["score"] is not None for trial in trials)
    best = max(by_context[full.pop()], key=lambda trial: trial.fitness)
    assert study.best.fitness == best.fitness
    counts = Counter(trial.origin for trial in trials)
    stated = study.report().json()["fidelities"]
    assert list(stated) == ['{"steps":1}', '{"steps":3}', "full"]
    assert list(stated.values()) == [
        len(by_context[one]) for one in sorted(by_context, key=lambda one: -len(by_context[one]))
    ]
    assert counts["sample"] + counts["promote"] == 80
    assert len(trials) / 6 < counts["promote"] < len(trials) / 2


def test_no_step_of_a_spelling_is_done_twice_and_the_count_of_evaluations_is_the_steps_done(search, tmp_path):
    study = search()
    lines = [line.split(maxsplit=3) for line in (tmp_path / "marks").read_text().splitlines()]
    lines = [line for line in lines if line[1] == "validation"]
    done = Counter((line[2], line[3]) for line in lines)
    assert set(done.values()) == {1}
    assert drawn(study) == pytest.approx(len(lines) / STEPS, abs=0.001)
    seeds = {}
    for seed, _, replicate, rest in lines:
        seeds.setdefault((rest.rpartition(" ")[0], replicate), set()).add(seed)
    assert {len(one) for one in seeds.values()} == {1}  # all fidelities of one evaluation have one seed
    assert not list(tmp_path.glob("*.db-checkpoints/*/*"))  # a finished study leaves nothing


def test_where_nothing_is_carried_every_fidelity_is_paid_in_full(search, tmp_path):
    study = search(evaluator=Separate())
    assert drawn(study) == pytest.approx(len(marks(tmp_path / "marks", "validation")) / STEPS, abs=0.001)
    assert not list(tmp_path.glob("*.db-checkpoints"))


def test_random_search_gets_as_many_full_evaluations_as_the_steps_make(search):
    study = search(baseline=True)
    baseline = child_rows(study, "random")
    assert all(trial.fitness is not None for trial in baseline)
    distinct = len({trial.key for trial in baseline})
    assert distinct - 1 < drawn(study) <= distinct or distinct == 56  # there are no more functions


@pytest.mark.parametrize("stop_after", [1, 7, 30, 55, 79])
def test_a_study_that_was_stopped_goes_on_with_the_same_trials(search, tmp_path, stop_after):
    whole_study = search()
    url = f"sqlite:///{tmp_path / 'stopped.db'}"

    def stop(study, trial):
        if trial.position == stop_after:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(automl.Stopped):
        search(storage=url, callbacks=[stop])
    resumed = search(storage=url)
    assert whole(list(resumed.trials()))
    assert rows(resumed) == rows(whole_study)
    assert drawn(resumed) == drawn(whole_study)


@pytest.mark.parametrize("window", [1, 4, 32])
def test_no_candidate_goes_on_twice_whatever_the_window(search, window):
    trials = list(search(window=window, simulated_workers=window, workers=None, trials=120).trials())
    promoted = Counter((trial.candidate, trial.context) for trial in trials if trial.origin == "promote")
    assert set(promoted.values()) == {1}


def test_simulated_workers_and_a_warm_cache_change_no_proposal(search, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    cold = search(storage=url)
    warm = search(storage=url, study="again")
    simulated = search(simulated_workers=3, workers=None)
    proposals = [[(row["number"], row["candidate"], row["origin"]) for row in rows(one)] for one in (cold, warm)]
    assert proposals[0] == proposals[1]
    assert rows(simulated) == rows(cold)
    assert {trial.outcome for trial in warm.trials()} == {"hit"}
    assert drawn(warm) == drawn(cold)


def test_asynchronous_studies_go_on_too(search, tmp_path):
    study = search(asynchronous=True, simulated_workers=5, workers=None)
    trials = list(study.trials())
    assert whole(trials)
    promoted = Counter((trial.candidate, trial.context) for trial in trials if trial.origin == "promote")
    assert set(promoted.values()) == {1}


def test_vary_leaves_alone_what_goes_on(search):
    study = search(on_duplicate="vary", trials=60)
    numbers = {trial.number: trial for trial in study.trials()}
    for trial in numbers.values():
        if trial.origin == "promote":
            assert trial.candidate == numbers[trial.parents[0]].candidate


def test_an_evaluator_without_fidelities_is_refused_and_nothing_is_written(search, tmp_path):
    with pytest.raises(InvalidInput, match="needs an evaluator with cheaper evaluations"):
        search(evaluator=Marking(), storage=f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()


def test_a_budget_too_small_for_a_full_evaluation_says_so(search):
    study = search(trials=3)
    with pytest.raises(InvalidInput, match="no successful full evaluation"):
        study.best  # noqa: B018
    assert "no full evaluation" in str(study.report())


def test_the_old_name_of_resumable_is_still_read():
    with pytest.warns(DeprecationWarning, match=r"Former\.carries is now called resumable"):

        class Former(Marking):
            carries = True

    assert Former.resumable
    assert not Marking.resumable


def test_the_old_name_of_a_fidelity_is_still_read():
    with pytest.warns(DeprecationWarning, match=r"automl\.Approximation is now called automl\.Fidelity"):
        assert automl.Approximation is Fidelity


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan"), float("inf")])
def test_a_budget_fraction_that_is_none_is_refused(share):
    with pytest.raises(InvalidInput, match="budget fraction of a fidelity must be above 0 and at most 1"):
        Fidelity(share)


def test_an_approximation_that_costs_a_full_evaluation_is_refused(search):
    class Whole(Stepping):
        def approximations(self):
            return [Fidelity(0.5, {"steps": 5}), Fidelity(1.0, {"steps": 9})]

    with pytest.raises(InvalidInput, match="offers an approximation that costs a full evaluation"):
        search(evaluator=Whole())
