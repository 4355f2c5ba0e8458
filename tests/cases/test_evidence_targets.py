"""Data that cannot be classified is refused with one sentence, before anything is written."""

import numpy as np
import pytest
import torch
from evidence_parts import database
from torch import nn

import automl
from automl import Choice, Classification, InvalidInput, Space, Task
from automl.evaluators.labels import class_labels

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 1, 4, 4)).astype("f4")
Y = np.arange(300) % 5


class Net(Space):
    width = Choice(4, 8)

    def build(self, c):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, c.width), nn.ReLU(), nn.Linear(c.width, 5))


def task(inputs=X, targets=Y, cuts=(200, 250)):
    parts = [slice(None, cuts[0]), slice(*cuts), slice(cuts[1], None)]
    return Task(*((inputs[part], targets[part]) for part in parts), name="mine")


def spoiled(place, value, array=X):
    changed = array.copy()
    changed[place] = value
    return changed


BAD = {
    "fractions": (lambda: task(targets=Y + 0.5), "float64 values such as 0.5.*never cut.*automl.Regression"),
    "whole floats": (lambda: task(targets=Y.astype(float)), "float64 values.*astype"),
    "standardised": (lambda: task(targets=((Y - Y.mean()) / Y.std()).astype("f4")), "float32 values"),
    "NaN in a target": (lambda: task(targets=spoiled(270, np.nan, Y.astype(float))), "'train' are float64"),
    "a name only in test": (
        lambda: task(targets=spoiled(299, "c9", np.array([f"c{i}" for i in Y]))),
        "'test' has 1 examples of class c9",
    ),
    "several ones": (lambda: task(targets=spoiled(3, 1, np.eye(5, dtype=int)[Y])), "not one-hot.*automl.MultiLabel"),
    "two columns": (lambda: task(targets=np.stack([Y, Y + 1], 1)), r"\(200, 2\).*not one-hot"),
    "negative": (lambda: task(targets=spoiled(7, -1, Y)), "the class -1, in example 7"),
    "more than outputs": (lambda: task(targets=spoiled([0, 210, 260], 7, Y)), "one logit for each of the 8 classes"),
    "only in validation": (
        lambda: task(targets=spoiled(slice(200, 203), 5, Y)),
        "'validation' has 3 examples of class 5",
    ),
    "only in test": (lambda: task(targets=spoiled(299, 6, Y)), "'test' has 1 examples of class 6"),
    "NaN in train": (lambda: task(inputs=spoiled(3, np.nan)), "'train' hold 16 values that are NaN.*example 3"),
    "NaN in validation": (lambda: task(inputs=spoiled((210, 0, 0, 0), np.nan)), "'validation' hold 1 .*example 10"),
    "inf in test": (lambda: task(inputs=spoiled((250, 0, 0, 0), np.inf)), "'test' hold 1 values that are inf"),
    "too large": (lambda: task(inputs=spoiled((5, 0, 0, 0), 1e300, X.astype(float))), "float32 cannot hold.*example 5"),
    "texts as inputs": (lambda: task(inputs=X[:, 0, 0, :1].astype(str)), "a network needs real numbers"),
    "bytes and floats": (lambda: mixed(), "taken differently"),
    "test is validation": (
        lambda: Task((X[:200], Y[:200]), (X[200:], Y[200:]), (X[200:], Y[200:])),
        "the same 100 examples",
    ),
    "test is validation, shuffled": (
        lambda: Task((X[:200], Y[:200]), (X[200:], Y[200:]), (X[200:][::-1], Y[200:][::-1])),
        "'validation' and 'test' are the same",
    ),
    "test is train": (lambda: Task((X[:200], Y[:200]), (X[200:], Y[200:]), (X[:200], Y[:200])), "'train' and 'test'"),
    "other shapes": (lambda: Task((X[:9], Y[:9]), (X[9:20, :, :3], Y[9:20]), (X[20:], Y[20:])), "must be alike"),
    "ragged lists": (lambda: Task(([[1.0], [1.0, 2.0]], [0, 1]), (X, Y), (X, Y)), "no array of numbers"),
    "objects": (lambda: Task(([object(), object()], [0, 1]), (X, Y), (X, Y)), "neither a number nor a text"),
    "a data set": (lambda: Task(torch.utils.data.TensorDataset(torch.ones(9)), (X, Y), (X, Y)), "give a pair"),
    "one number": (lambda: Task((5, 5), (X, Y), (X, Y)), "one row an example"),
}


