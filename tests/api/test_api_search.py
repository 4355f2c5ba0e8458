"""`automl.search` and what it returns, as a user's script sees it."""

import numpy as np
import pandas
import pytest
import torch
from torch import nn

import automl
from automl import Choice, Integer, Real, Space, Task
from automl.errors import InvalidInput, InvalidSpace, StudyMismatch
from automl.strategies import create
from automl.strategies.base import Told


class Line(Space):
    x = Integer(0, 20)
    slope = Choice(1, 2)


def straight(candidate):
    return candidate.slope * candidate.x


def noisy(candidate, seed):
    return {"height": straight(candidate) + (seed % 10) / 100, "depth": -straight(candidate)}


@pytest.fixture
def search(tmp_path):
    """Searches Line in this process; studies are closed at the end."""
    opened = []

    def run(space=None, **given):
        given = {
            "trials": 25,
            "workers": 0,
            "baseline": False,
            "finalists": 1,
            "test_seeds": 1,
            "window": 4,
            "strategy": "random",
            "storage": f"sqlite:///{tmp_path}/a.db",
        } | given
        opened.append(automl.search(space or Line(), **given))
        return opened[-1]

    yield run
    for study in opened:
        study.close()


def test_a_function_of_a_candidate_is_an_evaluator(search):
    study = search(evaluator=straight)
    assert study.best.fitness == straight(study.best.candidate) == max(trial.fitness for trial in study.trials())
    assert study.settings["objective"] == "fitness"


def test_a_function_of_candidate_and_seed_gets_seeds_of_its_own(search):
    study = search(evaluator=noisy, objective="height")
    ends = {round(trial.fitness - straight(study.space.decode(_data(trial))), 2) for trial in study.trials()}
    assert len(ends) > 3
    assert study.best.metrics["depth"] == -straight(study.best.candidate)


def test_minimising(search):
    study = search(evaluator=noisy, objective="depth", direction="minimize")
    assert study.best.fitness == min(trial.fitness for trial in study.trials())
    assert study.report().json()["direction"] == "minimize"


def _data(trial):
    from automl.jsontext import parse

    return parse(trial.candidate)


@pytest.mark.parametrize(
    ("evaluator", "words"),
    [
        (lambda: 1, "must take"),
        (lambda a, b, c: 1, "must take"),
        (5, "neither a name"),
        (None, "no evaluator"),
        ("clasification", "did you mean classification"),
    ],
)
def test_what_is_no_evaluator(search, evaluator, words):
    with pytest.raises(InvalidInput, match=words):
        search(evaluator=evaluator)


def test_an_evaluator_that_returns_no_number_fails_its_candidates(search):
    study = search(evaluator=lambda candidate: "good", trials=3)
    assert {trial.outcome for trial in study.trials()} == {"failed"}
    assert all("good" in trial.error for trial in study.trials())


def test_the_data_frame_has_a_row_for_each_trial(search):
    study = search(evaluator=noisy, objective="height")
    frame = study.trials_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["number"]) == list(range(25))
    assert set(frame["outcome"]) <= {"miss", "hit", "joined"}
    assert list(frame["metrics.height"]) == list(frame["fitness"])
    assert frame["key"].str.fullmatch("[0-9a-f]{32}").all()
    assert (frame.groupby("candidate")["key"].nunique() == 1).all()


