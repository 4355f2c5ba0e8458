"""Programs as text: every operation reads back, and bad lines are refused with their place named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from automl.errors import InvalidCandidate, InvalidInput, InvalidSpace
from automl.jsontext import canonical
from automl.spaces.contract import checked
from automl.spaces.programs.code import Instruction
from automl.spaces.programs.language import ProgramLanguage
from automl.spaces.programs.operations import OPERATIONS, own_operation
from automl.spaces.space import Candidate
from search_spaces.algorithms.program import ProgramSpace
from search_spaces.algorithms.program_text import ProgramText, explain

LANGUAGE = ProgramLanguage(features=4, scalars=4, vectors=3, matrices=2)
TEXT = ProgramText(LANGUAGE)


def test_there_are_the_65_operations_of_table_s1() -> None:
    assert len(OPERATIONS) == 65
    assert len({operation.name for operation in OPERATIONS}) == 65
    assert OPERATIONS[0].name == "no_op"
    assert OPERATIONS[27].form == "dot({0}, {1})"
    assert OPERATIONS[64].name == "matrix_gaussian_set"


@pytest.mark.parametrize("number", range(65))
def test_every_operation_reads_back(number: int) -> None:
    operation = OPERATIONS[number]
    instruction = Instruction(
        number,
        out=1 if operation.output else 0,
        first=2 % LANGUAGE.count(operation.inputs[0]) if operation.inputs else 0,
        second=1 if len(operation.inputs) > 1 else 0,
        i=3 if operation.indices else 0,
        j=2 if operation.indices > 1 else 0,
        x=-0.123456 if operation.constants else 0.0,
        y=1e-7 if operation.constants > 1 else 0.0,
    )
    line = TEXT.write(instruction)
    assert TEXT.read(line, "line 1") == instruction
    assert TEXT.read(f"  {line.replace(', ', ' ,  ')} ", "line 1") == instruction
    assert "{" not in explain(LANGUAGE, instruction)


def test_the_text_is_that_of_the_design() -> None:
    assert TEXT.read("s2 = 0.5", "") == Instruction(56, 2, x=0.5)
    assert TEXT.read("s1 = dot(v0, v1)", "") == Instruction(27, 1, 0, 1)
    assert TEXT.read("v1[2] = -3", "") == Instruction(57, 1, i=2, x=-3.0)
    assert TEXT.read("m0[1, 2] = 1e-3", "") == Instruction(58, 0, i=1, j=2, x=0.001)
    assert TEXT.read("v2 = gaussian(0.5, 0.1)", "") == Instruction(63, 2, x=0.5, y=0.1)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("s3 = dott(v0, v1)", "unknown operation 'dott'; did you mean dot"),
        ("s9 = s1 + s2", "address s9 is out of range; this language has s0 to s3"),
        ("s3 = s1 + s7", "address s7 is out of range"),
        ("s3 = v0 + v1", "types do not match"),
        ("v1 = dot(v0, v1)", "types do not match; it can be s = dot(v,v)"),
        ("s0 = 0.5", "s0 holds the label and cannot be written"),
        ("v0 = v1 + v2", "v0 holds the features and cannot be written"),
        ("v1[4] = 0.5", "index 4 is out of range; indices go from 0 to 3"),
        ("s1 = nan", "constants must be finite"),
        ("s1 = 1e999", "constants must be finite"),
        ("x1 = 0.5", "memory 'x' does not exist"),
        ("__import__('os').system('true')", "is no instruction"),
        ("s1 = __import__('os')", "unknown operation"),
        ("s1 = dot(v0, v1, v2)", "'dot' is not used like this"),
        ("", "is no instruction"),
    ],
)
def test_bad_lines_are_refused_with_function_and_line(line: str, says: str) -> None:
    with pytest.raises(InvalidCandidate) as caught:
        TEXT.read_program({"setup": ["s2 = 0.5"], "predict": [], "learn": ["s2 = 0.5", "s2 = 0.1", line]})
    assert str(caught.value).startswith("learn line 3: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"setup": [], "predict": []},
        {"setup": [], "predict": "s1 = 0.5", "learn": []},
        {"setup": [1], "predict": [], "learn": []},
    ],
)
def test_data_that_is_no_program_is_refused(value: object) -> None:
    with pytest.raises(InvalidCandidate):
        TEXT.read_program(value)


@pytest.fixture(scope="module")
def space() -> ProgramSpace:
    return ProgramSpace(scalars=6, vectors=5, matrices=3, setup=(0, 9), predict=(1, 9), learn=(0, 19))


def test_candidates_read_back_as_themselves(space: ProgramSpace) -> None:
    rng = np.random.default_rng(3)
    population = space.sample_many(100, rng)
    for _ in range(20):
        population = space.mutate_many(population, rng)
        for candidate in population:
            again = space.decode(json.loads(candidate.json))
            assert again == candidate
            assert space.code(again) == space.code(candidate)
            assert canonical(candidate.value) == candidate.json
            assert space.code(Candidate(candidate.value)) == space.code(candidate)
    checked(space, population[0].value)


def test_a_program_of_another_length_or_operation_is_refused() -> None:
    space = ProgramSpace(setup=1, predict=1, learn=0, operations=["scalar_const_set", "vector_inner_product"])
    fine = {"setup": ["s2 = 0.5"], "predict": ["s1 = dot(v0, v1)"], "learn": []}
    assert space.decode(fine).value == fine
    with pytest.raises(InvalidCandidate, match="setup has 2 instructions; this space has 1"):
        space.decode({**fine, "setup": ["s2 = 0.5", "s2 = 0.5"]})
    with pytest.raises(
        InvalidCandidate, match="predict line 1: 's1 = s2 - s3': this space does not allow 'scalar_diff'"
    ):
        space.decode({**fine, "predict": ["s1 = s2 - s3"]})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"features": 0}, "features=0"),
        ({"features": -3}, "features=-3"),
        ({"features": 2.5}, "features=2.5"),
        ({"scalars": 1}, "scalars=1"),
        ({"scalars": 40, "vectors": 40}, "more than 64 addresses"),
        ({"operations": ["dot"]}, "unknown operation 'dot'"),
        ({"operations": "vector_sum"}, "give a list"),
        ({"operations": {"setup": ["vector_sum"]}}, "give them for setup, predict and learn"),
        ({"matrices": 0, "operations": ["matrix_sum"]}, "no operation that this memory can hold"),
        ({"setup": (5, 2)}, "setup=\\(5, 2\\)"),
        ({"learn": 999}, "learn=999"),
        ({"mutation_probability": 1.5}, "mutation_probability=1.5"),
        ({"mutations": ["swap"]}, "unknown mutation 'swap'"),
        ({"mutations": []}, "at least one"),
        ({"error_limit": 0.0}, "error_limit=0.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        ProgramSpace(**settings)  # type: ignore[arg-type]


def test_settings_make_the_same_space_again() -> None:
    space = ProgramSpace(features=3, setup=4, predict=(1, 3), operations=["scalar_const_set", "vector_sum"])
    again = ProgramSpace(**json.loads(json.dumps(space.settings())))
    assert again.settings() == space.settings()
    one, other = (s.sample_many(5, np.random.default_rng(0)) for s in (space, again))
    assert one == other


def test_two_operations_of_one_name_are_refused() -> None:
    def cube(out: np.ndarray, a: np.ndarray) -> None:
        out[:] = a**3

    operation = own_operation("cube", "s", ("s",), cube)
    with pytest.raises(InvalidInput, match="two operations called 'cube'"):
        ProgramLanguage(own=(operation, operation))
    with pytest.raises(InvalidInput, match="is none of 's'"):
        own_operation("cube", "x", ("s",), cube)
    with pytest.raises(InvalidInput, match="it one or two"):
        own_operation("cube", "s", (), cube)
    assert issubclass(InvalidSpace, InvalidInput)
