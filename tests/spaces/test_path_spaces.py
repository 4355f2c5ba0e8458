"""Spaces of paths: counts, uniform sampling, legal variation, closed-form costs, shared weights, equal functions."""

from collections import Counter

import numpy as np
import pytest
import torch
from automl.evaluators.costs import module_costs
from scipy import stats

from automl.behaviour import Array, Probe
from automl.errors import InvalidCandidate, InvalidSpace
from automl.hashing import Hasher
from automl.spaces.paths import PathSpace
from automl.testing.spaces import SpaceContract
from search_spaces.nas.hytra import HyTra, HyTra1D
from search_spaces.nas.mbconv import MBConv
from search_spaces.nas.widths import Widths

SMALL = {
    "hytra": HyTra(widths=[4, 8, 16]),
    "hytra-1d": HyTra1D(),
    "paper": HyTra(preset="imagenet", widths=[8, 16, 32, 64], resolution=64),
    "mbconv": MBConv(widths=[8, 12, 16], stem=4),
    "widths": Widths(widths=[4, 6, 8]),
}
SHAPES = {"hytra": (1, 28, 28), "hytra-1d": (40,), "paper": (3, 64, 64), "mbconv": (1, 32, 32), "widths": (1, 28, 28)}
pytestmark = pytest.mark.usefixtures("one_thread")
each = pytest.mark.parametrize("name", SMALL)


class Contract(SpaceContract):
    samples = 2
    name = ""

    def space(self):
        return SMALL[self.name]

    def probe(self):
        return Probe(inputs=(Array(SHAPES[self.name]),))


class TestHyTra(Contract):
    name = "hytra"


class TestMBConv(Contract):
    name = "mbconv"


class TestWidths(Contract):
    name = "widths"


class TestBlock(SpaceContract):
    def space(self):
        return SMALL["hytra"].block_space(1, "2")


@pytest.mark.parametrize(("available", "one", "any_number"), [(4, 131, 201), (3, 115, 129), (2, 80, 80), (1, 16, 16)])
def test_a_block_of_four_layers_has_the_papers_number_of_paths(available, one, any_number):
    for halvings, paths in ((1, one), (3, any_number)):
        space = HyTra(preset="imagenet", blocks=[4], available=[available], halvings=halvings)
        assert space.size() == paths == len(list(space.candidates()))


def test_whole_spaces_have_the_published_sizes():
    assert HyTra(preset="imagenet").size() == 2_818_103
    assert HyTra(preset="imagenet", available=[4, 3, 2, 2]).size() == 2_777_600
    assert HyTra().size() == HyTra1D().size() == 3_587 == len(set(HyTra().candidates()))
    assert HyTra().block_space(0, "").size() == 11
    assert [HyTra().block_space(2, entry).size() for entry in ("2", "4", "8")] == [35, 32, 8]
    assert Widths().size() == 32_768
    assert MBConv().size() == 6_561


def test_the_papers_network_is_a_path_of_its_space():
    text = "conv4 conv8 conv16 conv16 conv16 att16 conv16 att32 att32 att32 conv32 att32 att32 att32 att32 att32"
    space = HyTra(preset="imagenet")
    assert space.describe(space.decode(text.split())).count("|") == 3


@pytest.mark.parametrize("space", [HyTra(blocks=[2, 2]), HyTra(preset="imagenet", blocks=[3])])
def test_samples_are_uniform_over_paths(space):
    every = list(space.candidates())
    drawn = Counter(space.sample_many(60 * len(every), np.random.default_rng(3)))
    found = stats.chisquare([drawn[candidate] for candidate in every])
    assert found.pvalue > 1e-3
    naive = Counter(drawn_layer_by_layer(space, np.random.default_rng(3), 60 * len(every)))
    assert stats.chisquare([naive[candidate] for candidate in every]).pvalue < 1e-9


def drawn_layer_by_layer(space, rng, count):
    """What the reference does: an entry at random among those that are allowed. It favours what leads to few paths."""
    for _ in range(count):
        state, path = space.start, []
        for layer, entries in enumerate(space.layers()):
            path.append(rng.choice([entry for entry in entries if space.follows(layer, state, entry)]))
            state = space.state(path[-1])
        yield space.from_path(list(map(str, path)))


