"""Rounding, noise, twins, fall-backs, explanations and unseen fields, one by one."""

import subprocess
import sys

import numpy as np
import pytest

from automl import Choice, Integer, Probe, Real, Repeat, Space, functional_hash
from automl.behaviour import Array, Configuration, Function, Graph, Module, Node
from automl.errors import InvalidInput, Unhashable
from automl.hashing import Hasher, weights
from automl.hashing.isolated import HashJobs
from automl.hashing.mixing import rounded
from automl.hashing.noise import Tracked
from automl.hashing.unseen import unseen_fields
from automl.report.explain import explain
from automl.report.html import page
from automl.testing.hashing import HashContract
from search_spaces.nas.nasbench201 import NASBench201

VECTOR = Probe(inputs=(Array((4, 4, 4)),))


def test_rounding_is_to_nearest_with_the_sign_and_one_form_of_every_special_value():
    just_below = np.nextafter(0.5, 0)
    assert rounded(np.array([just_below]), 14) == 0.5  # cutting bits off would separate them
    assert rounded(np.array([1.0]), 14) != rounded(np.array([-1.0]), 14)
    values = np.array([-0.0, np.nan, -np.nan, np.inf, -np.inf, 1 + 2.0**-16, 1 + 2.0**-14, 3e300, 5e-324])
    found = rounded(values, 14)
    assert found[0].tobytes() == np.float64(0.0).tobytes()
    assert found[1].tobytes() == found[2].tobytes()
    assert found[3] == np.inf
    assert found[4] == -np.inf
    assert found[5] == 1.0
    assert found[6] == 1 + 2.0**-14
    assert found[7] == pytest.approx(3e300, rel=2.0**-14)
    numbers = np.random.default_rng(0).normal(size=1000)
    assert np.array_equal(rounded(numbers, 52), numbers)
    assert np.all(np.abs(rounded(numbers, 9) - numbers) <= np.abs(numbers) * 2.0**-10)


@pytest.mark.parametrize("bits", [0, 53, 2.5, True, "14"])
def test_senseless_precision_is_refused(bits):
    with pytest.raises(InvalidInput, match="1 to 52"):
        Hasher(mantissa_bits=bits)


def test_tracked_arrays_know_noise_from_small_values():
    x = Tracked(np.array([0.3, 0.7, 1.1]))
    assert not (np.sin(x) ** 2 + np.cos(x) ** 2 - 1).settled().any()
    assert np.all((x * 1e-20).settled() == np.array([0.3, 0.7, 1.1]) * 1e-20)
    assert np.all((x + 0.0).error == 0)
    assert (x.mean() - (0.3 + 0.7 + 1.1) / 3).settled() == 0


def graph(*nodes, outputs=None, **settings):
    return Graph(nodes, outputs or (len(nodes) - 1,), probe=VECTOR, **settings)


def key(thing, **training):
    return Hasher().hash_many([(thing, training)])[0].key


def test_six_twins_in_one_sum_are_one_whatever_their_order_and_differ_from_five():
    """Six twins are beyond the number of arrangements that are all tried."""
    rng = np.random.default_rng(0)

    def written(twins, order):
        tails = ["relu", "tanh", "sigmoid", "abs", "square", "identity"]
        nodes = [Node("input"), *(Node("nor_conv_3x3", (0,)) for _ in range(twins))]
        for place, number in enumerate(order):
            nodes.append(Node(tails[place], (1 + int(number),)))
        nodes.append(Node("add", tuple(range(1 + twins, len(nodes)))))
        return graph(*nodes)

    six = {key(written(6, rng.permutation(6))) for _ in range(12)}
    assert len(six) == 1
    assert six != {key(written(6, [0, 1, 2, 3, 4, 4]))}  # two tails share one twin


def test_seven_twins_without_any_difference_are_still_one():
    def pairs(order):
        """Products of pairs, summed: every twin looks alike, but not every pairing is the same."""
        convolutions = [Node("nor_conv_3x3", (0,)) for _ in range(6)]
        products = [Node("multiply", (1 + order[2 * n], 1 + order[2 * n + 1])) for n in range(3)]
        return graph(Node("input"), *convolutions, *products, Node("add", (7, 8, 9)))

    rng = np.random.default_rng(1)
    assert len({key(pairs([int(n) for n in rng.permutation(6)])) for _ in range(10)}) == 1


def test_frames_training_and_probes_are_in_the_key():
    nodes = (Node("input"), Node("nor_conv_3x3", (0,)))
    base = key(graph(*nodes))
    assert key(graph(*nodes)) == base
    assert key(graph(*nodes, frame={"stem": 16})) != base
    assert key(graph(*nodes), lr=0.1) != base
    assert key(graph(*nodes), lr=0.1) != key(graph(*nodes), lr=0.2)


