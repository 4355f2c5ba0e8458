"""Spaces of every shape: whatever is sampled, mutated or crossed is what `decode` gives back, or is found out."""

import json
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import automl
from automl import Candidate, Choice, Graph, Integer, Node, Real, Repeat, Space, registry
from automl.errors import AutoMLError, InvalidCandidate, InvalidInput, InvalidSpace
from automl.evaluators.function import FunctionEvaluator
from automl.setup.check import check_space
from automl.setup.first import first_work, further_faults
from automl.setup.parts import PartSettings, assemble
from automl.spaces.cells import CellSpace
from automl.spaces.contract import checked

RNG = np.random.default_rng
counter = iter(range(10**9))


def faults_of(space, evaluator, seed):
    """Returns all that is found wrong before a search, the gravest first."""
    try:
        return list(further_faults(space, evaluator, seed, first_work(space, evaluator, seed)))
    except AutoMLError as error:
        return [error]


def found_by_check(space, evaluator):
    """Returns what `automl check` says is wrong."""
    try:
        found = check_space(assemble(space, PartSettings(evaluator=evaluator)), 12)
    except AutoMLError as error:
        return [str(error)]
    assert not found.sound
    return found.faults


def space_of(fields):
    return type(f"Space{next(counter)}", (Space,), fields)()


# --- property: decode ∘ encode ∘ anything is the identity ------------------------------------------------------------