@each
def test_a_mutation_changes_one_layer_and_reaches_every_neighbour(name):
    space, rng = SMALL[name], np.random.default_rng(0)
    parent = space.sample(rng)
    near = set(map(space.from_path, space.neighbours(space.path(parent))))
    children = set(space.mutate_many([parent] * 40 * len(near), rng))
    assert children == near
    for child in children:
        changed = zip(space.path(parent), space.path(child), strict=True)
        assert space.decode(child.value) == child
        assert sum(one != other for one, other in changed) == 1


@each
def test_a_child_of_two_has_the_beginning_of_one_and_the_end_of_the_other(name):
    space, rng = SMALL[name], np.random.default_rng(1)
    mixed = 0
    for one, other in zip(space.sample_many(30, rng), space.sample_many(30, rng), strict=True):
        child = space.crossover(one, other, rng)
        assert space.decode(child.value) == child
        paths = [space.path(item) for item in (one, other, child)]
        assert all(entry in pair for *pair, entry in zip(*paths, strict=True))
        mixed += child not in (one, other)
    assert mixed > 10


@each
def test_costs_are_those_of_the_built_network(name):
    space = SMALL[name]
    for candidate in space.sample_many(3, np.random.default_rng(2)):
        assert module_costs(space.build(candidate), Array(SHAPES[name])) == space.costs(candidate)


def test_costs_of_the_default_sizes():
    costs = [HyTra().costs(candidate) for candidate in HyTra().candidates()]
    assert 0.57e6 < min(one["macs"] for one in costs) < max(one["macs"] for one in costs) < 0.78e6
    rho = stats.spearmanr([one["macs"] for one in costs], [one["parameters"] for one in costs]).statistic
    assert rho < 0.3  # counts cannot explain each other, as they do among widths


@each
def test_blocks_cut_a_candidate_and_join_to_it(name):
    space = SMALL[name]
    for candidate in space.sample_many(10, np.random.default_rng(4)):
        blocks = space.blocks(candidate)
        assert space.joined([block.part for block in blocks]) == candidate
        assert [block.entry for block in blocks] == [space.start, *[block.exit for block in blocks[:-1]]]
        for block in blocks:
            inside = space.block_space(block.index, block.entry)
            assert inside.decode(block.part).value == block.part


@each
def test_shared_weights_run_every_path(name):
    torch.manual_seed(0)
    space = SMALL[name]
    network = space.supernet().eval()
    names = dict(network.named_parameters())
    assert len(network.blocks) == len(space.lengths)
    for candidate in space.sample_many(3, np.random.default_rng(5)):
        x = torch.randn(2, *SHAPES[name])
        for block in space.blocks(candidate):
            x = network.block(block.index, block.entry, block.part, x)
            assert x.shape[1] == network.channels(block.index, block.exit)
            assert set(network.used(block.index, block.entry, block.part)) <= set(names)
        assert network.classify(block.exit, x).shape == (2, space.settings()["classes"])


@each
def test_gradients_reach_the_used_weights_and_no_others(name):
    space = SMALL[name]
    network = space.supernet()
    block = space.blocks(space.sample(np.random.default_rng(6)))[0]
    network.block(0, block.entry, block.part, torch.randn(4, *SHAPES[name])).square().sum().backward()
    reached = {name for name, item in network.named_parameters() if item.grad is not None}
    assert reached == set(network.used(0, block.entry, block.part))


def test_the_weights_of_attention_sum_to_one_over_keys():
    from search_spaces.nas.hytra_layers import Attention

    torch.manual_seed(0)
    attention = Attention(2, 8, 2)
    x = torch.randn(3, 8, 4, 5)
    weights, values = attention.weights(x)
    assert weights.shape == (3, 2, 20, 20)
    assert torch.allclose(weights.sum(-1), torch.ones(3, 2, 20), atol=1e-6)
    assert not torch.allclose(weights.sum(-2), torch.ones(3, 2, 20), atol=1e-2)  # over queries it does not
    by_hand = torch.einsum("bhqk,bhck->bhcq", weights, values).reshape(x.shape)
    assert torch.allclose(attention(x), by_hand, atol=1e-6)


def keys(space, values):
    candidates = [space.decode(value) for value in values]
    pairs = [(space.behaviour(one), space.training(one)) for one in candidates]
    found = Hasher().hash_many(pairs, [one.json for one in candidates])
    assert not [item.fallback for item in found if item.fallback]
    return [item.key for item in found]


