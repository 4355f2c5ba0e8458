"""The spaces of cells and networks: official encodings in and out, variation, and what is equal under the hash."""

import itertools
import json

import numpy as np
import pytest

import automl
from automl.behaviour import Array, Probe
from automl.errors import InvalidCandidate, InvalidSpace
from automl.hashing import Hasher
from automl.testing.spaces import SpaceContract
from search_spaces.nas import darts, nasbench101, nasbench201
from search_spaces.nas.digits_cells import DigitsCells
from search_spaces.nas.macro import MacroNet

TEXT = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
IMAGES = Probe(inputs=(Array((1, 8, 8)),))


class TestNASBench201(SpaceContract):
    def space(self):
        return nasbench201.NASBench201()


class TestNASBench101(SpaceContract):
    def space(self):
        return nasbench101.NASBench101()


class TestDARTS(SpaceContract):
    def space(self):
        return darts.DARTS(layers=3, channels=2)


class TestDigitsCells(SpaceContract):
    def space(self):
        return DigitsCells(channels=2)


class TestMacroNet(SpaceContract):
    samples = 12

    def space(self):
        return MacroNet(width=8, stages=2)

    def probe(self):
        return IMAGES


def key(space, value, probe=None):
    candidate = space.decode(value)
    found = Hasher(probe).hash_many([(space.behaviour(candidate), space.training(candidate))], [candidate.json])[0]
    assert not found.fallback, found
    return found.key


def test_nasbench201_reads_and_writes_the_official_string():
    space = nasbench201.NASBench201()
    assert space.decode(TEXT).json == json.dumps(TEXT)
    assert nasbench201.to_text(nasbench201.from_text(TEXT)) == TEXT
    assert space.size() == 15625
    assert space.picture(space.decode(TEXT)).number_of_edges() == 4  # edges that carry nothing are not drawn


@pytest.mark.parametrize("value", ["|conv~0|", TEXT.replace("none", "nothing", 1), 7, None, TEXT + "|"])
def test_nasbench201_refuses_what_is_no_cell(value):
    with pytest.raises(InvalidCandidate, match="NAS-Bench-201"):
        nasbench201.NASBench201().decode(value)


def test_nasbench201_counts_parameters_as_the_benchmark_does(data_folder):
    space = nasbench201.NASBench201()
    with np.load(data_folder / "nasbench201" / "nb201.npz") as table:
        operations, published = table["ops"][::25], table["c10_params_M"][::25].astype(float)
    texts = [nasbench201.to_text(tuple(nasbench201.OPERATIONS[code] for code in row)) for row in operations]
    counted = np.array([space.costs(space.decode(text))["parameters"] for text in texts])
    # 150 rows of this copy of the table are off by one convolution; the network's own count settles it.
    assert np.mean(np.abs(counted / 1e6 - published) < 1e-5) > 0.98


def test_nasbench201_counts_multiply_accumulates_as_published():
    space = nasbench201.NASBench201()
    counted = [space.costs(space.decode(nasbench201.to_text((name,) * 6)))["macs"] for name in ("nor_conv_3x3", "none")]
    assert counted == [220_119_680, 7_783_040]  # 220.12 M and 7.78 M, the largest and smallest of the benchmark


def test_digits_cells_cost_what_the_network_they_build_costs():
    space = DigitsCells(channels=5, cells=3)
    for candidate in space.sample_many(20, np.random.default_rng(0)):
        module = space.behaviour(candidate).module()
        assert space.costs(candidate) == automl.module_costs(module, automl.Array((1, 8, 8)))


def test_module_costs_counts_layers_by_hand_and_leaves_the_module_as_it_was():
    import torch

    network = torch.nn.Sequential(
        torch.nn.Embedding(50, 8), torch.nn.Linear(8, 4, bias=False), torch.nn.BatchNorm1d(6), torch.nn.Linear(4, 3)
    ).train()
    found = automl.module_costs(network, automl.Array((6,), 0, 49))
    assert found == {"parameters": 50 * 8 + 8 * 4 + 2 * 6 + 4 * 3 + 3, "macs": 6 * (8 * 4 + 4 * 3)}
    assert network.training
    assert int(network[2].num_batches_tracked) == 0


def test_nasbench101_prunes_and_refuses():
    space = nasbench101.NASBench101()
    ops = ["input", "conv1x1-bn-relu", "maxpool3x3", "output"]
    with_dead = {"matrix": [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]], "ops": ops}
    without = {"matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": [ops[0], ops[1], ops[3]]}
    assert key(space, with_dead) == key(space, without)
    for broken, words in (
        ({"matrix": [[0, 0], [0, 0]], "ops": ["input", "output"]}, "no path"),
        ({"matrix": [[0, 1], [1, 0]], "ops": ["input", "output"]}, "upper triangular"),
        ({"matrix": [[0, 2], [0, 0]], "ops": ["input", "output"]}, "neither 0 nor 1"),
        ({"matrix": [[0, 1], [0, 0]], "ops": ["input", "conv"]}, "start with 'input'"),
        (
            {"matrix": np.triu(np.ones((6, 6), int), 1).tolist(), "ops": ["input", *["maxpool3x3"] * 4, "output"]},
            "15 edges",
        ),
    ):
        with pytest.raises(InvalidCandidate, match=words):
            space.decode(broken)
    with pytest.raises(InvalidSpace, match="2 to 7"):
        nasbench101.NASBench101(vertices=8)


