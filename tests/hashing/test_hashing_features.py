import copy
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from function_rewritings import call, random_tree, rewritten
from module_rewritings import Coder, random_spec

from automl import Integer, Space
from automl.behaviour import Array, Configuration, Function, Graph, Module, Node, Probe
from automl.hashing import Hasher
from automl.hashing.features import NAMES, PLACES, SHAPE
from automl.hashing.functions import FunctionHasher
from automl.hashing.graphs import GraphHasher
from automl.hashing.isolated import HashJobs
from automl.hashing.mixing import mix
from automl.hashing.values import ValueTable
from automl.setup.targets import reference_to
from automl.testing.hashing import HashContract
from search_spaces.nas.nasbench101 import NASBench101
from search_spaces.nas.nasbench201 import OPERATIONS, PROBE, NASBench201, to_text
from search_spaces.nas.nasbench_graph import NASBenchGraph


def candidates(space, count=400):
    return [space.behaviour(one) for one in space.sample_many(count, np.random.default_rng(0))]


def cells():
    space = NASBench201()
    operations = itertools.islice(itertools.product(OPERATIONS, repeat=6), 0, None, 7)
    return [space.behaviour(space.decode(to_text(one))) for one in operations]


def flat(features):
    return np.concatenate([features["paths"], features["shape"]])


@pytest.mark.parametrize(
    "graphs", [cells, lambda: candidates(NASBenchGraph(), 3000), lambda: candidates(NASBench101())]
)
def test_equal_functions_have_equal_features_and_others_nearly_always_others(graphs):
    behaviours = graphs()
    hasher = Hasher(PROBE)
    keys = [one.key for one in hasher.hash_many([(one, {}) for one in behaviours], [""] * len(behaviours))]
    features = [flat(one) for one in hasher.features(behaviours)]
    by_key = {}
    for key, found in zip(keys, features, strict=True):
        np.testing.assert_array_equal(by_key.setdefault(key, found), found)
    assert len(by_key) < len(behaviours)
    assert len({found.tobytes() for found in by_key.values()}) > 0.95 * len(by_key)


def test_features_are_the_same_whatever_was_hashed_before_and_in_what_order():
    behaviours = candidates(NASBench201(), 60)
    alone = [flat(Hasher(PROBE).features([one])[0]) for one in behaviours]
    for found, other in zip(Hasher(PROBE).features(behaviours[::-1])[::-1], alone, strict=True):
        np.testing.assert_array_equal(flat(found), other)


def shape_of(*nodes, outputs):
    [found] = Hasher(PROBE).features([Graph(tuple(nodes), outputs)])
    assert found["paths"].shape == (PLACES,)
    return dict(zip(SHAPE, found["shape"].tolist(), strict=True)), found["paths"]


def test_the_shape_is_that_of_what_is_left_after_pruning():
    conv = {"settings": (("kernel", 3),)}
    shape, paths = shape_of(
        Node("input"),
        Node("relu", (0,)),
        Node("convolution", (1,), **conv),  # 3 channels of 4 x 4: 81 weights, 16 places
        Node("zero", (0,)),
        Node("convolution", (3,), **conv),  # of zeros: not there
        Node("add", (2, 4)),
        Node("convolution", (5,), **conv),
        Node("convolution", (0,), **conv),  # nobody reads it
        Node("add", (6, 0)),
        outputs=(8,),
    )
    assert shape == pytest.approx(
        {
            "depth": 2,
            "shortest": 0,
            "width": 1,
            "operations": 2,
            "weighted": 2,
            "path_count": np.log1p(2),
            "parameters": np.log1p(162),
            "macs": np.log1p(162 * 16),
        }
    )
    # alone: input, two operations, output; in a row: in-a, a-b, b-out, in-out; in-a-b, a-b-out; in-a-b-out
    assert paths.sum() == 4 + 4 + 2 + 1


def test_what_has_no_graph_has_no_features_and_what_cannot_run_neither():
    broken = Graph((Node("input"), Node("nonsense", (0,))), (1,))
    good = NASBench201().behaviour(NASBench201().decode(to_text(("nor_conv_3x3",) * 6)))
    found = Hasher(PROBE).features([Configuration({"x": 1}), good, broken])
    assert [sorted(one) for one in found] == [[], ["paths", "shape"], []]


