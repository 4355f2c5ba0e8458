"""What people write where a field belongs: every kind of slip works, or is refused in one sentence that names it."""

import sys

import numpy as np
import pytest

import automl
from automl import Candidate, Choice, Integer, Real, Repeat, Space
from automl.errors import InvalidCandidate, InvalidSpace
from automl.hashing import Hasher
from automl.jsontext import canonical

RNG = np.random.default_rng


class Inner(Space):
    depth = Integer(1, 3)


def space_of(**fields):
    return type("S", (Space,), fields)()


# --- names that hide methods -----------------------------------------------------------------------------------------

METHODS = sorted(name for name in vars(Space) if not name.startswith("_") and name != "kind")


@pytest.mark.parametrize("name", METHODS)
def test_a_field_may_be_called_like_a_method_and_the_method_stays(name):
    class OnInstance(Space):
        b = Choice(1, 2)

        def __init__(self):
            setattr(self, name, Integer(1, 40))

    for space in (space_of(**{name: Integer(1, 40), "b": Choice(1, 2)}), OnInstance()):
        assert set(space.record.fields) == {name, "b"}
        candidate = space.sample(RNG(3))
        assert space.decode(candidate.value) == candidate
        assert space.mutate(candidate, RNG(0)) != candidate
        assert getattr(candidate, name) == candidate.value[name]
        assert not isinstance(getattr(space, name), Integer)
        assert space.size() == 80
        assert dict(space.costs(candidate)) == dict(space.training(candidate)) == dict(space.settings()) == {}


@pytest.mark.parametrize("name", ["kind", "value", "json"])
def test_a_field_called_as_candidates_call_their_own_is_refused_when_the_class_is_made(name):
    with pytest.raises(InvalidSpace, match=f"^S: a field cannot be called '{name}'"):
        space_of(**{name: Choice(1, 2)})
    with pytest.raises(InvalidSpace, match=f"called '{name}'"):
        setattr(Inner(), name, Choice(1, 2))


def test_a_field_set_later_counts():
    class Later(Space):
        a = Choice(1, 2)

    space = Later()
    assert list(space.record.fields) == ["a"]
    space.b = Integer(0, 9)
    assert list(space.record.fields) == ["a", "b"]
    Later.costs = Integer(0, 9)
    assert list(Later().record.fields) == ["a", "costs"]
    assert Later().costs(Later().sample(RNG(0))) == {}


# --- what looks like a field and is none -----------------------------------------------------------------------------

BODY = """
from typing import Any
import numpy as np
import optuna
from automl import *
from automl.spaces.space import Defaults
class Inner(Space):
    depth = Integer(1, 3)
"""


def made_by(line):
    names = {"__name__": "somewhere"}
    exec(f"{BODY}class S(Space):\n    z = Choice(1, 2)\n    {line}\n", names)
    return names["S"]()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a = Choice", "S.a is the class Choice; write Choice"),
        ("a = Inner", "S.a is the class Inner; write Inner"),
        ("a = [8, 16]", r"S.a is a list and no field; write a = Choice\(\*\[8, 16\]\)"),
        ("a = (8, 16)", "S.a is a tuple and no field"),
        ("a = {8, 16}", "S.a is a set and no field"),
        ("a = range(8)", "S.a is a range and no field"),
        ("a = np.arange(3)", "S.a is a ndarray and no field"),
        ("a = (x for x in (1, 2))", "S.a is a generator and no field"),
        ("a = Choice(1, 2),", "a comma too many"),
        ("a: Choice(1, 2)", "S.a is only annotated"),
        ("a: 'Choice(1, 2)'", "S.a is only annotated"),
        ("a = Choice(1, 2); a = Choice(3, 4)", "S.a is declared twice"),
        ("z = 8", "S.z is declared twice"),
        ("a = optuna.distributions.IntDistribution(1, 2)", "of optuna, which is no field here"),
        ("a = Choice([8, 16, 32])", r"write Choice\(\*\[8, 16, 32\]\)"),
        ("a = Choice(range(3))", r"write Choice\(\*range\(0, 3\)\)"),
        ("a = Choice({8})", r"write Choice\(\*\{8\}\)"),
        ("a = Choice(np.array([8, 16]))", r"write Choice\(\*\[8, 16\]\)"),
        ("a = Choice([])", "has one option"),
        ("a = Choice(Inner)", r"write Inner\(\)"),
        ("a = Choice(np.tanh, np.sin)", "give its name"),
        ("a = Choice(Integer(1, 2), 3)", "is a field; declare it in a space"),
    ],
)
def test_a_slip_in_the_body_of_a_class_is_named(line, words):
    with pytest.raises(InvalidSpace, match=words) as caught:
        made_by(line)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "line", ["A = [8, 16]", "_a = [8, 16]", "a: Any = [8, 16]", "a = 3", "defaults = Defaults(trials=3)", "a = None"]
)
def test_constants_of_a_class_are_left_alone(line):
    assert list(made_by(line).record.fields) == ["z"]