names = st.sampled_from(["a", "b", "width", "size", "costs", "sample", "training", "settings", "record", "decode"])
numbers = st.one_of(st.integers(-5, 5), st.floats(-1e3, 1e3), st.floats(allow_nan=False, allow_infinity=False))
data = st.recursive(
    st.one_of(numbers, st.booleans(), st.none(), st.text("ab", max_size=2)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["kind", "lr", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def reals(draw):
    low, high = sorted((draw(st.floats(-1e300, 1e300)), draw(st.floats(-1e300, 1e300))))
    if draw(st.booleans()):
        low, high = sorted((draw(st.floats(5e-324, 1e300)), draw(st.floats(5e-324, 1e300))))
        return Real(low, high, log=True)
    return Real(np.float64(low), high)


@st.composite
def integers(draw):
    low, high = sorted((draw(st.integers(-(2**63), 2**63 - 1)), draw(st.integers(-(2**63), 2**63 - 1))))
    log = low >= 1 and draw(st.booleans())
    return Integer(np.int64(low), high, log=log)


@st.composite
def choices(draw):
    options = draw(st.lists(data, min_size=1, max_size=4, unique_by=lambda option: json.dumps(option, sort_keys=True)))
    alone = len(options) == 1 and isinstance(options[0], list)
    return Choice(*options, *(["last"] if alone else []))


leaves = st.one_of(reals(), integers(), choices())


def branch(inner):
    spaces = st.dictionaries(names, inner, min_size=1, max_size=3).map(space_of)
    repeats = st.tuples(inner, st.integers(0, 2), st.integers(0, 3)).map(lambda x: Repeat(x[0], x[1], x[1] + x[2]))
    conditional = st.tuples(st.lists(spaces, min_size=1, max_size=2), st.lists(st.integers(0, 9), unique=True)).map(
        lambda x: Choice(*x[0], *x[1], *({"kind": f"plain{place}"} for place in x[1]))
    )
    return st.one_of(spaces, repeats, conditional)


spaces = st.dictionaries(names, st.recursive(leaves, branch, max_leaves=6), min_size=1, max_size=3).map(space_of)


@settings(max_examples=100, deadline=None)
@given(spaces, st.integers(0, 2**32))
def test_what_a_declared_space_makes_is_what_it_reads(space, seed):
    rng = RNG(seed)
    one, other = space.sample(rng), space.sample(rng)
    made = [one, other]
    for _ in range(4):
        made += [space.mutate(made[-1], rng), space.crossover(one, made[-1], rng)]
    for candidate in made:
        assert checked(space, candidate) is candidate
        assert space.decode(json.loads(candidate.json)).json == candidate.json
        assert space.checked(candidate) is candidate
    size = space.size()
    assert size is None or size >= 1
    assert not any(error for error in faults_of(space, FunctionEvaluator(lambda c: 0.0, code_version="1"), seed))


@pytest.mark.parametrize("name", registry.names("spaces"))
def test_what_a_shipped_space_makes_is_what_it_reads(name):
    found = registry.load("spaces", name)
    space = found if isinstance(found, Space) else found()
    rng = RNG(1)
    made = space.sample_many(12, rng)
    made += space.mutate_many(made, rng)
    made += [space.crossover(one, other, rng) for one, other in zip(made, reversed(made), strict=True)]
    for candidate in made:
        assert space.decode(candidate.value) == candidate
        assert space.decode(json.loads(candidate.json)).json == candidate.json
        assert space.checked(candidate) is candidate


def test_only_programs_that_a_space_encoded_itself_are_known_to_read_back():
    space, smaller = registry.load("spaces", "automl-zero-linear"), registry.load("spaces", "automl-zero-digits")
    space, smaller = (one if isinstance(one, Space) else one() for one in (space, smaller))
    made = space.sample_many(3, RNG(1))
    assert space.reads_back(made)
    assert not space.reads_back([*made, automl.Candidate(made[0].value)])
    assert not smaller.reads_back(made)
    assert space.reads_back([space.decode(one.value) for one in made])


# --- spaces that break the contract ----------------------------------------------------------------------------------


class Base(Space):
    w = Choice(8, 16, 32)


class Floats(Base):
    def sample(self, rng):
        return Candidate({"w": float(super().sample(rng).value["w"])})


class Extra(Base):
    def mutate(self, candidate, rng):
        return Candidate({"w": 8, "note": 1})


class Tuples(Base):
    def crossover(self, one, other, rng):
        return {"w": 8}


class Rounds(Base):
    def decode(self, value):
        return Candidate({"w": 8})


class Grows(Base):
    def decode(self, value):
        return Candidate({"w": value["w"], "seen": value.get("seen", 0) + 1})


class Forgets(Base):
    def decode(self, value):
        Candidate(value)


class Nothing(Base):
    def sample(self, rng):
        return None


BROKEN = [
    (Floats, r"candidate\.w: (8|16|32)\.0 became (8|16|32)"),
    (Extra, r"mutate: .*'note' is no field"),
    (Tuples, r"crossover: .*which is no candidate"),
    (Rounds, r"candidate\.w: (16|32) became 8"),
    (Grows, r"candidate\.seen: 1 became 2"),
    (Forgets, r"decode returns None"),
    (Nothing, r"which is no candidate"),
]


@pytest.mark.parametrize(("space", "words"), BROKEN)
def test_a_space_that_reads_something_else_than_it_makes_is_refused_at_the_start_and_by_check(space, words, tmp_path):
    calls = []

    def rate(c):
        calls.append(c)
        return 1.0

    with pytest.raises(InvalidInput, match=words):
        automl.search(space(), evaluator=rate, trials=6, workers=0, storage=f"sqlite:///{tmp_path}/s.db")
    assert not calls
    assert not (tmp_path / "s.db").exists()
    found = found_by_check(space(), FunctionEvaluator(lambda c: 1.0, code_version="1"))
    assert any(re.search(words, fault) for fault in found)


class SeldomFloats(Space):
    """Writes a whole number as a float for one value that the first samples do not have."""

    w = Integer(0, 10_000)

    def decode(self, value):
        return super().decode({"w": int(value["w"])})

    def sample(self, rng):
        candidate = super().sample(rng)
        return Candidate({"w": 7.0}) if candidate.w > 9_900 else candidate


def test_a_proposal_that_reads_as_another_one_is_evaluated_as_that_and_said_once(tmp_path):
    def rate(c):
        return float(c.w)

    storage = f"sqlite:///{tmp_path}/s.db"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        study = automl.search(
            SeldomFloats(), evaluator=rate, strategy="regularized_evolution", trials=600, workers=0, storage=storage,
            finalists=2,
        )  # fmt: skip
    told = [str(item.message) for item in said if "reads what it proposes" in str(item.message)]
    assert len(told) == 1
    assert "candidate.w: 7.0 became 7" in told[0]
    assert {json.loads(trial.candidate)["w"] for trial in study.trials()} >= {7}
    assert not any("7.0" in trial.candidate for trial in study.trials())
    assert study.best.candidate.w == study.best.fitness


class Restless(Space):
    """Its behaviour is a module of another function each time that it is built."""

    w = Choice(1, 2, 3)

    def build(self, c):
        import torch

        class Shifted(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.shift = next(counter)

            def forward(self, x):
                return x + self.shift

        return Shifted()


def test_confirmation_ends_where_a_candidate_has_another_key_each_time(tmp_path):
    class Rated(FunctionEvaluator):
        def probe(self):
            return automl.Probe(inputs=(automl.Array((4,)),))

    def rate(c, seed):
        return float(c.w)

    storage = f"sqlite:///{tmp_path}/s.db"
    evaluator = Rated(rate, code_version="1")
    study = automl.search(Restless(), evaluator=evaluator, trials=6, workers=0, storage=storage, finalists=2, sample=2)
    assert study.finished
    assert study.best.fitness == 3.0
    confirmed = [record for record in study.store.phase_studies(study.record_id) if record.kind == "confirmation"]
    assert confirmed[0].trials <= 2 * 2 * 3


def test_the_place_where_two_candidates_differ_is_named():
    from automl.spaces.differences import difference

    for one, other, words in (
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "candidate.a[1].b: 2 became 3"),
        ({"a": 1}, {"a": 1, "b": 2}, "candidate.b appears"),
        ({"a": 1, "b": 2}, {"a": 1}, "candidate.b is lost"),
        ([1, 2], [1], "candidate: [1, 2] became [1]"),
        ("x", "y", "candidate: 'x' became 'y'"),
        ({"a": 1}, {"a": True}, "candidate.a: 1 became True"),
    ):
        assert difference(one, other) == words


# --- operations, networks and other first sights ---------------------------------------------------------------------


class Named(CellSpace):
    operation = Choice("relu", "avg_pol_3x3")

    def graph(self, candidate):
        return Graph((Node("input"), Node(candidate.operation, (0,))), (1,))


class Summed(CellSpace):
    operation = Choice("relu", "tanh")

    def graph(self, candidate):
        return Graph((Node("input"), Node(candidate.operation, (0,)), Node("sum", (0, 1))), (2,))


class Own(CellSpace):
    operation = Choice("relu", "mine", "skip_connect", "none")

    def graph(self, candidate):
        nodes = (Node("input"), Node(candidate.operation, (0,)), Node("add", (0, 1)))
        return Graph(nodes, (2,), operations={"mine": np.abs})


def test_a_graph_that_names_an_unknown_operation_is_refused_with_the_nearest_names(tmp_path):
    evaluator = FunctionEvaluator(lambda c: 1.0, code_version="1")
    for space, words in ((Named(), "'avg_pol_3x3'.*did you mean avg_pool_3x3"), (Summed(), "operation 'sum'")):
        with pytest.raises(InvalidSpace, match=words):
            automl.search(space, evaluator=evaluator, trials=2, workers=0, storage=f"sqlite:///{tmp_path}/s.db")
    assert not list(faults_of(Own(), evaluator, 0))


def test_a_space_whose_networks_cannot_be_trained_is_refused_before_anything_is_paid_for():
    nn = pytest.importorskip("torch").nn

    class Two(nn.Module):
        def forward(self, x):
            return x, x

    builds = {
        "returns 'a net' instead of a torch.nn.Module": lambda self, c: "a net",
        "does it end with `return`": lambda self, c: None,
        "returns <class": lambda self, c: nn.Linear,
        "mat1 and mat2": lambda self, c: nn.Sequential(nn.Flatten(), nn.Linear(63, 10)),
        r"outputs of shape \(2, 8\)": lambda self, c: nn.Sequential(nn.Flatten(), nn.Linear(64, 8)),
        r"outputs of shape \(2, 1, 8, 10\)": lambda self, c: nn.Linear(8, 10),
        "returns tuple instead of a tensor": lambda self, c: Two(),
        "cannot be trained; it needs a torch module": None,
    }
    for words, build in builds.items():
        space = type("Network", (Base,), {} if build is None else {"build": build})()
        with pytest.raises(InvalidInput, match=words):
            raise next(iter(faults_of(space, automl.Classification("digits", epochs=1), 0)))


def test_a_space_of_which_some_networks_fail_is_searched():
    torch = pytest.importorskip("torch")

    class Some(Space):
        w = Choice(*range(1, 9))

        def build(self, c):
            return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 if c.w % 2 else 63, 10))

    for seed in range(4):
        works = list(faults_of(Some(), automl.Classification("digits", epochs=1), seed))
        assert len(works) <= 1  # all of three samples fail now and then
    assert any(not list(faults_of(Some(), automl.Classification("digits", epochs=1), seed)) for seed in range(4))


@pytest.mark.parametrize(
    ("name", "method", "words"),
    [
        ("training", lambda self, c: None, r"training\(\) of S returns None"),
        ("training", lambda self, c: {"lr": {1, 2}}, "cannot be written as JSON"),
        ("behaviour", lambda self, c: None, r"behaviour\(\) of S returns None"),
        ("costs", lambda self, c: {"latency": float("nan")}, r"costs\(\) of S gives latency=nan"),
        ("costs", lambda self, c: {"latency": "fast"}, r"costs\(\) of S gives latency='fast'"),
        ("costs", lambda self, c: {}["parameters"], r"costs\(\) of S raises KeyError"),
        ("costs", lambda self, c: 3, r"costs\(\) of S returns 3"),
    ],
)
def test_what_a_space_says_of_a_candidate_is_looked_at_first(name, method, words):
    space = type("S", (Base,), {name: method})()
    evaluator = FunctionEvaluator(lambda c: 1.0, code_version="1")
    with pytest.raises(InvalidInput, match=words):
        automl.search(space, evaluator=evaluator, trials=2, workers=0)
    assert any(re.search(words, fault) for fault in found_by_check(space, evaluator))


def test_check_does_not_call_a_space_sound_that_is_keyed_by_its_json(tmp_path):
    file = tmp_path / "blind.py"
    file.write_text(
        "from automl import Choice, Graph, Node\nfrom automl.spaces.cells import CellSpace\n"
        "class Cells(CellSpace):\n    a = Choice('relu', 'tanh')\n"
        "    def graph(self, c):\n        return Graph((Node('input'), Node(c.a, (0,))), (1,))\n"
    )
    command = [sys.executable, "-c", "from automl.cli import main; main()", "check", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "not sound: 50 of 50 candidates are keyed by their JSON" in run.stdout
    assert "the probe has 0" in run.stdout


def test_decode_refuses_what_is_no_candidate_of_the_space():
    with pytest.raises(InvalidCandidate):
        checked(Base(), {"w": 9})
    assert checked(Base(), {"w": 8}).w == 8
