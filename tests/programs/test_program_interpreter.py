"""The compiled interpreter against programs written in plain numpy, and against itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from automl.behaviour import Probe
from automl.spaces.programs.code import Instruction, decode, encode
from automl.spaces.programs.draws import normals, uniforms
from automl.spaces.programs.language import PROBE_EXAMPLES, ProgramLanguage
from automl.spaces.programs.operations import OPERATIONS
from search_spaces.algorithms.program import ProgramSpace
from search_spaces.algorithms.program_simplify import pruned
from search_spaces.algorithms.program_text import ProgramText

F = 4
X = normals((30, F), 1)
Y = normals((30,), 2)

PLAIN = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
    "1 / a": lambda a: 1 / a,
    "heaviside(a)": lambda a: np.heaviside(a, 0.0),
    "dot(a, b)": lambda a, b: a @ b,
    "matmul(a, b)": lambda a, b: a @ b,
    "outer(a, b)": np.outer,
    "transpose(a)": np.transpose,
    "broadcast(a)": lambda a: np.full(F, a),
    "broadcast(a, axis=0)": lambda a: np.tile(a[:, None], (1, F)),
    "broadcast(a, axis=1)": lambda a: np.tile(a[None, :], (F, 1)),
    "norm(a)": lambda a: math.sqrt((a * a).sum()),
    "norm(a, axis=0)": lambda a: np.linalg.norm(a, axis=0),
    "norm(a, axis=1)": lambda a: np.linalg.norm(a, axis=1),
    "mean(a)": np.mean,
    "mean(a, axis=1)": lambda a: a.mean(axis=1),
    "std(a)": np.std,
    "std(a, axis=1)": lambda a: a.std(axis=1),
}
PLAIN |= {
    f"{name}(a)": getattr(np, name) for name in ("abs", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "exp", "log")
}
PLAIN |= {f"{name}(a, b)": getattr(np, name) for name in ("minimum", "maximum")}

FUNCTIONS_OF_INPUTS = [number for number, item in enumerate(OPERATIONS) if item.inputs]


def show(kind: str) -> list[str]:
    """Lines that bring everything of an address of this type to the prediction."""
    if kind == "s":
        return ["s1 = minimum(s5, s5)"]
    weigh = ["v5[0] = 0.3", "v5[1] = -1.7", "v5[2] = 0.9", "v5[3] = 2.1"]
    if kind == "v":
        return [*weigh, "s1 = dot(v4, v5)"]
    return [*weigh, "v4 = dot(m3, v5)", "v5 = v5 * v5", "s1 = dot(v4, v5)"]


@pytest.mark.parametrize("number", FUNCTIONS_OF_INPUTS)
def test_each_operation_computes_what_numpy_does(number: int) -> None:
    language = ProgramLanguage(features=F, scalars=6, vectors=6, matrices=4, error_limit=1e300)
    text = ProgramText(language)
    operation = OPERATIONS[number]
    before = [
        "s2 = norm(v0)",
        "s3 = mean(v0)",
        "v1 = v0 * v0",
        "v2 = s3 * v0",
        "m0 = outer(v0, v1)",
        "m1 = outer(v2, v0)",
    ]
    operands = {"s": ("s3", "s2"), "v": ("v0", "v2"), "m": ("m0", "m1")}
    read = [operands[kind][place] for place, kind in enumerate(operation.inputs)]
    target = {"s": "s5", "v": "v4", "m": "m3"}[operation.output]
    lines = [*before, f"{target} = {operation.form.format(*read)}", *show(operation.output)]
    code = text.read_program({"setup": [], "predict": lines, "learn": []})
    got = language.predictions([code], X[:1], Y[:1], X, seed=0)[0, 1:]
    plain = PLAIN[operation.form.format("a", "b")]
    wanted = []
    with np.errstate(all="ignore"):
        for x in X:
            values = {"s2": np.linalg.norm(x), "s3": x.mean(), "v0": x, "v2": x.mean() * x}
            values |= {"m0": np.outer(x, x * x), "m1": np.outer(x.mean() * x, x)}
            out = np.asarray(plain(*(values[name] for name in read)))
            weights = np.array([0.3, -1.7, 0.9, 2.1])
            wanted.append(
                float(out) if out.ndim == 0 else out @ weights if out.ndim == 1 else (out @ weights) @ weights**2
            )
    np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-13)


def test_linear_regression_by_hand() -> None:
    language = ProgramLanguage(features=F)
    code = ProgramText(language).read_program(
        {
            "setup": ["s2 = 0.1"],
            "predict": ["s1 = dot(v0, v1)"],
            "learn": ["s3 = s0 - s1", "s3 = s2 * s3", "v2 = s3 * v0", "v1 = v1 + v2"],
        }
    )
    weights, wanted = np.zeros(F), []
    for number, x in enumerate(X):
        wanted.append(weights @ x)
        if number < 20:
            weights = weights + 0.1 * (Y[number] - weights @ x) * x
    got = language.predictions([code], X[:20], Y[:20], X[20:], seed=0)[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def test_memory_starts_at_zero_and_labels_are_hidden_from_predict() -> None:
    language = ProgramLanguage(features=F)
    text = ProgramText(language)
    codes = [
        text.read_program({"setup": [], "predict": ["s1 = s0 + s2"], "learn": ["s2 = s0 + s3"]}),
        text.read_program({"setup": ["s1 = 0.5"], "predict": [], "learn": []}),
        text.read_program({"setup": [], "predict": ["v1 = v1 + v0", "s1 = mean(v1)"], "learn": []}),
    ]
    got = language.predictions(codes, X[:3], Y[:3], X[3:5], seed=0)
    np.testing.assert_array_equal(got[0], [0.0, Y[0], Y[1], Y[2], Y[2]])
    np.testing.assert_array_equal(got[1], [0.5] * 5)
    np.testing.assert_allclose(got[2], np.cumsum(X[:5].mean(axis=1)))


def test_probabilities_are_squashed_before_learn_sees_them() -> None:
    language = ProgramLanguage(features=F, probabilities=True)
    code = ProgramText(language).read_program({"setup": [], "predict": ["s1 = s2 + s2"], "learn": ["s2 = s1 + s1"]})
    got = language.predictions([code], X[:2], Y[:2], X[2:3], seed=0)[0]
    first = 0.5
    second = 1 / (1 + math.exp(-4 * first))
    np.testing.assert_allclose(got, [first, second, 1 / (1 + math.exp(-4 * second))])


def test_a_large_error_or_nan_ends_a_program_and_stands_in_the_probe() -> None:
    language = ProgramLanguage(features=F)
    text = ProgramText(language)
    codes = [
        text.read_program({"setup": ["s2 = 60.0"], "predict": ["s1 = s1 + s2"], "learn": []}),
        text.read_program({"setup": [], "predict": ["s1 = s2 / s3"], "learn": []}),
    ]
    got = language.outputs(codes, Probe(seed=3))
    assert got.shape == (2, 2 * PROBE_EXAMPLES)
    np.testing.assert_array_equal(got[0], [60.0, 120.0, *[np.nan] * 18])
    assert np.isnan(got[1]).all()


def execute(code: bytes, train: np.ndarray, targets: np.ndarray, held: np.ndarray) -> list[float]:
    """Runs a program in plain numpy, dead instructions and all. Knows no random draws."""
    memory: dict[str, Any] = {f"s{n}": np.float64(0) for n in range(10)}
    memory |= {f"v{n}": np.zeros(F) for n in range(10)} | {f"m{n}": np.zeros((F, F)) for n in range(10)}

    def run(function: tuple[Instruction, ...]) -> None:
        for item in function:
            operation = OPERATIONS[item.operation]
            target = f"{operation.output}{item.out}"
            inputs = [
                memory[f"{kind}{n}"] for kind, n in zip(operation.inputs, (item.first, item.second), strict=False)
            ]
            if operation.indices:
                value = memory[target].copy()
                value[(item.i, item.j)[: operation.indices]] = item.x
            elif operation.constants:
                value = np.float64(item.x)
            elif operation.output:
                value = np.asarray(PLAIN[operation.form.format("a", "b")](*inputs))[()]
            else:
                continue
            memory[target] = value

    setup, predict, learn = decode(code)
    predictions = []
    with np.errstate(all="ignore"):
        run(setup)
        for number, features in enumerate([*train, *held]):
            memory["v0"], memory["s0"] = features, np.float64(0)
            run(predict)
            predictions.append(float(memory["s1"]))
            if number < len(train):
                memory["s0"] = np.float64(targets[number])
                run(learn)
    return predictions


def test_whole_programs_agree_with_plain_numpy_that_skips_nothing() -> None:
    every = [item.name for item in OPERATIONS if not item.random]
    space = ProgramSpace(
        features=F, scalars=5, vectors=4, matrices=2, setup=(0, 8), predict=(1, 6), learn=(0, 10),
        operations=every, error_limit=1e300,
    )  # fmt: skip
    codes = [space.code(candidate) for candidate in space.sample_many(1500, np.random.default_rng(3))]
    got = space.language.predictions(codes, X[:8], Y[:8], X[8:16], seed=1)
    compared = 0
    for code, row in zip(codes, got, strict=True):
        wanted = np.array(execute(code, X[:8], Y[:8], X[8:16]))
        if np.isfinite(row[:8]).all():
            compared += len(set(wanted.tolist())) > 4
            np.testing.assert_allclose(row, wanted, rtol=1e-7, atol=1e-9)
    assert compared > 100


def test_pruned_programs_compute_the_same_bits() -> None:
    for probabilities in (False, True):
        space = ProgramSpace(
            scalars=6, vectors=6, matrices=3, setup=(0, 10), predict=(1, 10), learn=(0, 16), probabilities=probabilities
        )
        codes = [space.code(c) for c in space.sample_many(2000, np.random.default_rng(4))]
        short = [encode(pruned(space.language, code)) for code in codes]
        assert sum(map(len, short)) < 0.7 * sum(map(len, codes))
        one = space.language.predictions(codes, X[:10], (Y[:10] > 0).astype(float), X[10:], seed=9)
        other = space.language.predictions(short, X[:10], (Y[:10] > 0).astype(float), X[10:], seed=9)
        np.testing.assert_array_equal(one, other)


def test_simplified_programs_do_what_the_originals_do_on_fresh_data() -> None:
    space = ProgramSpace(scalars=5, vectors=5, matrices=2, setup=(4, 8), predict=(2, 8), learn=(3, 12))
    candidates = space.sample_many(300, np.random.default_rng(5))
    pairs = [
        (space.code(c), encode(space.simplified(c)), encode(pruned(space.language, space.code(c)))) for c in candidates
    ]
    one, other = (
        space.language.predictions([pair[n] for pair in pairs], X[:15], Y[:15], X[15:], seed=2) for n in (0, 1)
    )
    fine = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    assert fine.mean() > 0.3
    assert (one[fine] == other[fine]).all(axis=1).mean() > 0.99
    assert sum(len(short) < len(live) for _, short, live in pairs) > 30


def test_simplifying_finds_sums_of_zeros() -> None:
    space = ProgramSpace(setup=(0, 9), predict=(0, 9), learn=(0, 9))
    written = {
        "setup": ["v2 = s2 * v1", "s3 = 0.5", "no_op()"],
        "predict": ["s2 = dot(v0, v2)", "s1 = s2 + s3"],
        "learn": ["v2 = v2 + v1"],
    }
    short = space.text.write_program(space.simplified(space.decode(written)))
    assert short == {"setup": ["s2 = 0.5"], "predict": ["s1 = s3 + s2"], "learn": []}
    assert space.describe(space.decode(written)) == "setup: s2 = 0.5 | predict: s1 = s3 + s2 | learn: nothing"


def run_exported(source: str, *arguments: Any) -> np.ndarray:
    names: dict[str, Any] = {}
    exec(compile(source, "exported.py", "exec"), names)  # our own file, run as a user would
    return np.asarray(names["run"](*arguments))


@pytest.mark.parametrize("probabilities", [False, True])
def test_exported_files_predict_the_same(probabilities: bool) -> None:
    space = ProgramSpace(
        scalars=5, vectors=5, matrices=3, setup=(0, 8), predict=(1, 10), learn=(0, 15),
        error_limit=1e300, probabilities=probabilities,
    )  # fmt: skip
    rng = np.random.default_rng(11)
    candidates = space.mutate_many(space.sample_many(500, rng), rng)
    labels = (Y > 0).astype(float) if probabilities else Y
    compiled = space.language.predictions([space.code(c) for c in candidates], X[:8], labels[:8], X[8:20], seed=7)
    drawing = 0
    for candidate, predictions in zip(candidates, compiled, strict=True):
        if not np.isfinite(predictions[:8]).all():
            continue  # it ended while learning
        wanted = predictions[8:]
        source = space.exported(candidate)
        drawing += "def mix" in source
        got = run_exported(source, X[:8], labels[:8], X[8:20], 7)
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12, err_msg=source)
    assert drawing > 50


def test_draws_depend_on_their_address_alone() -> None:
    one = normals((1000, 3), 5, 6)
    np.testing.assert_array_equal(one, normals((1000, 3), 5, 6))
    np.testing.assert_array_equal(one[:10], normals((10, 3), 5, 6))
    assert abs(one.mean()) < 0.06
    assert abs(one.std() - 1) < 0.05
    flat = uniforms((3000,), 1)
    assert 0 < flat.min() < 0.01
    assert 0.99 < flat.max() < 1
    assert abs(np.corrcoef(flat, uniforms((3000,), 2))[0, 1]) < 0.06
    assert abs(np.corrcoef(flat[1:], flat[:-1])[0, 1]) < 0.06


def test_draws_differ_by_task_step_and_seed() -> None:
    language = ProgramLanguage(features=F)
    text = ProgramText(language)
    code = text.read_program({"setup": ["v1 = gaussian(0.5, 2.0)"], "predict": ["s1 = uniform(0.0, 1.0)"], "learn": []})
    got = language.predictions([code], X[:10], Y[:10], X[10:], seed=3)[0]
    assert len(set(got.tolist())) == 30
    other = language.predictions([code], X[:10], Y[:10], X[10:], seed=4)[0]
    assert not np.intersect1d(got, other).size


def test_codes_read_back() -> None:
    program = (
        (Instruction(56, 2, x=0.5),),
        (Instruction(27, 1, 0, 1),),
        (Instruction(58, 0, i=1, j=3, x=-2.0), Instruction(0)),
    )
    assert decode(encode(program)) == program