def test_a_field_of_a_base_class_is_fixed_by_a_choice_and_not_by_a_constant():
    with pytest.raises(InvalidSpace, match=r"B.depth is 2, and its base class declares a field"):
        type("B", (Inner,), {"depth": 2})
    assert type("B", (Inner,), {"depth": Choice(2)})().size() == 1


# --- options that are dicts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ({"kind": "sgd", "lr": 0.1}, {"kind": "adam", "lr": 0.01}),
        ({"kind": "sgd"}, {"kind": "sgd", "lr": 0.1}, "none"),
        ({"kind": "sgd", "lr": [1, {"kind": 3}]}, Inner(), None),
        ({"kind": None}, {"kind": 5}, {"kind": [1]}, Inner()),
        ([1, 2], [2, 1], {"a": []}, {}),
    ],
)
def test_dicts_and_lists_are_options_as_they_stand(options):
    space = space_of(x=Choice(*options), y=Repeat(Choice(*options), 1, 3))
    seen = set()
    for seed in range(60):
        candidate = space.sample(RNG(seed))
        for one in (candidate, space.mutate(candidate, RNG(seed)), space.crossover(candidate, candidate, RNG(seed))):
            assert space.decode(one.value) == one
        seen.add(canonical(candidate.value["x"]))
    assert len(seen) == space.record.fields["x"].size()


def test_an_option_that_is_changed_by_who_got_it_stays_what_it_is():
    space = space_of(x=Choice({"kind": "sgd"}, {"kind": "adam"}))
    for _ in range(5):
        space.decode({"x": {"kind": "sgd"}}).value["x"].pop("kind")
    assert space.decode({"x": {"kind": "sgd"}}).json == '{"x":{"kind":"sgd"}}'


def test_options_that_could_not_be_told_apart_or_read_are_refused():
    with pytest.raises(InvalidSpace, match="of the same kind"):
        Choice({"kind": "Inner", "depth": 2}, Inner())
    with pytest.raises(InvalidSpace, match="'value'"):
        Choice({"name": "a", "value": 1}, {"name": "b"})
    with pytest.raises(InvalidSpace, match="'json'"):
        Choice([{"json": 1}], [])
    with pytest.raises(InvalidSpace, match="2,000,002 characters"):
        Choice("x" * 2_000_000, "y")
    with pytest.raises(InvalidSpace, match="twice"):
        Choice(*range(100_000), 5)


# --- numbers of numpy and torch --------------------------------------------------------------------------------------


