"""What is said of modules that have no key: the layer where it happened, and the way out."""

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from automl import Array, Choice, Graph, Module, Node, Probe, functional_hash
from automl.errors import Unhashable
from automl.hashing import guard
from automl.hashing.hasher import Hasher
from automl.report.explain import explain
from automl.spaces.space import Space

ROWS = Probe(inputs=(Array((8,)),))


def refused(module, probe=ROWS, **settings):
    with pytest.raises(Unhashable) as caught:
        functional_hash(module, probe, **settings)
    return str(caught.value)


def test_a_wrong_shape_names_the_layer_and_the_probe():
    said = refused(nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(8, 4), nn.Linear(5, 3))))
    assert "layer '1.1', a Linear" in said
    assert "(2, 8) numbers: give Probe(inputs=…)" in said


def test_inputs_that_are_missing_are_named():
    class Two(nn.Module):
        def forward(self, image, tokens):
            return image + tokens

    said = refused(Two())
    assert "missing 1 required positional argument: 'tokens'" in said
    assert "in Two itself" in said
    assert "name an input with Array(…, name=…)" in said


def test_an_operation_of_the_candidates_own_that_fails_names_its_layer():
    class Failing(nn.Module):
        def forward(self, x):
            raise KeyError("no such head")

    said = refused(nn.Sequential(nn.Linear(8, 8), Failing()))
    assert "KeyError: 'no such head' (in layer '1', a Failing)" in said


def test_what_fails_in_evaluation_only_says_so():
    class Evaluated(nn.Module):
        def forward(self, x):
            assert self.training, "`steps` must be given"
            return x

    said = refused(nn.Sequential(nn.Linear(8, 8), Evaluated()))
    assert (
        "(in layer '1', a Evaluated, in evaluation); wrap it in a module that calls it as your evaluator does" in said
    )


def test_what_cannot_be_copied_is_shared_and_no_reason_to_refuse():
    class Locked(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.lock, self.library = nn.Linear(8, 3), threading.Lock(), [torch]

        def forward(self, x):
            with self.lock:
                return self.library[0].tanh(self.layer(x))

    module = Locked()
    before = module.layer.weight.clone()
    assert functional_hash(module, ROWS) == functional_hash(nn.Sequential(nn.Linear(8, 3), nn.Tanh()), ROWS)
    assert torch.equal(module.layer.weight, before)


class Slow(nn.Module):
    def __init__(self, seconds):
        super().__init__()
        self.layer, self.seconds = nn.Linear(8, 8), seconds

    def forward(self, x):
        time.sleep(self.seconds)
        return self.layer(x)


def test_what_takes_too_long_names_the_slowest_layer_and_the_way_out():
    module = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.ReLU(), Slow(0.05)))
    with pytest.raises(Unhashable) as caught:
        Hasher(ROWS, seconds=0.12).hash_many([(Module(lambda: module), {})])
    said = str(caught.value)
    assert "has taken longer than 0.12 s, for" in said
    assert "Module(build, reduced=…)" in said
    assert "timeout=…" in said


def test_the_slowest_layer_is_found_by_one_more_run():
    class Sleeping(nn.Module):
        def forward(self, x):
            time.sleep(0.2)
            return x

    module = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.ReLU(), Sleeping()))
    watch = guard.Guard(0.0)
    call = lambda: module(torch.zeros(2, 8))
    watch.before_run(module, call)  # the first run is always made
    with pytest.raises(Unhashable, match=r"for 1 runs of .* of which layer '1.1', a Sleeping, takes \d+%"):
        watch.before_run(module, call)
    assert not module[1][1]._forward_hooks


def test_a_run_that_does_not_end_is_interrupted_and_says_where():
    said = refused(nn.Sequential(nn.Linear(8, 8), Slow(60)), timeout=0.2)
    assert "longer than 0.2 s, the last of it in layer '1', a Slow" in said


def test_a_hasher_has_no_limit_of_its_own():
    key = Hasher(ROWS).hash_many([(Module(lambda: Slow(0.01)), {})])[0].key
    assert key == functional_hash(Slow(0.0), ROWS, timeout=None)


def test_more_parameters_than_memory_are_refused_before_they_are_made():
    class Huge(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(8, 8)
            self.table = nn.Parameter(torch.zeros(1).expand(2**42))  # takes four bytes

        def forward(self, x):
            return self.first(x)

    said = refused(Module(Huge))
    assert "GB of memory for its 4,398,046,511,176 parameters" in said
    assert "most are in layer '', a Huge" in said


class Clips(Space):
    """Networks that differ far from zero only, or cannot be run."""

    curve = Choice("relu", "relu6", "broken")

    def behaviour(self, candidate):
        curves = {"relu": nn.ReLU, "relu6": nn.ReLU6, "broken": lambda: nn.Linear(5, 5)}
        return Module(lambda: nn.Sequential(nn.Linear(8, 16), curves[candidate.curve](), nn.Linear(16, 3)))


def test_explanations_say_at_which_scale_candidates_differ():
    space = Clips()
    found = explain(space, space.decode({"curve": "relu"}), space.decode({"curve": "relu6"}), ROWS)
    assert "far from zero" in found.reasons[0]
    assert "They differ far from zero, and agree at the usual size and near zero." in found.reasons


def test_explanations_name_the_layer_of_a_refusal():
    space = Clips()
    found = explain(space, space.decode({"curve": "relu"}), space.decode({"curve": "broken"}), ROWS)
    assert "(in layer '1', a Linear)" in found.text()


def test_explanations_of_graphs_say_the_scale_too():
    class Curves(Space):
        curve = Choice("relu", "leaky")

        def behaviour(self, candidate):
            def clipped(x):
                return np.maximum(x, 0) if candidate.curve == "relu" else np.clip(x, 0, 100)

            return Graph((Node("input"), Node("curve", (0,))), (1,), operations={"curve": clipped})

    space = Curves()
    found = explain(space, space.decode({"curve": "relu"}), space.decode({"curve": "leaky"}), ROWS)
    assert "They differ far from zero, and agree at the usual size and near zero." in found.reasons
