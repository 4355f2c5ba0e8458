import itertools

import numpy as np
import pytest

from automl.behaviour import Configuration, Graph, Node
from automl.hashing import Hasher
from automl.hashing.graph_features import PLACES, SHAPE
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