def mixed():
    bytes_ = RNG.integers(0, 255, X.shape).astype(np.uint8)
    return Task((bytes_[:200], Y[:200]), (X[200:250], Y[200:250]), (X[250:], Y[250:]))


@pytest.mark.parametrize("what", BAD)
def test_one_sentence_before_anything_is_written(tmp_path, what):
    make, sentence = BAD[what]
    with pytest.raises(InvalidInput, match=sentence) as caught:
        automl.search(
            Net(),
            task=make(),
            evaluator=Classification(epochs=1),
            trials=2,
            workers=0,
            settings={"population": 2, "tournament": 2},
            storage=database(tmp_path),
        )
    assert len(str(caught.value)) < 400
    assert list(tmp_path.iterdir()) == []


def as_lists(array):
    return array.tolist()


def as_frame(array):
    import pandas

    return pandas.DataFrame(array.reshape(len(array), -1)) if array.ndim > 1 else pandas.Series(array)


@pytest.mark.parametrize(
    "form", [torch.from_numpy, as_lists, as_frame, lambda a: torch.from_numpy(a).requires_grad_(a.dtype == np.float32)]
)
def test_tensors_lists_and_frames_are_taken_as_the_arrays_that_they_hold(form):
    made = Task(*((form(X[part]), form(Y[part])) for part in (slice(200), slice(200, 250), slice(250, None))))
    flat = made.train[0].reshape(200, -1).astype("f4")
    assert (flat == X[:200].reshape(200, -1)).all()
    assert made.classes == 5
    assert made.train[1].dtype == Y.dtype


@pytest.mark.parametrize(
    "form",
    [
        lambda y: np.array([f"c{i}" for i in y]),
        lambda y: y[:, None],
        lambda y: np.eye(5)[y],
        lambda y: np.eye(5, dtype=bool)[y],
        lambda y: y + 1,
        lambda y: y * 10 + 7,
        lambda y: torch.from_numpy(y + 1),
    ],
    ids=["names", "a column", "one-hot", "one-hot bool", "from 1", "far apart", "a tensor from 1"],
)
def test_classes_in_whatever_form_are_the_same_classes(form):
    plain, made = class_labels(task()), class_labels(task(targets=form(Y)))
    for part in ("train", "validation", "test"):
        assert (getattr(made, part) == getattr(plain, part)).all()
    assert task(targets=form(Y)).classes == len(made.names) == 5
    assert Classification(task=task(targets=form(Y)), epochs=1).metrics["accuracy"] == "maximize"


def test_classes_that_begin_at_0_are_taken_as_they_are_gaps_included():
    assert class_labels(task(targets=np.where(Y == 3, 4, Y))).names == ("0", "1", "2", "3", "4")


def test_ignored_targets_are_no_classes():
    found = class_labels(task(targets=spoiled([0, 210, 260], -1, Y)), ignore=-1)
    assert (found.train[0], found.validation[10], found.test[10], len(found.names)) == (-100, -100, -100, 5)


def test_arrays_keep_their_fingerprint():
    assert task().fingerprint() == "8ec25a9aca66bc21ed8c2c31f0ecf407"


def test_names_of_classes_stay_for_evaluators_that_take_them():
    names = np.array(["cat", "dog"])[Y % 2]
    assert task(targets=names).train[1][0] == "cat"
    assert task(targets=names.astype(object)).train[1].dtype.kind == "U"
