"""Programs that compute the same have one key, however they are written; programs that do not have two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from automl.evaluators.base import Evaluation, Work
from automl.hashing import Hasher
from automl.spaces.programs.code import Instruction, decode, encode
from search_spaces.algorithms.program import ProgramSpace
from workers.algorithms.programs import ProgramTasks

USED = 4  # addresses of each type that original programs use; rewritten ones may use all
EVERY = {"s": 7, "v": 7, "m": 6}

Program = list[list[Instruction]]


class Rewriter:
    """Writes a program differently. It knows operations by what they read and write, and nothing of hashing."""

    def __init__(self, space: ProgramSpace, rng: np.random.Generator) -> None:
        self.operations = space.language.operations
        self.rng = rng

    def touched(self, item: Instruction) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
        """Addresses read and written."""
        operation = self.operations[item.operation]
        reads = set(zip(operation.inputs, (item.first, item.second), strict=False))
        writes = {(operation.output, item.out)} if operation.output else set()
        return reads | (writes if operation.indices else set()), writes

    def add_dead(self, program: Program) -> Program:
        """Inserts an instruction that writes where no original instruction reads, or one that does nothing."""
        part = int(self.rng.integers(3))
        number = int(self.rng.integers(65))
        operation = self.operations[number]
        inputs = [int(self.rng.integers(EVERY[kind])) for kind in operation.inputs]
        first, second = (*inputs, 0, 0)[:2]
        i, j = (*(int(self.rng.integers(4)) for _ in range(operation.indices)), 0, 0)[:2]
        x, y = (*(float(self.rng.random()) for _ in range(operation.constants)), 0.0, 0.0)[:2]
        out = EVERY[operation.output] - 1 if operation.output else 0
        dead = Instruction(number, out, first, second, i, j, x, y)
        lines = list(program[part])
        lines.insert(int(self.rng.integers(len(lines) + 1)), dead)
        return [lines if place == part else function for place, function in enumerate(program)]

    def rename(self, program: Program) -> Program:
        """Exchanges addresses; the label, the prediction and the features keep theirs."""
        fixed = {"s": 2, "v": 1, "m": 0}
        new = {}
        for kind, count in EVERY.items():
            places = np.arange(fixed[kind], count)
            new[kind] = [*range(fixed[kind]), *self.rng.permutation(places).tolist()]

        def renamed(item: Instruction) -> Instruction:
            operation = self.operations[item.operation]
            inputs = [new[kind][n] for kind, n in zip(operation.inputs, (item.first, item.second), strict=False)]
            first, second = (*inputs, 0, 0)[:2]
            out = new[operation.output][item.out] if operation.output else 0
            return item._replace(out=out, first=first, second=second)

        return [[renamed(item) for item in function] for function in program]

    def reorder(self, program: Program) -> Program:
        """Exchanges neighbours that do not touch each other's results."""
        changed = []
        for function in program:
            lines = list(function)
            for _ in range(2 * len(lines)):
                if len(lines) < 2:
                    break
                place = int(self.rng.integers(len(lines) - 1))
                (reads, writes), (next_reads, next_writes) = map(self.touched, lines[place : place + 2])
                if not (writes & (next_reads | next_writes) or next_writes & reads):
                    lines[place], lines[place + 1] = lines[place + 1], lines[place]
            changed.append(lines)
        return changed

    def exchange_operands(self, program: Program) -> Program:
        return [
            [
                item._replace(first=item.second, second=item.first)
                if self.operations[item.operation].commutes and self.rng.random() < 0.5
                else item
                for item in function
            ]
            for function in program
        ]

    def rewrite(self, program: Sequence[Sequence[Instruction]]) -> Program:
        """Composes all of these at random; renaming is last, as dead instructions need an address of their own."""
        written = [list(function) for function in program]
        for step in self.rng.permutation([self.add_dead] * 3 + [self.reorder] * 2 + [self.exchange_operands]):
            written = step(written)
        return self.rename(written)


@pytest.fixture(scope="module")
def narrow() -> ProgramSpace:
    """Programs that leave some addresses alone."""
    return ProgramSpace(scalars=USED, vectors=USED, matrices=USED, setup=(0, 8), predict=(1, 8), learn=(0, 12))


@pytest.fixture(scope="module")
def wide() -> ProgramSpace:
    return ProgramSpace(
        scalars=EVERY["s"], vectors=EVERY["v"], matrices=EVERY["m"], setup=(0, 40), predict=(1, 40), learn=(0, 40)
    )


def keys_of(space: ProgramSpace, codes: Sequence[bytes]) -> list[bytes]:
    from automl.behaviour import Program as Behaviour

    return [item.key for item in Hasher().hash_many([(Behaviour(code, space.language), {}) for code in codes])]


def alike(space: ProgramSpace, program: Sequence[Sequence[Instruction]]) -> Program:
    """Gives all random draws the same constants, so that only their use tells them apart."""
    return [
        [
            item._replace(x=-1.0, y=1.0) if space.language.operations[item.operation].random else item
            for item in function
        ]
        for function in program
    ]


RANDOM = [f"{kind}_{draw}_set" for kind in ("scalar", "vector", "matrix") for draw in ("uniform", "gaussian")]
RICH = [*RANDOM, "vector_sum", "vector_inner_product", "matrix_vector_product", "scalar_sum", "scalar_product",
        "vector_norm", "matrix_sum", "vector_outer_product", "scalar_diff", "vector_const_set"]  # fmt: skip


