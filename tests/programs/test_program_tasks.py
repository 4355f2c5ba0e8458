"""The evaluator of programs: fitness by hand, problems in step and alone, unseen problems, a user's own tasks."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from automl import registry
from automl.behaviour import Configuration
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.evaluators.task import Task
from automl.spaces.programs.code import decode
from automl.spaces.programs.draws import normals
from automl.spaces.programs.language import ProgramLanguage
from automl.spaces.programs.operations import own_operation
from search_spaces.algorithms.program import ProgramSpace
from search_spaces.algorithms.program_spaces import AutoMLZeroDigits, AutoMLZeroLinear, AutoMLZeroTwoLayer
from search_spaces.algorithms.program_text import ProgramText
from workers.algorithms.program_tasks import Problems, ProgramTask, Wanted, generate
from workers.algorithms.programs import ProgramTasks

SPACE = ProgramSpace(scalars=5, vectors=5, matrices=2, setup=(0, 8), predict=(1, 8), learn=(0, 12))
GRADIENT_DESCENT = {
    "setup": ["s2 = 0.1"],
    "predict": ["s1 = dot(v0, v1)"],
    "learn": ["s3 = s0 - s1", "s3 = s2 * s3", "v2 = s3 * v0", "v1 = v1 + v2"],
}
LOGISTIC = {**GRADIENT_DESCENT, "setup": ["s2 = 0.05"]}


def code(program: dict[str, list[str]]) -> bytes:
    return SPACE.text.read_program(program)


def test_everything_is_registered() -> None:
    assert registry.load("spaces", "automl-zero-linear") is AutoMLZeroLinear
    assert registry.load("spaces", "automl-zero-two-layer") is AutoMLZeroTwoLayer
    assert registry.load("spaces", "automl-zero-digits") is AutoMLZeroDigits
    for space in (AutoMLZeroLinear, AutoMLZeroTwoLayer, AutoMLZeroDigits):
        evaluator = registry.load("evaluators", space.defaults.evaluator or "")(**space.defaults.evaluator_settings)
        candidate = space().sample(np.random.default_rng(0))
        metrics = evaluator.evaluate(Work(space().behaviour(candidate), {}, candidate.json), Evaluation(1))
        assert set(metrics) == set(evaluator.metrics)
        assert 0 <= metrics["fitness"] <= 1


def test_fitness_by_hand() -> None:
    evaluator = ProgramTasks(problems=3, train_examples=40, held_examples=20)
    problems = evaluator.problem_set(4, "validation")
    wanted = []
    for train, targets, held, answers in zip(
        problems.train, problems.train_targets, problems.held, problems.held_targets, strict=True
    ):
        weights = np.zeros(4)
        for x, y in zip(train, targets, strict=True):
            weights = weights + 0.1 * (y - weights @ x) * x
        error = math.sqrt(np.mean((answers - held @ weights) ** 2))
        wanted.append(1 - 2 / math.pi * math.atan(error))
    got, steps = evaluator.rate(SPACE.language, [code(GRADIENT_DESCENT)], [0])
    assert got[0] == pytest.approx(np.mean(wanted), rel=1e-12)
    assert steps[0] == 3 * 40
    median, _ = dataclasses.replace(evaluator, combine="median").rate(SPACE.language, [code(GRADIENT_DESCENT)], [0])
    assert median[0] == pytest.approx(np.median(wanted), rel=1e-12)


def test_a_program_that_fails_on_one_problem_gets_nothing_there() -> None:
    """s1 grows by the first feature's square and ends the program where that exceeds the limit."""
    train = np.zeros((2, 5, 4))
    train[1, 2, 0] = 8.0
    held = np.zeros((2, 2, 4))
    problems = Problems(train, np.zeros((2, 5)), held, np.zeros((2, 2)))
    evaluator = ProgramTasks(task=ProgramTask(problems, problems))
    program = {"setup": [], "predict": ["s1 = dot(v0, v0)", "s1 = s1 + s1"], "learn": []}
    fitness, steps = evaluator.rate(SPACE.language, [code(program)], [0])
    assert fitness[0] == 0.5  # all right on one problem, ended on the other
    assert steps[0] == 5 + 3
    late = Problems(train[:, ::-1], np.zeros((2, 5)), train, np.zeros((2, 5)))
    fitness, _ = ProgramTasks(task=ProgramTask(late, late)).rate(SPACE.language, [code(program)], [0])
    assert fitness[0] == 0.5
    nan = {"setup": [], "predict": ["s1 = s2 / s3"], "learn": []}
    fitness, steps = evaluator.rate(SPACE.language, [code(nan)], [0])
    assert (fitness[0], steps[0]) == (0.0, 2)


