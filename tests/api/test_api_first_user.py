"""The slips of a first user, one a row: each works as it was meant, or is answered with one sentence before anything is
paid for. None ends in a raw error, none passes in silence, none has no answer.

What concerns settings by name is in `test_api_slips.py`, the command line in `tests/cli/test_cli_mistakes.py`.
"""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import automl
from automl import Choice, Integer, Real, Space
from automl.errors import InvalidInput

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = np.arange(24) % 3
WORKS = ""


class Line(Space):
    x = Integer(0, 20)


class Net(Space):
    width = Choice(2, 4)

    def build(self, c):
        return nn.Sequential(nn.Linear(4, c.width), nn.ReLU(), nn.Linear(c.width, 3))


def building(build):
    """A space whose `build` is this function of a candidate."""
    return type("Built", (Space,), {"width": Choice(2, 4), "build": lambda self, c: build(c)})()


def searched(space=None, **given):
    more = {"evaluator": lambda c: c.x} if space is None else {}
    settings = {
        "trials": 2,
        "workers": 0,
        "baseline": False,
        "sample": 2,
        "finalists": 1,
        "test_seeds": 1,
        "confirm": 1,
    }
    settings |= {"progress": False, "storage": "sqlite:///a.db"} | more | given
    return automl.search(space or Line(), **settings)


def trained(given=lambda x, y: (x, y), space=None, parts=None):
    """Searches networks on data in the form that `given` makes of inputs and labels of each part."""
    each = [given(X[start : start + 8], Y[start : start + 8]) for start in (0, 8, 16)]
    task = automl.Task(*(parts(each) if parts else each))
    return searched(space or Net(), evaluator=automl.Classification(task=task, epochs=1))


def with_nan(place):
    """Spoils one value of the inputs of one part."""

    def spoil(parts):
        inputs, labels = parts[place]
        inputs = inputs.copy()
        inputs[0, 0] = np.nan
        return [(inputs, labels) if number == place else part for number, part in enumerate(parts)]

    return spoil


class Wide(Space):
    x = Integer(0, 10**6)