def test_a_larger_probe_gives_sizes_of_its_own_whatever_was_hashed_before():
    small, large = Probe((Array((3, 4, 4)),)), Probe((Array((3, 8, 8)),))
    nodes = (Node("input"), Node("convolution", (0,), (("kernel", 3),)))
    graphs = [Graph(nodes, (1,), probe=probe) for probe in (small, large)]
    together = Hasher(PROBE).features(graphs)
    alone = [Hasher(PROBE).features([one])[0] for one in graphs]
    macs = SHAPE.index("macs")
    assert [one["shape"][macs] for one in together] == [one["shape"][macs] for one in alone]
    assert together[0]["shape"][macs] < together[1]["shape"][macs]


def test_what_forms_take_of_memory_is_counted_and_bounded(monkeypatch):
    behaviours = candidates(NASBench201(), 60)
    plain, counted = GraphHasher(14), GraphHasher(14)
    plain.digests(behaviours, PROBE)
    expected = counted.digests_with_features(behaviours, PROBE)
    taken = sum(form.places.nbytes for form in counted._forms._forms)
    assert counted._forms.bytes > taken > 0 == plain._forms.bytes
    begun = []
    really = GraphHasher._begin
    monkeypatch.setattr(GraphHasher, "_begin", lambda self: (begun.append(self), really(self)))
    monkeypatch.setattr(ValueTable, "LIMIT", counted._table.bytes + counted._forms.bytes - 1)
    again = counted.digests_with_features(behaviours, PROBE)
    assert len(begun) == 1
    for (key, found), (same, other) in zip(expected, again, strict=True):
        assert key == same
        np.testing.assert_array_equal(flat(found), flat(other))


IMAGES = Probe((Array((4, 5, 5)),))


def named(features):
    assert {name: len(values) for name, values in features.items()} == {name: len(NAMES[name]) for name in features}
    return {name: dict(zip(NAMES[name], values.tolist(), strict=True)) for name, values in features.items()}


def test_networks_written_in_other_ways_have_the_same_features_and_their_keys_do_not_move():
    torch.manual_seed(0)
    rng = np.random.default_rng(11)
    hasher, rows = Hasher(IMAGES), []
    for _ in range(5):
        spec = random_spec(rng)
        networks = [Coder(None).network(spec), *(Coder(rng).network(spec) for _ in range(3))]
        modules = [(Module(lambda one=one: copy.deepcopy(one)), {}) for one in networks]
        found = hasher.hash_many(modules, features=True)
        assert [one.key for one in found] == [one.key for one in hasher.hash_many(modules[:2])] * 2
        assert sorted(found[0].features) == ["gradients", "outputs", "weights"]
        for one in found[1:]:
            for name, values in found[0].features.items():
                np.testing.assert_allclose(one.features[name], values, rtol=1e-3, atol=1e-3)
        rows.append(np.concatenate([found[0].features[name] for name in sorted(found[0].features)]))
    assert len(np.unique(np.array(rows).round(6), axis=0)) == 5