@pytest.mark.parametrize("operations", [None, RICH], ids=["every operation", "many random draws"])
def test_rewritten_programs_have_one_key_and_one_fitness(wide: ProgramSpace, operations: list[str] | None) -> None:
    narrow = ProgramSpace(
        scalars=USED, vectors=USED, matrices=USED, setup=(0, 8), predict=(1, 8), learn=(0, 12), operations=operations
    )
    rng = np.random.default_rng(17)
    rewriter = Rewriter(wide, rng)
    drawn = narrow.mutate_many(narrow.sample_many(6000, rng), rng)
    originals = [encode(alike(wide, decode(narrow.code(candidate)))) for candidate in drawn]
    rewritten = [encode(rewriter.rewrite(decode(code))) for code in originals]
    assert sum(one != other for one, other in zip(originals, rewritten, strict=True)) > 5900
    apart = [
        number
        for number, (one, other) in enumerate(zip(keys_of(wide, originals), keys_of(wide, rewritten), strict=True))
        if one != other
    ]
    assert not apart, f"{len(apart)} of {len(originals)} told apart, such as {decode(originals[apart[0]])}"
    evaluator = ProgramTasks(problems=3, train_examples=20, held_examples=10)
    seeds = list(range(1000))
    one, _ = evaluator.rate(wide.language, originals[:1000], seeds)
    other, _ = evaluator.rate(wide.language, rewritten[:1000], seeds)
    np.testing.assert_array_equal(one, other)


LINEAR = {
    "setup": ["s2 = 0.1"],
    "predict": ["s1 = dot(v0, v1)"],
    "learn": ["s3 = s0 - s1", "s3 = s2 * s3", "v2 = s3 * v0", "v1 = v1 + v2"],
}


@pytest.mark.parametrize(
    "change",
    [
        {"setup": ["s2 = 0.1001"]},
        {"setup": []},
        {"predict": ["s1 = dot(v1, v1)"]},
        {"predict": ["s1 = dot(v0, v1)", "s1 = s1 + s2"]},
        {"predict": ["s1 = dot(v0, v1)", "s1 = abs(s1)"]},
        {"learn": [*LINEAR["learn"][:3], "v1 = v1 - v2"]},
        {"learn": ["v2 = s3 * v0", *LINEAR["learn"][:2], "v1 = v1 + v2"]},
        {"setup": ["s2 = 0.1", "v1 = gaussian(0.0, 0.1)"]},
        {"setup": ["s2 = 0.1", "v1[0] = 0.001"]},
    ],
)
def test_different_programs_have_different_keys(wide: ProgramSpace, change: dict[str, list[str]]) -> None:
    one, other = keys_of(wide, [wide.text.read_program(LINEAR), wide.text.read_program({**LINEAR, **change})])
    assert one != other


def test_draws_are_told_apart_by_use_not_by_order(wide: ProgramSpace) -> None:
    def program(*lines: str) -> bytes:
        return wide.text.read_program({"setup": lines[:2], "predict": lines[2:], "learn": []})

    one, same, doubled = keys_of(
        wide,
        [
            program(
                "v1 = gaussian(0.0, 1.0)",
                "v2 = gaussian(0.0, 1.0)",
                "s2 = dot(v0, v1)",
                "s3 = norm(v2)",
                "s1 = s2 - s3",
            ),
            program(
                "v3 = gaussian(0.0, 1.0)",
                "v1 = gaussian(0.0, 1.0)",
                "s3 = norm(v3)",
                "s2 = dot(v0, v1)",
                "s1 = s2 - s3",
            ),
            program("v1 = gaussian(0.0, 1.0)", "no_op()", "s2 = dot(v0, v1)", "s3 = norm(v1)", "s1 = s2 - s3"),
        ],
    )
    assert one == same
    assert one != doubled


def test_a_space_with_more_addresses_keeps_the_keys(narrow: ProgramSpace, wide: ProgramSpace) -> None:
    codes = [narrow.code(candidate) for candidate in narrow.sample_many(50, np.random.default_rng(0))]
    assert keys_of(narrow, codes) == keys_of(wide, codes)


def test_equal_keys_mean_equal_fitness(narrow: ProgramSpace) -> None:
    """An audit: all members of each class that an evolution-like walk meets rate alike."""
    rng = np.random.default_rng(5)
    codes: list[bytes] = []
    population = narrow.sample_many(1500, rng)
    for _ in range(4):
        codes += [narrow.code(candidate) for candidate in population]
        population = narrow.mutate_many(population, rng)
    evaluator = ProgramTasks(problems=4, train_examples=30, held_examples=30)
    keys = keys_of(narrow, codes)
    seeds = [int.from_bytes(key[:7], "big") for key in keys]  # as the cache does: equal class, equal seed
    fitness, _ = evaluator.rate(narrow.language, codes, seeds)
    seen: dict[bytes, float] = {}
    wrong = [
        (key, value)
        for key, value in zip(keys, fitness.tolist(), strict=True)
        if abs(seen.setdefault(key, value) - value) > 1e-9
    ]
    assert len(seen) < 0.8 * len(codes)  # there is something to merge
    assert len(wrong) <= 0.002 * len(codes)


def test_evaluator_and_hasher_agree_on_a_work(narrow: ProgramSpace) -> None:
    candidate = narrow.sample(np.random.default_rng(1))
    evaluator = ProgramTasks(problems=2, train_examples=5, held_examples=5)
    metrics = evaluator.evaluate(Work(narrow.behaviour(candidate), {}, candidate.json), Evaluation(3))
    assert metrics == {"fitness": float(evaluator.rate(narrow.language, [narrow.code(candidate)], [3])[0][0])}