def test_a_study_is_opened_again_by_name(search, tmp_path):
    study = search(evaluator=straight, study="mine")
    again = automl.Study.open("mine", f"sqlite:///{tmp_path}/a.db")
    assert again.finished
    assert again.best.fitness == study.best.fitness
    assert list(again.trials()) == list(study.trials())
    assert again.report().json()["best"] == study.report().json()["best"]
    with pytest.raises(InvalidInput, match="an object Line in somebody's program"):
        _ = again.space
    again.close()
    with pytest.raises(InvalidInput, match="did you mean mine"):
        automl.Study.open("mien", f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(InvalidInput, match="nowhere"):
        automl.Study.open("mine", f"sqlite:///{tmp_path}/nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()


def test_the_report_is_text_a_file_and_data(search, tmp_path):
    report = search(evaluator=straight, baseline=True).report()
    assert "random search" in str(report)
    path = report.save(tmp_path / "report.html")
    page = path.read_text()
    assert page.lstrip().lower().startswith("<!doctype html")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert report.json()["trials"] == 25


def test_the_same_call_again_goes_on_and_other_settings_are_named(search):
    first = search(evaluator=noisy, objective="height", study="mine")
    again = search(evaluator=noisy, objective="height", study="mine")
    assert again.record_id == first.record_id
    assert list(again.trials()) == list(first.trials())
    with pytest.raises(StudyMismatch, match=r"sample: 24, now 9; seed: 0, now 7") as caught:
        search(evaluator=noisy, objective="height", study="mine", trials=30, seed=7, sample=9)
    assert "window" not in str(caught.value)
    assert "trials" not in str(caught.value)  # a budget may grow
    with pytest.raises(StudyMismatch, match=r"objective: 'height', now 'depth'"):
        search(evaluator=noisy, objective="depth", study="mine")
    with pytest.raises(StudyMismatch, match=r"evaluator.settings"):
        search(evaluator=straight, objective="height", study="mine")
    with pytest.raises(StudyMismatch, match=r"space.target"):
        search(space=type("Curve", (Line,), {})(), evaluator=noisy, objective="height", study="mine")
    with pytest.raises(StudyMismatch, match=r"strategy.name: 'random', now 'regularized_evolution'"):
        search(evaluator=noisy, objective="height", study="mine", strategy="regularized_evolution")


def test_studies_without_a_name_get_free_ones(search):
    assert [search(evaluator=straight, seed=seed).name for seed in range(3)] == ["Line-1", "Line-2", "Line-3"]


def test_a_namespace_is_a_cold_cache_and_changed_code_another_context(search):
    counted = []

    def evaluator(candidate):
        counted.append(candidate)
        return candidate.x

    search(evaluator=evaluator)
    paid = len(counted)
    search(evaluator=evaluator)
    assert len(counted) == paid
    search(evaluator=evaluator, namespace="cold")
    assert len(counted) == 2 * paid
    search(evaluator=automl.FunctionEvaluator(evaluator, code_version="2"))
    assert len(counted) == 3 * paid


def test_fields_that_no_key_sees_are_named_in_a_warning(search):
    class Blind(Space):
        width = Choice(4, 8)
        lr = Real(0.01, 0.1)

        def build(self, c):
            return nn.Sequential(nn.Linear(5, c.width), nn.ReLU(), nn.Linear(c.width, 3))

    class Seeing(Blind):
        def training(self, c):
            return {"lr": c.lr}

    given = {"evaluator": automl.Classification(epochs=1), "task": tiny(), "trials": 3, "sample": 2}
    with pytest.warns(UserWarning, match="no key ever sees 'lr' of Blind"):
        blind = search(space=Blind(), **given)
    assert len({trial.key for trial in blind.trials()}) <= 2
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        seeing = search(space=Seeing(), **given)
    assert len({trial.key for trial in seeing.trials()}) == 3
    assert all(0 <= trial.metrics["accuracy"] <= 1 for trial in seeing.trials())
    assert torch.get_num_threads() >= 1


def tiny():
    rng = np.random.default_rng(0)
    targets = rng.integers(3, size=90)
    inputs = (rng.normal(size=(90, 5)) + targets[:, None]).astype(np.float32)
    return Task(
        train=(inputs[:50], targets[:50]), validation=(inputs[50:70], targets[50:70]), test=(inputs[70:], targets[70:])
    )


def test_a_task_must_have_targets_for_all_inputs():
    with pytest.raises(InvalidInput, match=r"'validation' has 2 inputs and 3 targets"):
        Task((np.ones((2, 1)), np.ones(2)), (np.ones((2, 1)), np.ones(3)), (np.ones((2, 1)), np.ones(2)))


@pytest.mark.parametrize("space", [Space, Line, 5])
def test_what_is_no_space(search, space):
    with pytest.raises((InvalidSpace, InvalidInput)):
        search(space=space, evaluator=straight)


def test_callbacks_get_the_study_and_may_look_at_it(search):
    heard = []
    search(evaluator=straight, callbacks=[lambda study, trial: heard.append((trial.number, study.best.fitness))])
    assert [number for number, _ in heard] == list(range(25))
    assert [best for _, best in heard] == sorted(best for _, best in heard)


# --- the parts alone -----------------------------------------------------------------------------------------------


class Doubling(Space):
    """y = a·x + b·x: only the sum of a and b matters."""

    a = Integer(1, 6)
    b = Integer(1, 6)


def test_ask_and_tell_by_hand_with_the_cache_in_front(tmp_path):
    """The engine's own loop, written by a user: strategy, functional hash, cache."""
    space, counted = Doubling(), []
    strategy = create("regularized_evolution", {"population": 10, "tournament": 3})
    strategy.bind(space)
    rng = np.random.default_rng(0)

    def quality(candidate):
        counted.append(candidate)
        return float(candidate.a + candidate.b)

    number = 0
    with automl.EquivalenceCache(f"sqlite:///{tmp_path}/own.db") as cache:
        keys = set()
        for _ in range(12):
            told = []
            for proposal in strategy.ask(5, rng):
                key = automl.functional_hash(lambda x, c=proposal.candidate: c.a * x + c.b * x)
                keys.add(key)
                fitness = cache.get_or_evaluate(key, lambda c=proposal.candidate: quality(c))
                told.append(Told(number, proposal.candidate, fitness))
                number += 1
            strategy.tell(told)
    assert len(counted) == len(keys) <= 11  # a + b from 2 to 12
    assert number == 60


def test_results_outlive_the_process_that_paid_for_them(tmp_path):
    url = f"sqlite:///{tmp_path}/own.db"
    with automl.EquivalenceCache(url) as cache:
        assert cache.get_or_evaluate({"lr": 0.1}, lambda: {"loss": 2.0}) == {"loss": 2.0}
    with automl.EquivalenceCache(url) as cache:
        assert cache.get_or_evaluate({"lr": 0.1}, lambda: pytest.fail("paid twice")) == {"loss": 2.0}
        assert cache.get_or_evaluate({"lr": 0.1}, lambda: 3.0, context={"epochs": 2}) == 3.0
    with automl.EquivalenceCache(url, namespace="mine") as cache:
        assert cache.get_or_evaluate({"lr": 0.1}, lambda: 4.0) == 4.0


def test_strategies_are_made_by_name():
    assert create("regularized_evolution", {"population": 7}).population == 7
    with pytest.raises(InvalidInput, match="did you mean random"):
        create("randm")
    with pytest.raises(InvalidInput, match="did you mean population"):
        create("regularized_evolution", {"poulation": 7})


def test_importing_the_package_loads_neither_torch_nor_ray():
    import subprocess
    import sys

    program = (
        "import sys, automl; assert set(automl.__all__) <= set(dir(automl)); "
        "automl.search, automl.Space, automl.EquivalenceCache; print('torch' in sys.modules, 'ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["False", "False"]
