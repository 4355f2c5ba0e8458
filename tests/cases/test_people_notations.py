"""Candidates in the notations that papers and their code publish: one candidate and one key, however it is written."""

import collections
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl.cli.candidates import written_candidates
from automl.errors import InvalidCandidate
from automl.hashing import Hasher
from search_spaces.algorithms.program import ProgramSpace
from search_spaces.nas.darts import DARTS, to_genotype
from search_spaces.nas.genotypes import ALL_NODES, OPERATIONS
from search_spaces.nas.nasbench101 import NASBench101
from search_spaces.nas.nasbench201 import NASBench201

RNG = np.random.default_rng


def key(space, value):
    candidate = space.decode(value)
    assert space.decode(candidate.value) == candidate
    return Hasher().hash_many([(space.behaviour(candidate), {})], [candidate.json])[0].key


# --- DARTS -----------------------------------------------------------------------------------------------------------

Genotype = collections.namedtuple("Genotype", "normal normal_concat reduce reduce_concat")  # as in the papers' code


def layouts(value):
    flat = {name: [edge for pair in value[name] for edge in pair] for name in ("normal", "reduce")}
    tuples = {name: [tuple(edge) for edge in flat[name]] for name in flat}
    pairs = {name: [tuple(map(tuple, pair)) for pair in value[name]] for name in flat}
    numpy = {name: [(op, np.int64(at)) for op, at in flat[name]] for name in flat}
    text = to_genotype(value)
    lines = (
        text.replace(", normal", ",\n    normal").replace("(normal", "(\n    normal").replace(", reduce", ",\n reduce")
    )
    return {
        "ours": value,
        "JSON": json.loads(json.dumps(value)),
        "pairs of tuples": pairs,
        "flat": flat,
        "flat with concat": {**flat, "normal_concat": ALL_NODES, "reduce_concat": [5, 4, 3, 2]},
        "ranges": {**flat, "normal_concat": range(2, 6), "reduce_concat": range(2, 6)},
        "named tuple": Genotype(tuples["normal"], range(2, 6), tuples["reduce"], [2, 3, 4, 5]),
        "four parts": [flat["normal"], ALL_NODES, flat["reduce"], ALL_NODES],
        "two parts": [flat["normal"], flat["reduce"]],
        "numpy": numpy,
        "numpy's text": f"Genotype(normal={numpy['normal']}, normal_concat=range(2, 6), reduce={numpy['reduce']})",
        "text": text,
        "text with a name": f"DARTS_V2 = {text}",
        "text of a module": f"  genotypes.{text}\n",
        "text over lines": lines,
        "text by position": f"Genotype({tuples['normal']}, [2, 3, 4, 5], {tuples['reduce']}, list(range(2, 6)))",
        "text of a dict": str({name: pairs[name] for name in pairs}),
        "text of JSON": json.dumps(value),
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_genotype_has_one_key_in_every_layout(seed):
    space = DARTS()
    candidate = space.sample(RNG(seed))
    found = {name: space.decode(value) for name, value in layouts(candidate.value).items()}
    assert {one.json for one in found.values()} == {candidate.json}
    assert key(space, to_genotype(candidate.value)) == key(space, candidate.value)


@pytest.mark.parametrize("nodes", [[5], [2, 3], [4, 5], [2, 5], [3, 4, 5]])
def test_other_concatenations_are_read_written_and_other_functions(nodes):
    space = DARTS()
    base = space.sample(RNG(5)).value
    other = space.decode({**base, "normal_concat": nodes[::-1]})
    assert other.value == {**base, "normal_concat": nodes}
    assert space.decode(to_genotype(other.value)) == other
    assert key(space, other.value) != key(space, base)
    rng = RNG(0)
    for child in (space.mutate(other, rng), space.crossover(other, space.decode(base), rng)):
        assert space.decode(child.value) == child
        assert child.value["normal_concat"] == nodes
    assert str(nodes) in space.describe(other)


def test_an_edge_that_is_none_is_no_edge():
    space = DARTS()
    base = space.sample(RNG(2)).value
    kept = base["normal"][2][0]
    written = [[["none", source], kept] for source in range(4) if source != kept[1]] + [
        [kept, ["none", kept[1]]]
    ]  # its input says nothing, even where it is the other edge's
    keys = {key(space, {**base, "normal": [*base["normal"][:2], node, base["normal"][3]]}) for node in written}
    assert len(keys) == 1
    assert keys != {key(space, base)}
    alone = {**base, "reduce": [[["none", 0], ["none", 1]], *base["reduce"][1:]]}
    key(space, alone)
    text = Path(__file__).with_name("genotype_with_none.json").read_text()
    found = space.decode(json.loads(text))
    assert space.decode(to_genotype(found.value)) == found
    assert "none" in space.describe(found)
    assert space.picture(found).number_of_edges() == 14
    assert not any("none" in space.sample(RNG(seed)).json for seed in range(50))
    assert space.size() == (6 * 12 * 20 * 2) ** 2 * len(OPERATIONS) ** 16 or space.size() > 10**17


NODE = [["skip_connect", 0], ["max_pool_3x3", 1]]
GOOD = {"normal": [NODE] * 4, "reduce": [NODE] * 4}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"normal": [NODE] * 4}, "is no genotype; write Genotype"),
        ({**GOOD, "normal": [NODE] * 5}, r"normal: .* must list 4 nodes"),
        ({**GOOD, "normal": [edge for _ in range(5) for edge in NODE]}, "10 edges; a cell of DARTS has 4 nodes"),
        (
            {**GOOD, "normal": [[["sep_conv_7x7", 0], NODE[1]], *[NODE] * 3]},
            r"normal\[0\]: 'sep_conv_7x7' is no operation",
        ),
        (
            {**GOOD, "normal": [[["skip_connect", 2], NODE[1]], *[NODE] * 3]},
            r"input 2 must be a whole number from 0 to 1",
        ),
        ({**GOOD, "normal": [[["skip_connect", True], NODE[1]], *[NODE] * 3]}, "input True"),
        ({**GOOD, "normal": [[NODE[0], NODE[0]], *[NODE] * 3]}, "both edges read input 0"),
        ({**GOOD, "normal_concat": [0, 5]}, "normal_concat: .* must list nodes"),
        ({**GOOD, "normal_concat": []}, "normal_concat"),
        ({**GOOD, "normal_concat": [2, 2]}, "normal_concat"),
        ({**GOOD, "auxiliary": 1}, "no part 'auxiliary'"),
        ("Genotype(normal=[('skip_connect', 0)], reduce=__import__('os').system('true'))", "it calls 'system'"),
        ("Genotype(normal=[x for x in y], reduce=[])", "it holds more than"),
        ("Genotype(normal=[", "is no genotype"),
        ("Genotype(normal=[1], reduce=range(10**9))", "is no genotype"),
        ("Genotype(normal=[1], reduce=range(1000))", "its range"),
        ("import os", "it is not one expression"),
        ("(" * 5000, "is no genotype"),
        ("x" * 30_000, "20,000 characters"),
        (7, "is no genotype"),
        (None, "is no genotype"),
    ],
)
def test_what_is_no_genotype_is_refused_with_its_place(value, words):
    with pytest.raises(InvalidCandidate, match=words) as caught:
        DARTS().decode(value)
    assert len(str(caught.value)) < 600