def test_what_a_gated_unit_sees_depends_on_the_order_of_a_concatenation():
    def gated(first, second):
        return graph(
            Node("input"),
            Node("relu", (0,)),
            Node("tanh", (0,)),
            Node("concat", (first, second)),
            Node("nor_conv_1x1", (3,)),
        )

    assert key(gated(1, 2)) != key(gated(2, 1))


def test_a_graph_that_cannot_be_run_is_keyed_by_its_json_and_says_why():
    broken = graph(Node("input"), Node("no_such_operation", (0,)))
    first, second, fine = Hasher().hash_many(
        [(broken, {}), (broken, {}), (graph(Node("input"), Node("relu", (0,))), {})], ["1", "2", "3"]
    )
    assert "no_such_operation" in first.fallback
    assert first.key != second.key
    assert fine.fallback == ""
    with pytest.raises(Unhashable, match="no_such_operation"):
        Hasher().hash_many([(broken, {})])
    shapes = graph(Node("input"), Node("global_average", (0,)), Node("add", (0, 1)))
    assert Hasher().hash_many([(shapes, {})], ["x"])[0].fallback


def test_own_operations_are_run():
    nodes = (Node("input"), Node("mine", (0,)))
    doubled = graph(*nodes, operations={"mine": lambda x: 2 * x})
    summed = graph(Node("input"), Node("add", (0, 0)))
    assert key(doubled) == key(summed)
    assert key(graph(*nodes, operations={"mine": lambda x: 3 * x})) != key(summed)


def test_functions_of_numbers_and_of_arrays_meet():
    one = functional_hash(lambda x: np.maximum(x, 0) * 2)
    other = functional_hash(lambda x: 2 * x if x > 0 else 0.0 if x == x else x)
    assert one == other
    assert functional_hash(lambda x: x**3) != functional_hash(lambda x: x**3 + np.sin(x))
    assert functional_hash(lambda x: x) != functional_hash(lambda x: -x)
    assert functional_hash(lambda x: x.mean()) == functional_hash(lambda x: x.sum() / x.size)
    noise = np.random.default_rng()
    with pytest.raises(Unhashable, match="something else each time"):
        functional_hash(lambda x: x + noise.normal(size=x.shape))
    with pytest.raises(InvalidInput, match="cannot be run"):
        functional_hash(7)


def test_the_derivative_of_a_torch_function_counts_where_it_is_used():
    import torch

    def plain(x):
        return torch.relu(x)

    def blocked(x):
        return torch.relu(x).detach()

    def keys(derivative):
        return [key(Function(call, torch=True, derivative=derivative)) for call in (plain, blocked)]

    assert len(set(keys(derivative=False))) == 1
    assert len(set(keys(derivative=True))) == 2


def test_configurations_are_equal_when_their_json_is():
    assert key(Configuration({"a": 1, "b": 2})) == key(Configuration({"b": 2, "a": 1}))
    assert key(Configuration({"a": 1})) != key(Configuration({"a": 2}))


class Own(Space):
    depth = Integer(1, 3)
    rate = Real(0.0, 0.5)
    layers = Repeat(Choice(4, 8), 0, 2)
    colour = Choice("red", "blue")
    lr = Real(1e-4, 1e-1, log=True)

    def build(self, c):
        from torch import nn

        body, width = [], 4
        for size in (*c.layers, *[6] * c.depth):
            body += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(c.rate)]
            width = size
        return nn.Sequential(*body, nn.Linear(width, 2))

    def training(self, c):
        return {"lr": c.lr}


ROWS = Probe(inputs=(Array((4,)),))


def test_fields_that_no_key_sees_are_named():
    assert unseen_fields(Own(), HashJobs(Own(), Hasher(ROWS)), np.random.default_rng(0)) == ["colour"]
    assert unseen_fields(NASBench201(), HashJobs(NASBench201(), Hasher()), np.random.default_rng(0)) == []


def test_explanations_name_the_first_difference_and_escape_what_they_show():
    space = Own()
    base = {"depth": 1, "rate": 0.0, "layers": [], "colour": "red", "lr": 0.01}
    a, b = space.decode(base), space.decode({**base, "colour": "blue"})
    same = explain(space, a, b, ROWS)
    assert same.equal
    assert same.sides[0].key == same.sides[1].key
    other = explain(space, a, space.decode({**base, "lr": 0.02, "depth": 2}), ROWS)
    assert not other.equal
    assert other.difference is not None
    assert "output 0 in training" in other.text()
    assert "'lr' is 0.01 against 0.02" in other.text()
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
    cells = NASBench201()
    text = page(explain(cells, cells.decode(cell), cells.decode(cell.replace("1x1", "3x3"))))
    assert text.startswith("<!doctype html>")
    assert text.count('<svg class="graph"') == 2
    assert "First difference" in text
    assert "http" not in text
    configured = explain(_Plain(), _Plain().decode({"name": "<script>"}), _Plain().decode({"name": "b"}))
    assert "<script>" not in page(configured)
    assert "&lt;script&gt;" in page(configured)


class _Plain(Space):
    name = Choice("<script>", "b")