SLIPS = {
    # --- what a network builds
    "build returns a text": (lambda: trained(space=building(lambda c: "net")), "returns 'net' instead"),
    "build returns nothing": (lambda: trained(space=building(lambda c: None)), "does it end with `return`?"),
    "build takes another width": (lambda: trained(space=building(lambda c: nn.Linear(5, 3))), "24x4|cannot be"),
    "build gives too few outputs": (lambda: trained(space=building(lambda c: nn.Linear(4, 2))), "one logit"),
    "build misspells a field": (lambda: trained(space=building(lambda c: nn.Linear(4, c.widht))), "no field 'widht'"),
    "build raises": (lambda: trained(space=building(lambda c: 1 / 0)), "ZeroDivisionError"),
    "build calls exit": (lambda: trained(space=building(lambda c: exit(3))), "exit|SystemExit"),
    "no build": (lambda: trained(space=Line()), "has no `build`|no torch|cannot|takes networks"),
    # --- data as people have them
    "arrays": (lambda: trained(), WORKS),
    "tensors": (lambda: trained(lambda x, y: (torch.tensor(x), torch.tensor(y))), WORKS),
    "lists": (lambda: trained(lambda x, y: (x.tolist(), y.tolist())), WORKS),
    "data frames": (lambda: trained(lambda x, y: (pd.DataFrame(x), pd.Series(y))), WORKS),
    "text labels": (lambda: trained(lambda x, y: (x, np.array(["a", "b", "c"])[y])), WORKS),
    "one-hot labels": (lambda: trained(lambda x, y: (x, np.eye(3)[y])), WORKS),
    "a column of labels": (lambda: trained(lambda x, y: (x, y[:, None])), WORKS),
    "labels from 1": (lambda: trained(lambda x, y: (x, y + 1)), WORKS),
    "labels that are floats": (lambda: trained(lambda x, y: (x, y.astype(float))), r"targets.astype\(int\)"),
    "labels that are no classes": (lambda: trained(lambda x, y: (x, x[:, 0])), "for regression take automl.Regression"),
    "a class of the validation part alone": (
        lambda: trained(parts=lambda each: [(each[0][0], each[0][1] % 2), *each[1:]]), "class",
    ),
    "NaN in the training part": (lambda: trained(parts=with_nan(0)), "NaN|finite"),
    "NaN in the validation part": (lambda: trained(parts=with_nan(1)), "NaN|finite"),
    "NaN in the test part": (lambda: trained(parts=with_nan(2)), "NaN|finite"),
    "NaN among the labels": (lambda: trained(lambda x, y: (x, np.where(y == 0, np.nan, y))), "NaN|finite|missing"),
    "fewer labels than inputs": (lambda: trained(lambda x, y: (x, y[:5])), "8.*5|5.*8"),
    "no examples": (lambda: trained(lambda x, y: (x[:0], y[:0])), "at least one"),
    "validation data for test data": (lambda: trained(parts=lambda each: [each[0], each[1], each[1]]), "share nothing"),
    "a tuple as task": (
        lambda: searched(Net(), evaluator=automl.Classification(task=((X, Y), (X, Y), (X, Y)))), "Task",
    ),
    # --- functions as evaluators
    "a function returns a text": (lambda: searched(Wide(), evaluator=lambda c: "good", trials=40), "good|no number"),
    "a function returns nothing": (lambda: searched(Wide(), evaluator=lambda c: None, trials=40), "None"),
    "a function returns a list": (lambda: searched(Wide(), evaluator=lambda c: [1, 2], trials=40), "no number|list"),
    "another objective than is returned": (
        lambda: searched(evaluator=lambda c: {"accuracy": 1.0}, objective="acuracy"), "acuracy",
    ),
    "a function without arguments": (lambda: searched(evaluator=lambda: 1), r"must take \(candidate\)"),
    "a function of three": (lambda: searched(evaluator=lambda c, s, t: 1), r"must take \(candidate\)"),
    "a function that always fails": (lambda: searched(Wide(), evaluator=lambda c: c.y, trials=40), "no field 'y'"),
    "a partial": (lambda: searched(evaluator=functools.partial(lambda c, k: c.x * k, k=2)), WORKS),
    "a numpy number": (lambda: searched(evaluator=lambda c: np.float32(c.x)), WORKS),
    "a tensor": (lambda: searched(evaluator=lambda c: torch.tensor(float(c.x))), WORKS),
    "a truth value": (lambda: searched(evaluator=lambda c: c.x > 3), WORKS),
    "an infinity": (lambda: searched(Wide(), evaluator=lambda c: float("inf"), trials=40), "inf"),
    "a class as evaluator": (lambda: searched(evaluator=automl.Classification), "Classification"),
    # --- fields
    "options in a list": (lambda: Choice([8, 16, 32]), r"Choice\(\*\[8, 16, 32\]\)|one list|in one"),
    "a field's class": (lambda: type("S", (Space,), {"a": Choice}), "write Choice"),
    "a list as a field": (lambda: type("S", (Space,), {"a": [8, 16]}), r"write a = Choice"),
    "bounds as texts": (lambda: Real("0", "1"), "two finite numbers"),
    "bounds the wrong way round": (lambda: Integer(5, 1), "the smaller first"),
    "a logarithm of zero": (lambda: Real(0, 1, log=True), "starts above 0"),
    "no options": (lambda: Choice(), "no options|at least one"),
    "an option twice": (lambda: Choice(1, 1), "twice"),
    "a field called settings": (
        lambda: searched(type("S", (Space,), {"settings": Integer(0, 9)})(), evaluator=lambda c: c.settings), WORKS,
    ),
    "a field called kind": (lambda: type("S", (Space,), {"kind": Integer(0, 9)}), "cannot be called 'kind'"),
    "a lambda in a space": (
        lambda: searched(
            type("S", (Space,), {"x": Integer(0, 9), "f": lambda self: 1})(), evaluator=lambda c: c.x
        ),
        WORKS,
    ),
    "a space's class": (lambda: automl.search(Line, evaluator=lambda c: c.x), r"Line\(\)|an object of that class"),
    "another library's distribution": (
        lambda: type("S", (Space,), {"a": __import__("optuna").distributions.FloatDistribution(0, 1)}), "write Choice",
    ),
    # --- the rest of a call
    "trials as a text": (lambda: searched(trials="10"), "whole number"),
    "settings as a list": (lambda: searched(settings=["population=3"]), "dictionary"),
    "callbacks that are no functions": (lambda: searched(callbacks=[3]), "function of"),
    "a name in another alphabet": (lambda: searched(study="Suche – 搜索"), WORKS),
    "more trials than there will be": (lambda: searched(trials=10**18, until=1.0), WORKS),
    "no such strategy": (lambda: searched(strategy="evolution"), "unknown strategy|did you mean"),
    "no such space": (lambda: automl.search("nasbench2001"), "nasbench201"),
    "a folder as database": (lambda: searched(storage="sqlite:///."), "folder|directory"),
    "a study that is not there": (lambda: automl.resume("none", storage="sqlite:///none.db"), "there is no database"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_each_slip_works_as_meant_or_is_answered_in_one_sentence(slip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, said = SLIPS[slip]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if said == WORKS:
            study = call()
            assert study.best.fitness is not None
            assert not [trial.error for trial in study.trials() if trial.outcome == "failed"]
            return
        with pytest.raises(automl.AutoMLError, match=said) as refused:
            call()
    sentence = str(refused.value)
    assert "\n" not in sentence.strip()
    assert "object at 0x" not in sentence
    assert len(sentence) < 800


def test_what_failed_for_another_reason_is_not_served_afterwards(tmp_path, monkeypatch):
    """The one slip that left a database worse than it was: a forgotten objective."""
    monkeypatch.chdir(tmp_path)

    def score(c):
        return {"accuracy": c.x / 20}

    with pytest.raises(InvalidInput, match="fitness"):
        searched(evaluator=score, trials=6)
    study = searched(evaluator=score, trials=6, objective="accuracy")
    assert study.best.fitness > 0
    assert {trial.outcome for trial in study.trials()} <= {"hit", "miss", "joined"}
