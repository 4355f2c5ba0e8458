"""Numbers in steps, ordered options, permutations, subsets, and combinations that are forbidden."""

import itertools
from collections import Counter

import numpy as np
import pytest

import automl
from automl import Choice, Integer, Ordinal, Permutation, Real, Repeat, Space, Subset
from automl.errors import InvalidCandidate, InvalidInput, InvalidSpace
from automl.testing.spaces import SpaceContract


class Ordered(Space):
    units = Integer(32, 128, step=32)
    dropout = Real(0.0, 0.5, step=0.1)
    size = Ordinal("small", "medium", "large")
    order = Permutation("conv", "norm", "relu", "drop")
    kept = Subset("flip", "crop", "cutout", minimum=1, maximum=2)
    free = Subset(1, 2)

    def allowed(self, c):
        return not (c.size == "large" and c.units > 96)


class TestOrdered(SpaceContract):
    def space(self):
        return Ordered()


class TestInside(SpaceContract):
    """The same fields inside of others."""

    def space(self):
        class Block(Space):
            order = Permutation(1, 2, 3)
            step = Real(1.0, 2.0, step=0.25)

        class Outer(Space):
            blocks = Repeat(Block(), 1, 2)
            kind_of = Choice(Block(), "none")

        return Outer()


@pytest.mark.parametrize("strategy", ["random", "regularized_evolution", "optuna", "surrogate"])
def test_every_strategy_searches_them(strategy, tmp_path):
    class Orders(Ordered):
        kept = Subset("flip", "crop")
        allowed = Space.allowed if strategy == "optuna" else Ordered.allowed

    def worth(c):
        return c.units / 128 - c.dropout + (c.order[0] == "conv") + ("flip" in c.kept) - len(c.free)

    study = automl.search(
        Orders(), evaluator=worth, strategy=strategy, trials=30, baseline=False, workers=0, progress=False,
        storage=f"sqlite:///{tmp_path}/a.db",
    )  # fmt: skip
    assert not [trial for trial in study.trials() if trial.outcome == "failed"]
    assert study.best.fitness > 1.0
    frame = study.trials_dataframe()
    assert set(frame["field.units"]) <= {32, 64, 96, 128}
    assert set(frame["field.order[0]"]) <= {"conv", "norm", "relu", "drop"}
    study.close()


def test_optuna_refuses_a_space_that_forbids(tmp_path):
    with pytest.raises(InvalidInput, match=r"what allowed\(\) of Ordered forbids"):
        automl.search(
            Ordered(), evaluator=lambda c: c.units, strategy="optuna", trials=3, storage=f"sqlite:///{tmp_path}/a.db"
        )


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        (Integer(32, 128, step=32), 64, 64),
        (Real(0.0, 0.5, step=0.1), 0.1 * 3, 0.3),
        (Real(0.0, 0.5, step=0.1), 0, 0.0),
        (Real(-1.0, 1.0, step=0.5), -0.5, -0.5),
        (Permutation(1, 2, 3), (3, 1, 2), [3, 1, 2]),
        (Subset("a", "b", "c"), ["c", "a"], ["a", "c"]),
        (Subset("a", "b"), [], []),
        (Ordinal(1, 2, 4), 2.0, 2),
    ],
)
def test_values_are_read_in_one_form(field, value, read):
    found = field.check(value, "x")
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Integer(32, 128, step=32), 48),
        (Real(0.0, 0.5, step=0.1), 0.25),
        (Permutation(1, 2, 3), [1, 2]),
        (Permutation(1, 2, 3), [1, 2, 2]),
        (Permutation(1, 2, 3), "123"),
        (Subset("a", "b", minimum=1), []),
        (Subset("a", "b", maximum=1), ["a", "b"]),
        (Subset("a", "b"), ["d"]),
    ],
)
def test_other_values_are_refused(field, value):
    with pytest.raises(InvalidCandidate, match="x: "):
        field.check(value, "x")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Integer(0, 10, step=3),
        lambda: Integer(0, 10, step=0),
        lambda: Integer(1, 10, log=True, step=3),
        lambda: Real(0.0, 1.0, step=0.3),
        lambda: Real(0.0, 1.0, step=-0.1),
        lambda: Real(0.0, 1.0, step="0.1"),
        lambda: Real(0.1, 1.0, log=True, step=0.1),
        lambda: Permutation("a"),
        lambda: Permutation("a", "a"),
        lambda: Permutation([1, 2, 3]),
        lambda: Subset(),
        lambda: Subset("a", "b", minimum=3),
        lambda: Subset("a", "b", minimum=2, maximum=1),
        lambda: Subset(len),
        lambda: Ordinal(),
        lambda: Ordinal([1, 2, 3]),
        lambda: Ordinal(Ordered()),
        lambda: Repeat(Ordered(), 1, 2),  # forbids something, and would not be asked
        lambda: Choice(Ordered(), "none"),
    ],
)
def test_slips_are_refused_in_a_sentence(make):
    with pytest.raises(InvalidSpace):
        make()