def command(*arguments):
    script = "from automl.cli import main; main()"
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout.split(), run.stderr


def test_files_of_genotypes_and_programs_are_read(tmp_path):
    space = DARTS()
    values = [space.sample(RNG(seed)).value for seed in range(3)]
    one, other, third = (layouts(value) for value in values)
    path = tmp_path / "genotypes.txt"
    path.write_text(
        f"# found by somebody\n{one['text over lines']}\n\n{json.dumps(other['flat'])}\nBEST = {third['text']}\n"
    )
    code, keys, _ = command("hash", "darts", "--input", str(path))
    assert code == 0
    assert keys == [key(space, value).hex() for value in values]
    path.write_text(f"{one['text']}\nGenotype(normal=1)\n")
    code, _, error = command("hash", "darts", "--input", str(path))
    assert code == 2
    assert error.startswith("automl: line 2: ")
    path.write_text(FIGURE + "\n" + LINEAR)
    code, keys, error = command("hash", "automl-zero-digits", "--set", "vectors=9", "--input", str(path))
    assert (code, len(keys)) == (0, 2), error


def test_a_text_of_several_lines_ends_with_its_brackets_and_a_program_with_the_next():
    lines = [
        '{"x": 1}',
        "",
        "# a note",
        "Genotype(",
        " a,",
        ")",
        "{",
        "word",
        *LINEAR.splitlines(),
        *LINEAR.splitlines(),
    ]
    found = list(written_candidates(lines))
    assert [number for number, _ in found] == [1, 4, 7, 8, 9, 9 + len(LINEAR.splitlines())]
    assert found[1][1] == "Genotype(\n a,\n)"
    assert found[4][1].strip() == found[5][1].strip() == LINEAR.strip()


# --- NAS-Bench-201, NAS-Bench-101 ------------------------------------------------------------------------------------


def test_white_space_in_a_cell_of_nasbench201_says_nothing():
    space = NASBench201()
    text = space.sample(RNG(0)).value
    for spaced in (f" {text}\n", text.replace("|", " | "), text.replace("|+|", "|+\n|"), text.replace("~", " ~ ")):
        assert space.decode(spaced).value == text
    for wrong in (text.replace("|+|", "|"), text + "|", "", " " * 5000, text.replace("~0", "~1"), 5):
        with pytest.raises(InvalidCandidate):
            space.decode(wrong)