def test_numbers_of_numpy_are_numbers():
    torch = pytest.importorskip("torch")
    space = space_of(
        a=Choice(*np.array([16, 32])),
        b=Integer(np.int64(1), np.uint8(5)),
        c=Real(np.float32(0.5), torch.tensor(2.0)),
        d=Choice(*np.array([[1, 2], [3, 4]])),
        e=Repeat(Choice(*np.array([True, False])), np.int8(1), np.int16(2)),
    )
    given = {
        "a": np.int64(16),
        "b": torch.tensor(3),
        "c": np.float64(1.5),
        "d": np.array([3, 4]),
        "e": np.array([True, False]),
    }
    candidate = space.decode(given)
    assert candidate.json == '{"a":16,"b":3,"c":1.5,"d":[3,4],"e":[true,false]}'
    assert space.decode(candidate.value) == candidate
    for seed in range(20):
        one = space.mutate(space.sample(RNG(seed)), RNG(seed))
        assert type(one.value["b"]) is int
        assert space.decode(one.value).json == one.json


def test_keys_of_numbers_of_numpy_are_those_of_pythons(tmp_path):
    assert canonical({"w": np.int64(5), "x": [np.float64(0.1), np.bool_(True)]}) == '{"w":5,"x":[0.1,true]}'
    assert canonical(np.arange(3)) == "[0,1,2]"
    for refused in (np.float32("nan"), np.array([np.inf]), 1j, np.datetime64("2020-01-01"), np.zeros(20_000), object()):
        with pytest.raises(automl.InvalidInput, match="cannot be written as JSON"):
            canonical(refused)
    cache = automl.EquivalenceCache(f"sqlite:///{tmp_path}/c.db")
    assert cache.get_or_evaluate({"width": np.int64(5)}, lambda: 1.0) == 1.0
    assert cache.get_or_evaluate({"width": 5}, lambda: 2.0) == 1.0


# --- ranges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        Real(1e-300, 1e300, log=True),
        Real(5e-324, 1.0, log=True),
        Real(5e-324, 1e-320, log=True),
        Real(5e-324, sys.float_info.max, log=True),
        Real(-8e307, 8e307),
        Real(0, 1e-320),
        Real(-1e-310, 1e-310),
        Integer(-(2**63), 2**63 - 1),
        Integer(1, 2**63 - 1, log=True),
        Integer(0, 2**62),
    ],
    ids=repr,
)
def test_a_wide_or_a_narrow_range_is_spread(field):
    rng = RNG(0)
    drawn = [field.sample(rng) for _ in range(400)]
    assert len(set(drawn)) > 200
    places = sorted(field._to_unit(value) for value in drawn) if isinstance(field, Real) else [0.0, 1.0]
    assert places[0] < 0.05
    assert places[-1] > 0.95
    value = drawn[0]
    for _ in range(300):
        value = field.mutate(value, rng)
        assert field.check(value, "x") == value


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Real(-sys.float_info.max, sys.float_info.max), "difference of the bounds"),
        (lambda: Real(0, 10**400), "two finite numbers"),
        (lambda: Real("0", "1"), "two finite numbers"),
        (lambda: Real(None, 1), "two finite numbers"),
        (lambda: Real(False, True), "two finite numbers"),
        (lambda: Real(0, np.nan), "two finite numbers"),
        (lambda: Real([0], [1]), "two finite numbers"),
        (lambda: Integer(0, 2**64), "64 bits"),
        (lambda: Integer(-(10**30), 0), "64 bits"),
        (lambda: Integer("1", "5"), "two whole numbers"),
        (lambda: Integer(True, 5), "two whole numbers"),
        (lambda: Integer(1.5, 5), "two whole numbers"),
        (lambda: Repeat(Integer(0, 1), "1", 2), "whole numbers"),
        (lambda: Repeat(Integer(0, 1), False, 2), "whole numbers"),
        (lambda: Repeat(Integer(0, 1), 0, 10**9), "100,000 items"),
    ],
)
def test_bounds_that_are_none_are_refused(make, words):
    with pytest.raises(InvalidSpace, match=words):
        make()


