"""Choices made while a candidate is built, and defaults that strategies begin near."""

import numpy as np
import pytest

import automl
from automl.spaces.define_by_run import Choose
from automl.testing.spaces import SpaceContract


class Net(automl.DefineByRun):
    def build(self, choose):
        kind = choose("kind of net", "mlp", "linear", default="mlp")
        if kind == "mlp":
            return [choose.integer(f"width {i}", 1, 64, log=True) for i in range(choose.integer("depth", 1, 3))]
        return choose.real("bias", 0.0, 1.0, default=0.25)


class TestDefineByRun(SpaceContract):
    def space(self):
        return Net()


def score(candidate):
    return sum(value for name, value in candidate.value.items() if name.startswith("width"))


@pytest.mark.parametrize("strategy", ["regularized_evolution", "local_search"])
def test_it_is_searched_and_continued_like_any_other_space(tmp_path, strategy):
    given = {"evaluator": score, "baseline": False, "workers": 0, "progress": False, "strategy": strategy, "study": "a"}
    given["storage"] = f"sqlite:///{tmp_path / 'a.db'}"
    automl.search(Net(), trials=10, **given).close()
    with pytest.warns(UserWarning, match="larger budget"):
        study = automl.search(Net(), trials=20, **given)
    frame = study.trials_dataframe()
    assert len(frame) == 20
    assert study.best.fitness > frame.fitness.head(3).max() or study.best.fitness > 100
    assert frame["origin"].iloc[0] == "defaults"


def test_a_mutant_keeps_what_it_can_and_draws_what_is_new():
    space, rng = Net(), np.random.default_rng(0)
    parent = space.decode({"kind of net": "mlp", "depth": 1, "width 0": 7})
    children = [space.mutate(parent, rng) for _ in range(50)]
    assert any(child.value["kind of net"] == "linear" for child in children)
    deeper = [child for child in children if child.value.get("depth", 1) > 1]
    assert deeper
    assert all(child.value["width 0"] == 7 for child in deeper)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"kind of net": "mlp", "depth": 2, "width 0": 7}, "'width 1' is missing, which build asks for"),
        ({"kind of net": "linear", "bias": 0.5, "depth": 2}, "does not ask for 'depth' here"),
        ({"kind of net": "linear", "bias": 2.0}, "candidate.bias: 2.0 is not a number from 0.0 to 1.0"),
        ([1, 2], "is not an object"),
    ],
)
def test_other_data_are_refused(value, said):
    with pytest.raises(automl.InvalidInput, match=said):
        Net().decode(value)


class Nothing(automl.DefineByRun):
    def build(self, choose):
        return 3


class Twice(automl.DefineByRun):
    def build(self, choose):
        return choose("x", 1, 2) + choose("x", 1, 3)


class Alike(automl.DefineByRun):
    """Options that differ beyond what a message shows of them."""

    def build(self, choose):
        choose("width", *range(20))
        choose("width", *range(19), 99)


class Forgotten(automl.DefineByRun):
    def build(self, choose):
        return choose(1, 2, 3)


class Reserved(automl.DefineByRun):
    def build(self, choose):
        return choose("kind", 1, 2)


class Undeclared(automl.Space):
    def build(self, choose):
        return choose("x", 1, 2)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (Nothing(), "asks for no choice"),
        (Twice(), "asked twice, with other options"),
        (Alike(), "asked twice, with other options"),
        (Reserved(), "cannot be called 'kind'"),
        (Forgotten(), "give the choice a name first"),
        (automl.DefineByRun(), "define build"),
        (Undeclared(), "automl.DefineByRun"),
    ],
)
def test_slips_are_said(space, said):
    with pytest.raises(automl.InvalidInput, match=said):
        space.sample(np.random.default_rng(0))


class Appending(automl.DefineByRun):
    def build(self, choose):
        widths = choose("widths", [8, 16], [32], default=[32])
        widths.append(10)
        assert choose("widths", [8, 16], [32]) in ([8, 16], [32])
        return choose.field("kernels", automl.Repeat(automl.Choice(3, 5), 1, 2)).append(7)


def test_what_build_makes_of_a_chosen_list_changes_neither_candidate_nor_default():
    space, rng = Appending(), np.random.default_rng(0)
    for made in (*space.sample_many(5, rng), *space.guess_many(5, rng), space.believed(rng)):
        before = made.json
        for one in (made, space.mutate(made, rng), space.decode(made.value)):
            space.behaviour(one)
            assert one.value["widths"] in ([8, 16], [32])
            assert 7 not in one.value["kernels"]
        assert automl.spaces.space.Candidate(made.value).json == before


def test_a_default_that_is_handed_out_stays_as_it_is():
    given = [32]
    for kind in (automl.Choice, automl.Ordinal):
        field = kind([8, 16], [32], default=given)
        for hand in (field.believed, field.guess):
            for seed in range(8):
                hand(np.random.default_rng(seed)).append(1)
        assert field.believed(np.random.default_rng(0)) == field.default == given == [32]


def test_one_name_asked_twice_with_the_same_options_is_one_choice():
    asked = []
    choose = Choose(lambda name, field: asked.append(name) or field.sample(np.random.default_rng(len(asked))))
    assert choose("x", 1, 2, 3) == choose("x", 1, 2, 3)
    assert asked == ["x"]


class Believing(automl.Space):
    lr = automl.Real(1e-5, 1.0, log=True, default=1e-3)
    width = automl.Integer(1, 1000, default=64)
    act = automl.Choice("relu", "gelu", "tanh", default="gelu")
    free = automl.Integer(0, 10**6)


@pytest.mark.parametrize("strategy", ["regularized_evolution", "elitist_evolution", "local_search", "nsga2"])
def test_strategies_begin_at_the_defaults_and_near_them(tmp_path, strategy):
    more = {"settings": {"objectives": "fitness:maximize"}} if strategy == "nsga2" else {}
    study = automl.search(
        Believing(), evaluator=lambda c: c.free, trials=40, workers=0, progress=False, strategy=strategy, sample=2,
        finalists=1, study="a", storage=f"sqlite:///{tmp_path / 'a.db'}", **more,
    )  # fmt: skip
    frame = study.trials_dataframe()
    first = frame.iloc[0]
    assert first["origin"] == "defaults"
    assert (first["field.lr"], first["field.width"], first["field.act"]) == (1e-3, 64, "gelu")
    begun = frame[frame.origin == "sample"]
    assert (begun["field.width"] == 64).mean() > 0.25
    random = automl.Study.open("a/random", study.database.url).trials_dataframe()
    assert (random["field.width"] == 64).sum() < 3, "random search samples uniformly, whatever anybody believes"


@pytest.mark.parametrize(
    "make",
    [
        lambda: automl.Integer(1, 5, default=7),
        lambda: automl.Integer(0, 10, step=5, default=3),
        lambda: automl.Real(0, 1, default="x"),
        lambda: automl.Choice("a", "b", default="c"),
        lambda: automl.Ordinal(1, 2, default=None),
    ],
)
def test_a_default_belongs_to_its_field(make):
    with pytest.raises(automl.InvalidInput, match="default"):
        make()


def test_a_field_without_a_default_is_as_before():
    assert "default" not in vars(automl.Integer(1, 5))
    assert automl.Choice(None, 1, default=None).default is None