def test_matrices_of_nasbench101_come_as_lists_arrays_and_floats():
    space = NASBench101()
    candidate = space.sample(RNG(0))
    matrix, ops = candidate.value["matrix"], candidate.value["ops"]
    forms = [
        {"matrix": np.array(matrix), "ops": ops},
        {"matrix": np.array(matrix, dtype=np.float32), "ops": np.array(ops)},
        {"matrix": [np.array(row, dtype=np.int8) for row in matrix], "ops": tuple(ops)},
        {"matrix": [[float(item) for item in row] for row in matrix], "ops": ops},
        {"module_adjacency": matrix, "module_operations": ops},
    ]
    for form in forms:
        found = space.decode(form)
        assert found == candidate
        assert type(found.value["matrix"][0][0]) is int
        assert type(found.value["ops"][0]) is str
    for wrong in (np.array(matrix) * 2, np.array(matrix).T, np.array(matrix) * 0.5, np.array(matrix)[:2], "01", None):
        with pytest.raises(InvalidCandidate) as caught:
            space.decode({"matrix": wrong, "ops": ops})
        assert len(str(caught.value)) < 400


# --- programs --------------------------------------------------------------------------------------------------------

LINEAR = """def Setup():
  s2 = 0.01  # learning rate
def Predict():  # v0 = features
  s1 = dot(v0, v1)

def Learn():
  # s0 = label
  s3 = s0 - s1
  s3 = s3 * s2
  v2 = v0 * s3
  v1 = v1 + v2
"""

FIGURE = """# sX/vX/mX = scalar/vector/matrix at address X.
def Setup():
  m1 = gaussian(-1e-10, 9e-09)    # 1st layer weights
  s3 = 4.1
def Predict():
  v6 = dot(m1, v0)     # apply them
  v7 = maximum(0, v6)  # ReLU
  s1 = dot(v7, v4)
def Learn():
  v3 = heaviside(v6, 1.0)  # its gradient
  s1 = s0 - s1
  s2 = s1 * s3
  v2 = s2 * v3
  v3 = v2 * v4
  m0 = outer(v3, v0)
  m1 = m1 + m0
  v4 = v2 + v4
"""
"""A program as in figure 5 of the paper."""


def roomy():
    return ProgramSpace(scalars=8, vectors=9, matrices=3, setup=(0, 10), predict=(0, 10), learn=(0, 20))


PLAIN = {
    "setup": ["s2 = 0.01"],
    "predict": ["s1 = dot(v0, v1)"],
    "learn": ["s3 = s0 - s1", "s3 = s3 * s2", "v2 = s3 * v0", "v1 = v1 + v2"],
}


@pytest.mark.parametrize(
    "value",
    [
        LINEAR,
        LINEAR.replace("  ", "\t").lower(),
        LINEAR.replace("dot(v0, v1)", "np.dot(v0, v1)"),
        LINEAR.replace("dot(v0, v1)", "v0 @ v1"),
        LINEAR.replace("():", "(s0, v0) -> None:"),
        "def Setup(): s2 = 0.01\ndef Predict(): s1 = dot(v0, v1)\n"
        "def Learn(): s3 = s0 - s1; s3 = s3*s2; v2 = v0*s3; v1 = v1+v2",
        {
            **PLAIN,
            "setup": ["# the rate", "s2 = 0.01  # small"],
            "learn": [*PLAIN["learn"][:2], "v2 = v0 * s3", PLAIN["learn"][3]],
        },
    ],
)
def test_the_papers_notation_is_the_program(value):
    space = roomy()
    assert space.decode(value).value == PLAIN
    assert key(space, value) == key(space, PLAIN)


def test_the_papers_figure_is_read():
    space = roomy()
    found = space.decode(FIGURE)
    assert found.value["predict"] == ["v6 = dot(m1, v0)", "v7 = maximum(v6, v5)", "s1 = dot(v7, v4)"]
    assert found.value["learn"][0] == "v3 = heaviside(v6)"
    for left, right in (
        ("m1 = m1.T", "m1 = transpose(m1)"),
        ("m1 = m0 @ m2", "m1 = matmul(m0, m2)"),
        ("v1 = m0 @ v2", "v1 = dot(m0, v2)"),
        ("m1 = m0 * s2", "m1 = s2 * m0"),
        ("v1 = bcast(s2)", "v1 = broadcast(s2)"),
        ("s1 = np.exp(s2)", "s1 = exp(s2)"),
    ):
        assert space.decode({"setup": [left], "predict": [], "learn": []}).value["setup"] == [right]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("s2 = 1", "stands outside a function"),
        ("def Main(): pass", "'Main' is none of a program's"),
        ("def Setup(): pass\ndef Setup(): pass", "is defined twice"),
        ("def Setup(): import os", "is no instruction"),
        ("def Setup(): s2 = __import__('os').system('true')", "unknown operation"),
        ("def Setup(): s2 = s1 ** 2", "unknown operation"),
        ("def Setup(): v1 = dot(v0, m0)", "types do not match"),
        ("def Setup(): v1 = v0 @ m0", "types do not match"),
        ("x" * 200_000, "100,000 characters"),
        ("# nothing", "is no program"),
        ({"setup": "s2 = 1", "predict": [], "learn": []}, "is not a list of lines"),
        ({"setup": [], "predict": []}, "is no program"),
    ],
)
def test_what_is_no_program_is_refused_with_its_line(value, words):
    with pytest.raises(InvalidCandidate, match=words) as caught:
        roomy().decode(value)
    assert len(str(caught.value)) < 700