@pytest.mark.parametrize("count", [1, 5, 16, 37])
def test_problems_in_step_give_what_each_gives_alone(count: int) -> None:
    evaluator = ProgramTasks(problems=count, train_examples=15, held_examples=10)
    problems = evaluator.problem_set(4, "validation")
    rng = np.random.default_rng(count)
    codes = [SPACE.code(c) for c in SPACE.mutate_many(SPACE.sample_many(200, rng), rng)]
    operations = SPACE.language.operations
    codes = [c for c in codes if not any(operations[item.operation].random for part in decode(c) for item in part)]
    together, _ = evaluator.rate(SPACE.language, codes, [0] * len(codes))
    alone = []
    for number in range(count):
        one = Problems(
            *(
                getattr(problems, name)[number : number + 1]
                for name in ("train", "train_targets", "held", "held_targets")
            )
        )
        alone.append(ProgramTasks(task=ProgramTask(one, one)).rate(SPACE.language, codes, [0] * len(codes))[0])
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-14)  # only the mean may round differently
    assert len(set(together.tolist())) > 5


def test_batches_give_what_single_evaluations_give() -> None:
    evaluator = ProgramTasks(problems=2, train_examples=10, held_examples=10)
    rng = np.random.default_rng(0)
    works = []
    for number, candidate in enumerate(SPACE.sample_many(40, rng)):
        part = "test" if number % 3 == 0 else "validation"
        works.append((Work(SPACE.behaviour(candidate), {}, candidate.json), Evaluation(number, part)))
    together = evaluator.evaluate_many(works)
    assert together == [evaluator.evaluate(*work) for work in works]
    cheap = [(work, dataclasses.replace(how, fidelity={"train_examples": 1})) for work, how in works]
    assert evaluator.evaluate_many(cheap) != together


def test_gradient_descent_solves_unseen_linear_problems() -> None:
    fitness, steps = ProgramTasks().rate(SPACE.language, [code(GRADIENT_DESCENT)], [0], "test")
    assert fitness[0] > 0.9999
    assert steps[0] == 100 * 1000


def test_search_and_unseen_problems_share_nothing() -> None:
    for name in ("linear-regression", "two-layer-regression", "digit-pairs"):
        one, other = (generate(name, Wanted(6, 9, 20, 20, 0, unseen)) for unseen in (False, True))
        assert not np.intersect1d(one.train, other.train).size
        assert one is generate(name, Wanted(6, 9, 20, 20, 0, False))
        assert not np.intersect1d(one.train, generate(name, Wanted(6, 9, 20, 20, 1, False)).train).size


def test_two_layer_targets_are_not_linear() -> None:
    problems = generate("two-layer-regression", Wanted(4, 5, 500, 100, 0, False))
    for x, y in zip(problems.train, problems.train_targets, strict=True):
        left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        assert left.std() > 0.1 * y.std()


def test_logistic_regression_tells_digits_apart() -> None:
    space = AutoMLZeroDigits()
    evaluator = ProgramTasks(**space.defaults.evaluator_settings)
    fitness, _ = evaluator.rate(space.language, [space.text.read_program(LOGISTIC)], [0], "test")
    assert 0.9 < fitness[0] < 1.0
    chance, _ = evaluator.rate(space.language, [space.text.read_program({**LOGISTIC, "learn": []})], [0], "test")
    assert 0.4 < chance[0] < 0.6


