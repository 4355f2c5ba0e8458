"""MAP-Elites: cells, elites, descriptors of all kinds, and the archive in a report."""

from base64 import b64decode

import numpy as np
import pytest

import automl
from automl.errors import InvalidInput
from automl.report.plots.archive import archive_plot
from automl.strategies.base import Told
from automl.strategies.descriptors import Descriptor, read_descriptors
from automl.strategies.map_elites import MAPElites


class Square(automl.Space):
    x = automl.Real(0.0, 1.0)
    y = automl.Real(0.0, 1.0)

    def costs(self, c):
        return {"size": 1.0 + 99.0 * c.x}


def told(number, x, fitness, **more):
    return Told(number, Square().decode({"x": x, "y": 0.5}), fitness, **more)


def bound(text, **more):
    strategy = MAPElites(text, **more)
    strategy.bind(Square())
    return strategy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b", "'a b' cannot be read"),
        ("size,size", "size stands there twice"),
        ("size=3..1", r"3\.\.1 of size must be two numbers, the smaller one first"),
        ("size=0..1:4:log", "two positive numbers"),
        ("size=low..high", r"low\.\.high of size are no two numbers"),
        ("size:0", "size has 0 bins"),
        ("a:100,b:100", "they make 10,000 cells"),
        ("features.shap.depth", "unknown group of features 'shap'; did you mean shape"),
        ("features.shape.dept", "unknown feature of group shape 'dept'; did you mean depth"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(text, said):
    with pytest.raises(InvalidInput, match=said):
        MAPElites(text)


def test_descriptors_are_read_as_they_are_written():
    assert read_descriptors("size=1..1e2:4:log, loss") == (
        Descriptor("size", 1.0, 100.0, 4, log=True),
        Descriptor("loss", bins=8),
    )
    axis = Descriptor("loss", -1.0, 1.0, 4)
    assert [axis.cell(value) for value in (-9.0, -1.0, -0.6, 0.0, 0.99, 1.0, 9.0)] == [0, 0, 0, 2, 3, 3, 3]


def test_a_cell_belongs_to_the_first_of_the_best():
    strategy = bound("left=0..1:2", initial=1)
    rows = [(0, 0.1, 1.0), (1, 0.2, 3.0), (2, 0.3, 3.0), (3, 0.9, 0.5), (4, 0.8, None), (5, 0.7, 0.4)]
    strategy.tell([told(n, x, fitness, metrics={"left": x}) for n, x, fitness in rows])
    assert [(cell["place"], cell["trial"]) for cell in strategy.account()["cells"]] == [([0], 1), ([1], 3)]
    parents = {one.parents for one in strategy.ask(60, np.random.default_rng(0))}
    assert parents == {(1,), (3,)}, "cells are drawn alike, whatever their fitness"


def test_ends_that_nobody_gave_are_those_of_the_first_trials():
    strategy = bound("size:4", initial=3)
    strategy.tell([told(0, 0.2, 1.0, costs={"size": 20.0}), told(1, 0.4, None)])
    assert {one.origin for one in strategy.ask(8, np.random.default_rng(0))} == {"sample"}
    assert strategy.account() == {}
    strategy.tell([told(2, 0.6, 2.0, costs={"size": 60.0}), told(3, 0.9, 3.0, costs={"size": 900.0})])
    [axis] = strategy.account()["descriptors"]
    assert (axis["low"], axis["high"]) == (20.0, 60.0)
    assert [(cell["place"], cell["trial"]) for cell in strategy.account()["cells"]] == [([0], 0), ([3], 3)]


def test_without_descriptors_the_first_two_costs_are_the_axes():
    strategy = bound("", initial=2)
    strategy.tell([told(n, 0.1, 1.0, costs={"macs": n, "parameters": 2 * n, "zeros": 0}) for n in (1, 2)])
    assert [one["name"] for one in strategy.account()["descriptors"]] == ["macs", "parameters"]
    with pytest.raises(InvalidInput, match="the space has no costs, so say what candidates are told apart by"):
        bound("", initial=1).tell([told(0, 0.1, 1.0)])


def test_what_no_trial_has_is_named_and_what_one_lacks_has_no_cell():
    with pytest.raises(InvalidInput, match="no metric or cost 'loss'; this search has accuracy, fitness, size"):
        bound("loss", initial=1).tell([told(0, 0.1, 1.0, metrics={"accuracy": 1.0}, costs={"size": 3.0})])
    with pytest.raises(InvalidInput, match=r"no function here has features\.shape\.depth"):
        bound("features.shape.depth", initial=1).tell([told(0, 0.1, 1.0)])
    strategy = bound("size:2", initial=2)
    costs = ({"size": 3.0}, {}, {"size": np.inf})
    strategy.tell([told(number, 0.1, 1.0, costs=one) for number, one in enumerate(costs)])
    assert [cell["trial"] for cell in strategy.account()["cells"]] == [0]


def test_the_first_samples_are_a_fifth_of_the_budget_unless_they_are_given():
    assert MAPElites("size").fitted(100, ()).initial == 20
    assert MAPElites("size", initial=50).fitted(100, ("initial",)).initial == 50
    assert MAPElites("size").fitted(100, ()).descriptors == "size"


def test_more_of_the_square_is_filled_than_by_samples():
    """Samples are rare where x is large, so cells there are reached by varying elites."""

    class Rare(Square):
        def sample(self, rng):
            return self.decode({"x": float(rng.random() ** 6), "y": float(rng.random())})

    space, filled = Rare(), {}
    for initial in (20, 400):
        strategy = MAPElites("left=0..1:10,down=0..1:10", initial=initial)
        strategy.bind(space)
        for start in range(0, 400, 10):
            asked = [one.candidate for one in strategy.ask(10, np.random.default_rng(start))]
            strategy.tell([Told(start + n, c, -c.x, {"left": c.x, "down": c.y}) for n, c in enumerate(asked)])
        filled[initial] = len(strategy.account()["cells"])
    assert filled[20] > 1.2 * filled[400]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A search of cells whose axes are a feature of functions and a cost, of which the loss is minimized."""
    folder = tmp_path_factory.mktemp("archive")
    given = {"strategy": "map_elites", "settings": {"descriptors": "features.shape.depth:4,parameters:3:log"}}
    loss = automl.FunctionEvaluator(lambda c: len(set(c.json)) / 10, code_version="1", objective_name="loss")
    study = automl.search(
        "nasbench201", evaluator=loss, trials=40, workers=0, baseline=False, storage=f"sqlite:///{folder}/a.db", **given
    )
    yield study
    study.close()


def test_features_and_costs_are_axes_and_the_report_has_the_archive(study, tmp_path):
    found = study.report().json()["archive"]
    assert [one["name"] for one in found["descriptors"]] == ["features.shape.depth", "parameters"]
    assert 1 < len(found["cells"]) <= found["of"] == 12
    by_number = {trial.number: trial for trial in study.trials()}
    for cell in found["cells"]:
        trial = by_number[cell["trial"]]
        assert cell["fitness"] == pytest.approx(trial.metrics["loss"])
        assert cell["values"][1] == trial.costs["parameters"]
    facts = dict(dict(study.report().data.facts)["Archive"])
    assert facts["filled"].startswith(f"{len(found['cells'])} of 12 cells; their loss adds up to")
    page = study.report().save(tmp_path / "r.html").read_text()
    assert "The best validation loss of each cell" in page


def test_an_elite_that_was_known_before_is_no_trial(tmp_path):
    class Square(automl.Space):
        x = automl.Integer(0, 9)
        y = automl.Integer(0, 9)

        def costs(self, candidate):
            return {"left": float(candidate.x), "right": float(candidate.y)}

    height = automl.FunctionEvaluator(lambda c: c.x + c.y, code_version="1")
    given = {"evaluator": height, "workers": 0, "baseline": False, "sample": 2, "storage": f"sqlite:///{tmp_path}/a.db"}
    automl.search(Square(), strategy="random", trials=40, study="first", **given).close()
    with_known = {"strategy": "map_elites", "settings": {"descriptors": "left:5,right:5"}, "begin_from": ["first"]}
    study = automl.search(Square(), trials=12, **with_known, **given)
    cells = study.report().json()["archive"]["cells"]
    known = [cell for cell in cells if cell["trial"] is None]
    assert known
    before = {trial.candidate for trial in automl.Study.open("first", study.database.url).trials()}
    assert {cell["known"] for cell in known} <= before
    assert all(study.trial(cell["trial"]).fitness == cell["fitness"] for cell in cells if cell not in known)
    plot = archive_plot(study.report().data)
    assert plot is not None
    assert b64decode(plot.csv.partition(",")[2]).count(b"known before: {") == len(known)
    study.close()


def test_going_on_gives_the_archive_of_one_search(study, tmp_path):
    given = {"strategy": "map_elites", "settings": {"descriptors": "features.shape.depth:4,parameters:3:log"}}
    loss = automl.FunctionEvaluator(lambda c: len(set(c.json)) / 10, code_version="1", objective_name="loss")
    common = {"evaluator": loss, "workers": 0, "baseline": False, "storage": f"sqlite:///{tmp_path}/b.db", "study": "b"}
    given["settings"]["initial"] = 10
    automl.search("nasbench201", trials=25, **common, **given).close()
    twice = automl.search("nasbench201", trials=40, **common, **given)
    once = automl.search("nasbench201", trials=40, **{**common, "study": "once"}, **given)
    assert [one.candidate for one in twice.trials()] == [one.candidate for one in once.trials()]
    assert twice.report().json()["archive"] == once.report().json()["archive"]
    for one in (twice, once):
        one.close()