def test_all_values_are_drawn_alike_and_counted():
    rng = np.random.default_rng(0)
    for field in (
        Integer(32, 128, step=32),
        Real(0.0, 0.5, step=0.1),
        Permutation(1, 2, 3),
        Subset("a", "b", "c", minimum=1, maximum=2),
        Ordinal(1, 2, 4),
    ):
        drawn = Counter(str(field.sample(rng)) for _ in range(600 * field.size()))
        assert len(drawn) == field.size()
        assert min(drawn.values()) > 480
        assert max(drawn.values()) < 720


def test_mutations_reach_every_value():
    rng = np.random.default_rng(0)
    for field in (Integer(0, 8, step=2), Real(0.0, 1.0, step=0.25), Permutation(1, 2, 3), Subset(1, 2, 3, minimum=1)):
        value = field.sample(rng)
        seen = {str(value)}
        for _ in range(400):
            before, value = value, field.mutate(value, rng)
            assert field.check(value, "x") == value
            assert value != before
            seen.add(str(value))
        assert len(seen) == field.size()


def test_neighbours_in_an_order_are_likelier():
    rng, field = np.random.default_rng(0), Ordinal(*range(9))
    steps = Counter(abs(field.mutate(4, rng) - 4) for _ in range(2000))
    assert steps[1] > 1000 > sum(count for step, count in steps.items() if step > 1) > 200


def test_what_is_forbidden_is_never_proposed_and_never_read():
    space, rng = Ordered(), np.random.default_rng(0)
    candidates = space.sample_many(200, rng)
    children = space.mutate_many(candidates, rng)
    both = [space.crossover(one, other, rng) for one, other in itertools.pairwise(candidates)]
    assert all(space.allowed(one) for one in [*candidates, *children, *both])
    assert {one.units for one in candidates if one.size == "large"} == {32, 64, 96}
    forbidden = {**candidates[0].value, "size": "large", "units": 128}
    with pytest.raises(InvalidCandidate, match=r"is not allowed in Ordered, see its allowed\(\)"):
        space.decode(forbidden)


def test_a_space_that_forbids_everything_says_so():
    class Nothing(Space):
        x = Integer(0, 3)

        def allowed(self, c):
            return False

    with pytest.raises(InvalidSpace, match=r"allowed\(\) refused 10,000 samples on end"):
        Nothing().sample(np.random.default_rng(0))


def test_fields_without_a_step_are_known_by_the_same_words():
    """Stored studies name their fields: an attribute that was not there before would make them other spaces."""
    assert sorted(vars(Integer(0, 3))) == ["high", "log", "low"]
    assert "step" not in vars(Real(0.0, 1.0))


@pytest.mark.parametrize(("trials", "population"), [(20, 10), (100, 20), (1000, 100)])
def test_the_population_follows_the_budget_unless_it_is_given(trials, population, tmp_path):
    given = {
        "evaluator": automl.FunctionEvaluator(lambda c: c.x, code_version="1"), "workers": 0, "baseline": False,
        "progress": False, "strategy": "regularized_evolution", "storage": f"sqlite:///{tmp_path}/a.db",
    }  # fmt: skip

    class Line(Space):
        x = Integer(0, 5000)

    study = automl.search(Line(), trials=trials, study="mine", **given)
    assert study.settings["strategy"]["settings"]["population"] == population
    assert any(trial.parents for trial in study.trials())
    study.close()
    again = automl.search(Line(), trials=trials + 10, study="mine", **given)  # its own stays
    assert again.settings["strategy"]["settings"]["population"] == population
    again.close()
    own = automl.search(Line(), trials=20, settings={"population": 15}, **given)
    assert own.settings["strategy"]["settings"]["population"] == 15
    own.close()