def test_a_size_that_nobody_can_read_is_no_number():
    assert space_of(x=Repeat(Choice(1, 2), 0, 50_000)).size() is None
    assert space_of(x=Repeat(Repeat(Choice(1, 2), 0, 1000), 0, 1000)).size() is None
    assert space_of(x=Repeat(Choice(1, 2), 0, 10)).size() == 2**11 - 1
    assert space_of(x=Repeat(Choice(1), 2, 10)).size() == 9


# --- numbers that are nearly an option -------------------------------------------------------------------------------


def test_a_number_off_by_a_rounding_error_means_the_option():
    space = space_of(rate=Choice(*(i * 0.1 for i in range(11))), pair=Choice([0.1, 0.2], [0.1, 0.1 * 3]))
    for steps in range(11):
        found = space.decode({"rate": steps / 10, "pair": [0.1, 0.3]})
        assert found.rate == steps * 0.1
        assert found.pair == (0.1, 0.1 * 3)
    for wrong in (0.31, 0.3 + 1e-6, "0.3", True, None, -0.0001):
        with pytest.raises(InvalidCandidate, match="rate"):
            space.decode({"rate": wrong, "pair": [0.1, 0.2]})


def test_a_whole_option_is_meant_by_its_float_unless_both_are_options():
    assert space_of(x=Choice(8, 16)).decode({"x": 8.0}).value == {"x": 8}
    both = space_of(x=Choice(1, 1.0, True, "1"))
    for value in (1, 1.0, True, "1"):
        assert type(both.decode({"x": value}).x) is type(value)
    assert space_of(x=Choice(0.1, 0.1 + 1e-12)).decode({"x": 0.1 + 1e-12}).x == 0.1 + 1e-12


def test_a_number_off_a_bound_by_a_rounding_error_means_the_bound():
    space = space_of(x=Real(0.1, 0.3), y=Real(0.0, 1.0), z=Real(0.1, 0.3, log=True))
    found = space.decode({"x": 0.1 * 3, "y": 0.3 - 0.1 * 3, "z": 0.1 * 3})
    assert (found.x, found.y, found.z) == (0.3, 0.0, 0.3)
    with pytest.raises(InvalidCandidate, match=r"candidate.x: 0.3001 is not a number from 0.1 to 0.3"):
        space.decode({"x": 0.3001, "y": 0, "z": 0.2})


def test_messages_stay_short():
    space = space_of(x=Choice(*range(100_000)), y=Repeat(Integer(0, 3), 0, 9))
    for wrong in ({"x": "no", "y": []}, {"x": 1, "y": [1] * 100_000}, {"x": list(range(100_000)), "y": []}):
        with pytest.raises(InvalidCandidate) as caught:
            space.decode(wrong)
        assert len(str(caught.value)) < 600


def test_keys_do_not_move():
    class Old(Space):
        rate = Real(0.1, 0.9)
        width = Choice(8, 16, (3, 3), None)
        block = Choice(Inner(), "none")
        log = Real(1e-4, 1.0, log=True)

    drawn = [Old().sample(RNG(seed)) for seed in range(3)]
    assert [one.json for one in drawn] == GOLDEN
    assert isinstance(drawn[0], Candidate)
    hashed = Hasher().hash_many([(Old().behaviour(one), {}) for one in drawn])
    assert [item.key.hex() for item in hashed] == GOLDEN_KEYS


GOLDEN = [
    '{"block":{"depth":1,"kind":"Inner"},"log":0.00011644223751767875,"rate":0.6095693498571635,"width":[3,3]}',
    '{"block":"none","log":0.0003772579937783819,"rate":0.5094572997602054,"width":null}',
    '{"block":{"depth":2,"kind":"Inner"},"log":0.0002331652194583011,"rate":0.30928970739945316,"width":8}',
]
"""As drawn by the release before, and below the keys of these."""
GOLDEN_KEYS = [
    "238bd40286a381cd4e46010a34cda8c0",
    "cd2368ffdf0cbe7238582f05184cfb9f",
    "d301d1d54736307d81ad10e9c2611cc0",
]