def test_importing_the_hash_loads_neither_torch_nor_ray():
    program = "import sys, automl.hashing; print([name for name in ('torch', 'ray', 'scipy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


class TestContractOnGraphs(HashContract):
    probe = VECTOR

    def equal(self):
        relu = graph(Node("input"), Node("relu", (0,)), Node("relu", (1,)))
        return [(relu, graph(Node("input"), Node("relu", (0,)), Node("nor_conv_1x1", (0,)), outputs=(1,)))]

    def different(self):
        return [(graph(Node("input"), Node("relu", (0,))), graph(Node("input"), Node("tanh", (0,))))]


def test_a_module_without_probe_inputs_says_so():
    from torch import nn

    with pytest.raises(Unhashable, match="probe has no inputs"):
        functional_hash(nn.Linear(2, 2))
    assert "cannot be run" in Hasher(VECTOR).hash_many([(Module(lambda: nn.Linear(3, 3)), {})], ["x"])[0].fallback


def test_many_values_are_sums_of_two_short_rows_laid_end_to_end():
    count, seed = 23_000_000, b"0123456789abcdef"
    drawn = weights.uniform(seed, 16_381 + 16_369)
    made = weights.many(seed, count)
    places = np.concatenate([np.arange(40_000), np.arange(22_330_000, 22_360_000), [count - 1]])
    expected = (drawn[places % 16_381] + drawn[16_381 + places % 16_369]) * np.sqrt(0.5)
    assert np.array_equal(made[places], expected)


def test_signatures_are_digests_of_the_same_sums_in_arrays():
    torch = pytest.importorskip("torch")
    from automl.hashing import signature
    from automl.hashing.mixing import digest_array, mix

    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(40, 3, 5, generator=generator, dtype=torch.float64)
    tiny, whole = torch.full((4,), 1e-15, dtype=torch.float64), torch.arange(6)
    odd = torch.tensor([1.0, float("nan"), float("-inf")], dtype=torch.float64)
    for item in (*drawn, -drawn, tiny, whole, odd, drawn.mT, 1e300 * drawn, torch.zeros(0), drawn.to(torch.complex128)):
        sums = signature.project("signature", signature.as_real(item), signature.SUMS)
        settled = torch.where(sums.abs() < signature.FLOOR, 0.0, sums).numpy()
        expected = mix(repr(tuple(item.shape)), digest_array(settled, signature.BITS))
        assert signature.signature(item) == expected


def test_many_tensors_have_the_sums_that_each_has():
    torch = pytest.importorskip("torch")
    from automl.hashing.signature import TILE, _directions, project, project_many

    drawn = torch.randn(3, 2 * TILE + 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for count in (7, 2000, 2 * TILE, 2 * TILE + 5):
        each = torch.stack([project("slot", row[:count], 3) for row in drawn])
        assert torch.allclose(project_many("slot", [row[:count] for row in drawn], 3), each, rtol=1e-12, atol=1e-13)
    padded = torch.nn.functional.pad(drawn[0], (0, TILE - 5)).view(3, TILE)
    expected = (_directions("slot rows", 3, 3) * (_directions("slot", TILE, 3) @ padded.T)).sum(1)
    assert torch.allclose(project("slot", drawn[0], 3), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("scale", ["", "far from zero", "near zero"])
def test_large_matrices_are_written_with_the_weights_that_they_would_be_given(scale):
    torch = pytest.importorskip("torch")
    from automl.hashing import scales

    seed, shape = bytes(range(16)), (1030, 1021)
    item = torch.nn.Parameter(torch.zeros(1030, 1, 1021, dtype=torch.float64))
    assert scales.write(item, seed, shape, scale, 1.0 + 2.0**-44)
    assert torch.equal(item.detach(), scales.weights(seed, shape, scale, item.shape) * (1.0 + 2.0**-44))
    assert not scales.write(torch.zeros(4, 4, dtype=torch.float64), seed, (4, 4), scale, 1.0)
    assert not scales.write(item.detach()[:, 0].T, seed, shape, scale, 1.0)


def test_large_parameters_are_drawn_in_tiles_and_key_nothing():
    torch = pytest.importorskip("torch")
    from torch import nn

    def layer(draw):
        made = nn.Linear(1100, 1000, bias=False)
        draw(made.weight)
        return made

    keys = {
        functional_hash(Module(lambda draw=draw: layer(draw)), Probe((Array((1100,)),)))
        for draw in (nn.init.normal_, lambda weight: nn.init.trunc_normal_(weight, std=0.02), nn.init.zeros_)
    }
    assert len(keys) == 1
    from automl.hashing.torch_mode import Deterministic

    with Deterministic(torch.Generator().manual_seed(0), stream=True):
        weight = layer(lambda weight: nn.init.normal_(weight, 3.0, 0.5)).weight
    assert abs(float(weight.detach().mean()) - 3.0) < 0.02
    assert abs(float(weight.detach().std()) - 0.5) < 0.02
    assert not torch.equal(weight[0], weight[1])