def test_nasbench101_counts_its_spellings():
    operations = ["conv1x1-bn-relu"] * 3
    counted = 0
    for vertices in (2, 3, 4, 5):
        space = nasbench101.NASBench101(vertices=vertices)
        for bits in itertools.product((0, 1), repeat=vertices * (vertices - 1) // 2):
            matrix = np.zeros((vertices, vertices), int)
            matrix[np.triu_indices(vertices, 1)] = bits
            try:
                space.decode({"matrix": matrix.tolist(), "ops": ["input", *operations[: vertices - 2], "output"]})
            except InvalidCandidate:
                continue
            counted += 3 ** (vertices - 2)
        assert space.size() == counted


def test_darts_reads_and_writes_real_genotypes(data_folder):
    space = darts.DARTS()
    archs = json.loads((data_folder / "frustratinglyhard" / "darts214.json").read_text())["archs"]
    values = [{"normal": arch["normal"], "reduce": arch["reduce"]} for arch in archs]
    candidates = [space.decode(value) for value in values]
    assert [candidate.value for candidate in candidates] == values
    hashed = Hasher().hash_many([(space.behaviour(candidate), {}) for candidate in candidates])
    assert len({item.key for item in hashed}) == len({candidate.json for candidate in candidates}) == 214


def test_a_darts_genotype_is_the_same_with_its_edges_and_nodes_written_in_another_order():
    space = darts.DARTS()
    rng = np.random.default_rng(0)
    base = space.sample(rng).value
    swapped = {name: [pair[::-1] for pair in base[name]] for name in darts.CELLS}
    assert key(space, base) == key(space, swapped)
    free = [[["sep_conv_3x3", 0], ["skip_connect", 1]], [["dil_conv_5x5", 0], ["max_pool_3x3", 1]], *base["normal"][2:]]
    renumber = {2: 3, 3: 2}
    later = [[[op, renumber.get(at, at)] for op, at in pair] for pair in free[2:]]
    one, other = {**base, "normal": free}, {**base, "normal": [free[1], free[0], *later]}
    assert key(space, one) == key(space, other)
    assert key(space, one) != key(space, base)


def test_a_pool_of_a_reduced_pool_is_neither_the_other_pool_nor_a_skip():
    space, both = darts.DARTS(), [["sep_conv_3x3", 0], ["sep_conv_3x3", 1]]

    def key(operation):
        reduce = [both, [["max_pool_3x3", 2], ["none", 0]], [[operation, 3], ["none", 0]], both]
        return automl.functional_hash(space.behaviour(space.decode({"normal": [both] * 4, "reduce": reduce})))

    assert len({key(one) for one in ("max_pool_3x3", "avg_pool_3x3", "skip_connect")}) == 3


def test_deleting_an_identity_block_keeps_the_key_and_deleting_another_does_not():
    space = MacroNet(width=4, stages=2)
    value = {"stage0": ["conv3x3", "identity", "residual3x3"], "stage1": ["identity"]}
    assert key(space, value, IMAGES) == key(space, {"stage0": ["conv3x3", "residual3x3"], "stage1": []}, IMAGES)
    assert key(space, value, IMAGES) != key(space, {"stage0": ["residual3x3", "conv3x3"], "stage1": []}, IMAGES)
    assert key(space, value, IMAGES) != key(space, {"stage0": ["conv3x3"], "stage1": []}, IMAGES)


def test_a_reduced_size_keeps_different_networks_apart():
    wide, narrow = MacroNet(width=32), MacroNet(width=16)
    rng = np.random.default_rng(3)
    values = [wide.sample(rng).value for _ in range(12)]
    keys = {key(space, value, IMAGES) for space in (wide, narrow) for value in values}
    functions = {
        json.dumps({name: [b for b in blocks if b != "identity"] for name, blocks in value.items()}) for value in values
    }
    assert len(keys) == 2 * len(functions)


def test_macro_networks_can_be_trained_and_their_width_is_in_the_key():
    from automl.evaluators.base import Work
    from workers.networks.classification import Classification

    one, other = MacroNet(width=8, stages=2), MacroNet(width=16, stages=2)
    candidate = one.decode({"stage0": ["conv3x3"], "stage1": []})
    work = Work(one.behaviour(candidate), dict(one.training(candidate)), candidate.json)
    assert not Classification("digits").misfit(work)
    assert len({space.behaviour(candidate).frame["width"] for space in (one, other)}) == 2