def test_the_hash_finds_candidates_that_differ_by_identities_only():
    one, same, other, first = keys(MBConv(), ["12001022", "12010022", "12020022", "02001022"])
    assert one == same
    assert len({one, other, first}) == 3


def test_there_are_3969_functions_among_the_6561_candidates():
    space = MBConv()
    classes = Counter(space.canonical(candidate) for candidate in space.candidates())
    assert len(classes) == 3_969
    merged = next(candidate for candidate, count in classes.items() if count > 2)
    same = [one.value for one in space.candidates() if space.canonical(one) == merged]
    assert len(set(keys(space, same))) == 1


def test_a_scale_of_zero_at_the_start_hides_no_operation_from_the_hash():
    end = ["conv4"] * 8
    assert len(set(keys(SMALL["hytra"], [["conv2", "att4", *end[:7]], ["conv2", "conv4", *end[:7]]]))) == 2
    ends = [["conv1", *["conv2"] * 7, last] for last in ("att4", "conv4")]
    assert len(set(keys(SMALL["hytra-1d"], ends))) == 2


@pytest.mark.parametrize(
    ("space", "value", "says"),
    [
        (HyTra(), ["conv2"] * 8, "a candidate has 9 layers, and this one 8"),
        (HyTra(), ["conv4"] + ["conv4"] * 8, "layer 1 is 'conv4', which cannot follow ''; give one of conv2"),
        (HyTra(), ["conv2"] * 4 + ["conv8"] * 5, "layer 5 is 'conv8', which cannot follow '2'"),
        (HyTra(), ["conv2"] * 4 + ["conv4", "att2"] + ["conv4"] * 3, "layer 6 is 'att2', which is no entry"),
        (HyTra(), "conv2", "is no list of texts"),
        (MBConv(), "1203", "a candidate has 8 layers, and this one 4"),
        (MBConv(), "12003000", "layer 5 is '3', which is no entry of this layer; give one of 0, 1, 2"),
        (Widths(), "64:40:48:64:57", "layer 5 is '57', which is no entry of this layer"),
        (Widths(), 64, "is no text"),
    ],
)
def test_what_is_no_candidate_is_refused_with_its_layer(space, value, says):
    with pytest.raises(InvalidCandidate) as error:
        space.decode(value)
    assert says in str(error.value)


def test_a_table_that_took_the_digits_for_a_number_is_read():
    assert MBConv().decode(2001022).value == "02001022"


def test_a_block_that_does_not_fit_is_refused_with_what_fits():
    with pytest.raises(InvalidSpace, match="block 1 cannot begin after '3'; the block before it ends in one of '2', "):
        HyTra().block_space(1, "3")
    with pytest.raises(InvalidSpace, match="has 3 blocks, counted from 0; there is no block 3"):
        HyTra().block_space(3, "2")
    with pytest.raises(InvalidCandidate, match="layer 4 is 'conv8', which cannot follow '2'"):
        HyTra().joined([["conv2"] * 3, ["conv8"] * 3, ["conv8"] * 3])


def test_a_space_without_blocks_says_what_to_define():
    from search_spaces.nas.macro import MacroNet

    assert MacroNet().blocks(MacroNet().sample(np.random.default_rng(0))) == ()
    with pytest.raises(InvalidSpace, match="MacroNet has no blocks: define blocks"):
        MacroNet().block_space(0, "")
    with pytest.raises(InvalidSpace, match="MacroNet has no supernet: define supernet"):
        MacroNet().supernet()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: HyTra(preset="minni"), "unknown preset of HyTra 'minni'; did you mean mini?"),
        (lambda: HyTra(widths=[4, 8]), "give 3 numbers of at least 4"),
        (lambda: HyTra(available=[4, 3, 2]), "how many of the 3 scales"),
        (lambda: HyTra(halvings=0), "halvings=0"),
        (lambda: MBConv(blocks=[2, 3]), "do not fit"),
        (lambda: Widths(widths=[16, 8]), "in ascending order"),
    ],
)
def test_settings_that_do_not_fit_are_refused(make, says):
    with pytest.raises(InvalidSpace, match=says):
        make()


class Dead(PathSpace):
    def layers(self):
        return (("a",), ("b",))

    def follows(self, layer, state, entry):
        return layer == 0


def test_a_rule_that_no_path_follows_is_refused():
    with pytest.raises(InvalidSpace, match="no path follows its rule"):
        Dead().size()