def test_features_of_a_network_are_those_of_what_its_outputs_depend_on():
    class Half(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.live, self.dead = torch.nn.Linear(6, 3, bias=False), torch.nn.Linear(6, 50)

        def forward(self, x):
            self.dead(x)
            return self.live(x)

    probe = Probe((Array((6,)),), batch=4)
    [found] = Hasher(probe).features([Module(Half)])
    weights, outputs, gradients = (named(found)[name] for name in ("weights", "outputs", "gradients"))
    assert weights["tensors"] == pytest.approx(np.log(2), rel=1e-3)
    assert weights["parameters"] == pytest.approx(np.log(19), rel=1e-3)
    assert (weights["largest_share"], weights["untrained"], weights["without_gradient"]) == (1.0, 0.0, 0.0)
    assert outputs["count"] == pytest.approx(np.log(4), rel=1e-3)
    assert outputs["evaluation_against_training"] == 0.0
    assert outputs["training_near"] < outputs["training"] < outputs["training_far"]
    assert gradients["zeros"] == 0.0
    [frozen] = Hasher(probe).features([Module(lambda: Half().requires_grad_(False))])
    assert named(frozen)["weights"]["untrained"] == pytest.approx(np.log(2), rel=1e-3)


def test_features_of_a_function_say_how_it_runs_and_are_equal_for_equal_ones():
    def of(call, arity=1):
        [found] = Hasher().features([Function(call, arity=arity)])
        return named(found)

    tanh, relu, square = (
        of(np.tanh)["outline"],
        of(lambda x: np.maximum(x, 0))["outline"],
        of(lambda x: x * x)["outline"],
    )
    assert (tanh["odd"], square["odd"]) == (1.0, -1.0)
    assert relu["zeros"] == pytest.approx(0.5, abs=0.05)
    assert (relu["growth"], relu["growth_below"]) == pytest.approx((np.arcsinh(1.0), 0.0), abs=1e-4)
    assert tanh["slope"] == pytest.approx(np.arcsinh(1.0), abs=1e-3)
    assert square["growth"] > 1 > tanh["growth"] > 0
    log = of(np.log)
    assert log["outline"]["not_finite"] == pytest.approx(0.5, abs=0.05)
    assert np.isnan(log["outline"]["odd"])
    assert np.isnan(list(log["values"].values())).any()
    two = of(lambda x, y: x * y, 2)
    assert np.isnan(two["outline"]["slope"])
    rng = np.random.default_rng(3)
    for group in range(20):
        tree = random_tree(rng, 1 + group % 2)
        calls = [tree, *(rewritten(tree, rng, 3)[0] for _ in range(5))]
        found = Hasher().hash_many([(Function(call(one), 1 + group % 2), {}) for one in calls], features=True)
        for one in found[1:]:
            assert one.key == found[0].key
            for name, values in found[0].features.items():
                np.testing.assert_allclose(one.features[name], values, rtol=1e-3, atol=1e-6)


class Heads(Space):
    """A linear layer of one width or another."""

    width = Integer(1, 3)

    def behaviour(self, candidate):
        return Module(lambda: torch.nn.Linear(4, candidate.width), probe=Probe((Array((4,)),)))


def test_features_come_from_the_process_beside_this_one_that_finds_the_key():
    space = Heads()
    chosen = [space.decode({"width": width}) for width in (1, 3)]
    with HashJobs(space, Hasher(), reference_to(space)) as jobs:
        found = jobs.hash(chosen, features=True)
        assert not any(one.features for one in jobs.hash(chosen))
        assert jobs._child is not None
    here = Hasher().hash_many([(space.behaviour(one), {}) for one in chosen], features=True)
    for one, other in zip(found, here, strict=True):
        assert one.key == other.key
        assert sorted(one.features) == sorted(other.features)
        for name, values in one.features.items():
            np.testing.assert_array_equal(values, other.features[name])


class Numbers:
    """A hasher of a kind of its own, whose features are not all finite."""

    def digests(self, behaviours, probe):
        return [mix(str(one.value)) for one in behaviours]

    def digests_with_features(self, behaviours, probe):
        features = [{"size": np.array([one.value, np.inf, np.nan])} for one in behaviours]
        return list(zip(self.digests(behaviours, probe), features, strict=True))

    def observe(self, behaviour, probe):
        raise NotImplementedError


@dataclass(frozen=True)
class Number:
    value: float
    kind: str = "number"

    def verbatim(self):
        return {}


def test_a_feature_that_is_not_finite_is_none_and_the_others_stay(monkeypatch):
    hasher = Hasher()
    monkeypatch.setitem(hasher._kinds, "number", Numbers())
    [found] = hasher.hash_many([(Number(3.0), {})], features=True)
    np.testing.assert_array_equal(found.features["size"], [3.0, np.nan, np.nan])
    assert [one.features for one in hasher.hash_many([(Number(3.0), {})])] == [{}]


class TestContractOnFunctions(HashContract):
    """And one that breaks it: where the features of equal functions differ, the contract fails."""

    def equal(self):
        yield Function(lambda x: x + x), Function(lambda x: 2 * x)

    def different(self):
        yield Function(np.tanh), Function(np.sin)

    def test_equal_functions_have_equal_features_and_features_move_no_key(self):
        super().test_equal_functions_have_equal_features_and_features_move_no_key()
        count = itertools.count()
        really = FunctionHasher.digests_with_features

        def uneven(hasher, behaviours, probe):
            return [(key, {"own": np.array([float(next(count))])}) for key, _ in really(hasher, behaviours, probe)]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FunctionHasher, "digests_with_features", uneven)
            with pytest.raises(AssertionError, match="pair 0: own"):
                super().test_equal_functions_have_equal_features_and_features_move_no_key()
