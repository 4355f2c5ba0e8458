"""Data that are changed in place are other data: nothing of the old ones is served, trained on or kept."""

import dataclasses
import gc
import os
import weakref

import numpy as np
import pytest
from evidence_parts import database

import automl
from automl import Module, Task
from automl.behaviour import Configuration
from automl.evaluators.base import Evaluation, Work
from workers import remembered


def task_of(rng, shape=(1, 8, 8), classes=10, floats=False):
    def part(n):
        inputs = rng.normal(size=(n, *shape)).astype(np.float64 if floats else np.float32)
        targets = rng.normal(size=n) if floats else np.arange(n) % classes
        return inputs, targets

    return Task(train=part(60), validation=part(40), test=part(30), name="mine")


class Perceptrons(automl.Space):
    width = automl.Choice(4, 8, 12)

    def behaviour(self, c):
        return Configuration(c.width)


class Perceptron(automl.Classification):
    """The behaviour is a width, so that no process has to be started for the hash."""

    name = "perceptron"

    def check(self, work):
        pass

    def misfit(self, work):
        return ""

    def evaluate(self, work, how):
        nn, width = pytest.importorskip("torch").nn, work.behaviour.value

        def build():
            return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

        return super().evaluate(Work(Module(build), {}, work.candidate), how)


def classification(rng):
    task = task_of(rng)
    return Perceptrons(), Perceptron(task=task, epochs=2), task


def activations(rng):
    from search_spaces.algorithms.activation import Activation
    from workers.algorithms.functions import ActivationTraining

    task = task_of(rng)
    return Activation(), ActivationTraining(task=task, hidden=(4,), epochs=1, networks=2), task


def programs(rng):
    from automl import registry
    from workers.algorithms.programs import ProgramTasks

    task = task_of(rng, shape=(4,), floats=True)
    space = registry.load("spaces", "automl-zero-linear")()
    return space, ProgramTasks(task=task), task


@pytest.fixture(params=[classification, activations, programs], ids=lambda make: make.__name__)
def parts(request):
    return request.param(np.random.default_rng(0))


def figures(parts, tmp_path):
    space, evaluator, _ = parts
    tmp_path.mkdir(exist_ok=True)
    study = automl.search(
        space,
        evaluator=evaluator,
        storage=database(tmp_path),
        strategy="random",
        trials=6,
        seed=4,
        workers=0,
        baseline=False,
        finalists=1,
        confirm=1,
        test_seeds=1,
        sample=2,
    )
    first = {}
    for trial in study.trials():
        first.setdefault(trial.key, (trial.outcome, trial.fitness))
    study.close()
    return {outcome for outcome, _ in first.values()}, {key: fitness for key, (_, fitness) in first.items()}


@pytest.mark.parametrize("which", ["inputs", "targets"])
def test_what_was_found_on_other_data_is_not_served_and_the_new_ones_are_used(parts, tmp_path, which):
    task = parts[2]
    _, before = figures(parts, tmp_path)
    outcomes, again = figures(parts, tmp_path)
    assert outcomes <= {"hit", "failed"}
    assert again == before
    for inputs, targets in (task.train, task.validation):
        if which == "inputs":
            inputs *= -3.0
        else:
            targets[:] = targets[::-1].copy()
    outcomes, changed = figures(parts, tmp_path)
    assert "hit" not in outcomes
    assert changed.keys() == before.keys()
    assert changed != before
    anew = Task(*((part[0].copy(), part[1].copy()) for part in (task.train, task.validation, task.test)), name="mine")
    fresh = (parts[0], dataclasses.replace(parts[1], task=anew), anew)
    assert figures(fresh, tmp_path / "elsewhere") == (outcomes, changed)


def test_a_task_of_programs_owns_its_arrays():
    from workers.algorithms.program_tasks import Problems

    rng = np.random.default_rng(0)
    train, targets = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5))
    problems = Problems(train, targets, train, targets)
    train[:] = 0.0
    assert problems.train.any()
    with pytest.raises(ValueError, match="read-only"):
        problems.train[:] = 0.0


def test_classes_are_counted_again():
    rng = np.random.default_rng(0)
    task = task_of(rng, classes=3)
    assert task.classes == 3
    for _, targets in (task.train, task.validation, task.test):
        targets[:] = np.arange(len(targets)) % 7
    task.description()
    assert task.classes == 7


def test_only_the_latest_tasks_are_kept():
    made = remembered.Remembered(lambda task: task.train[0].sum())
    kept = []
    for number in range(30):
        task = task_of(np.random.default_rng(number))
        made(task)
        kept.append(weakref.ref(task))
        del task
    gc.collect()
    assert [one() is not None for one in kept] == [False] * (30 - remembered.MOST) + [True] * remembered.MOST


def test_a_file_that_was_written_again_is_read_again(tmp_path):
    """A table is known by its content; after it was replaced nothing that the old one gave is used."""
    from workers.tables.hpolib import HPOLibTable

    (tmp_path / "hpolib_space.json").write_text('{"order": ["a"], "choices": {"a": [1, 2, 3]}}')
    table = HPOLibTable(path=str(tmp_path))
    found = []
    for loss in (0.5, 0.25):
        grid = np.full((3, 1), loss)
        np.savez(tmp_path / f"hpolib_{table.dataset}.npz", val_loss=grid, train_time=grid)
        figures = table.evaluate(Work(Configuration({"a": 2}), {}, "{}"), Evaluation(0))
        found.append((table.settings()["table"], figures["loss"]))
    assert [loss for _, loss in found] == [0.5, 0.25]
    assert found[0][0] != found[1][0]


def test_a_file_is_read_once_while_it_is_unchanged_and_one_that_is_gone_is_missed(tmp_path):
    calls = []
    read = remembered.while_unchanged(2)(lambda path, word="": calls.append(word) or path.read_text() + word)
    file = tmp_path / "table"
    for content in ("a", "bb", "a"):
        file.write_text(content)
        os.utime(file, ns=(len(calls), len(calls)))
        assert [read(file), read(file), read(file, "!")] == [content, content, f"{content}!"]
    assert len(calls) == 6
    file.unlink()
    with pytest.raises(FileNotFoundError):
        read(file)