def test_digit_pairs_are_balanced_enough_and_standardised() -> None:
    problems = generate("digit-pairs", Wanted(16, 12, 240, 100, 3, False))
    assert problems.train.shape == (12, 240, 16)
    assert set(np.unique(problems.held_targets)) == {0.0, 1.0}
    assert np.abs(problems.train_targets.mean(axis=1) - 0.5).max() < 0.15
    np.testing.assert_allclose(problems.train.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(problems.train.std(axis=1), 1, rtol=1e-9)
    with pytest.raises(InvalidInput, match="ask for fewer"):
        generate("digit-pairs", Wanted(16, 1, 5000, 100, 3, False))


def test_own_arrays_as_task() -> None:
    inputs, weights = normals((60, 4), 9), np.array([1.0, -2.0, 0.5, 0.0])
    parts = [(inputs[n : n + 20], inputs[n : n + 20] @ weights) for n in (0, 20, 40)]
    task = Task(*parts, name="mine")
    evaluator = ProgramTasks(task=task)
    validation, _ = evaluator.rate(SPACE.language, [code(GRADIENT_DESCENT)], [0])
    test, _ = evaluator.rate(SPACE.language, [code(GRADIENT_DESCENT)], [0], "test")
    assert 0.5 < validation[0] != test[0] > 0.5
    assert evaluator.settings()["task"] == task.description()
    with pytest.raises(InvalidInput, match=r"has 4 features and the space 7; set space\.features=4"):
        evaluator.rate(ProgramLanguage(features=7), [code(GRADIENT_DESCENT)], [0])
    with pytest.raises(InvalidInput, match="targets must be 0 or 1"):
        evaluator.rate(ProgramLanguage(probabilities=True), [code(GRADIENT_DESCENT)], [0])


def test_bad_tasks_and_settings_are_refused() -> None:
    good = np.zeros((2, 3, 4))
    bad = good.copy()
    bad[1, 2, 3] = np.nan
    with pytest.raises(InvalidInput, match=r"train\[1, 2, 3\] is nan"):
        Problems(bad, np.zeros((2, 3)), good, np.zeros((2, 3)))
    with pytest.raises(InvalidInput, match="one target for every example"):
        Problems(good, np.zeros((2, 2)), good, np.zeros((2, 3)))
    with pytest.raises(InvalidInput, match="equal problems and features"):
        Problems(good, np.zeros((2, 3)), good[:, :, :3], np.zeros((2, 3)))
    with pytest.raises(InvalidInput, match="unknown task for programs 'linear'; did you mean linear-regression"):
        ProgramTasks(task="linear").problem_set(4, "validation")
    with pytest.raises(InvalidInput, match="problems=0"):
        ProgramTasks(problems=0)
    with pytest.raises(InvalidInput, match="'mean' or 'median'"):
        ProgramTasks(combine="max")
    (outcome,) = ProgramTasks().evaluate_many([(Work(Configuration({}), {}, "{}"), Evaluation(0))])
    assert isinstance(outcome, InvalidInput)


def test_settings_are_json_and_tell_tasks_apart() -> None:
    import json

    one = Problems(np.zeros((1, 2, 3)), np.zeros((1, 2)), np.zeros((1, 2, 3)), np.zeros((1, 2)))
    other = Problems(np.ones((1, 2, 3)), np.zeros((1, 2)), np.zeros((1, 2, 3)), np.zeros((1, 2)))
    described = [
        json.dumps(ProgramTasks(task=ProgramTask(a, b)).settings()) for a, b in ((one, one), (one, other), (other, one))
    ]
    assert len(set(described)) == 3


def softsign(out: np.ndarray, a: np.ndarray) -> None:
    out[:] = a / (1.0 + np.abs(a))


def gap(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    out[0] = np.abs(a - b).max()


def rank_one(out: np.ndarray, a: np.ndarray, m: np.ndarray) -> None:
    for i in range(a.size):
        for j in range(a.size):
            out[i, j] = a[i] * m[j, i]


class OwnSpace(ProgramSpace):
    own_operations = (
        own_operation("softsign", "v", ("v",), softsign, "softsign of {0}"),
        own_operation("gap", "s", ("v", "v"), gap),
        own_operation("rank_one", "m", ("v", "m"), rank_one),
    )


def test_own_operations_run_read_back_and_export() -> None:
    space = OwnSpace(scalars=4, vectors=4, matrices=2, error_limit=1e9)
    program = {
        "setup": ["s2 = 0.3"],
        "predict": [
            "v1 = softsign(v0)",
            "m0 = outer(v0, v1)",
            "m1 = rank_one(v1, m0)",
            "v2 = dot(m1, v0)",
            "s1 = gap(v1, v2)",
        ],
        "learn": ["no_op()"],
    }
    candidate = space.decode(program)
    x = normals((6, 4), 1)
    got = space.language.predictions([space.code(candidate)], x[:1], np.zeros(1), x, seed=0)[0, 1:]
    soft = x / (1 + np.abs(x))
    wanted = []
    for a, b in zip(x, soft, strict=True):
        matrix = b[:, None] * np.outer(a, b).T
        wanted.append(np.abs(b - matrix @ a).max())
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    names: dict[str, object] = {}
    exec(space.exported(candidate), names)
    np.testing.assert_allclose(names["run"](x[:1], np.zeros(1), x), wanted, rtol=1e-12)  # type: ignore[operator]
    assert "softsign of v0" in "\n".join(space.explanation(candidate))
    used = {
        line.split(" = ")[1].split("(")[0]
        for c in space.sample_many(300, np.random.default_rng(0))
        for f in c.value.values()
        for line in f
        if "=" in line
    }
    assert {"softsign", "gap", "rank_one"} <= used


def test_an_own_operation_that_numba_cannot_compile_is_refused() -> None:
    def strange(out: np.ndarray, a: np.ndarray) -> None:
        out[:] = {"a": object()}[str(a)]

    language = ProgramLanguage(own=(own_operation("strange", "s", ("s",), strange),))
    program = ProgramText(language).read_program({"setup": [], "predict": ["s1 = strange(s2)"], "learn": []})
    with pytest.raises(InvalidInput, match="numba cannot compile one of the operations 'strange'"):
        language.predictions([program], normals((1, 4), 1), np.zeros(1), normals((1, 4), 1), seed=0)
