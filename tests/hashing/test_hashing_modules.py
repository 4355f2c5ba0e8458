"""Torch modules of every kind: hashable, and told apart by what changes them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from automl.behaviour import Array, Module, Probe
from automl.hashing import Hasher, functional_hash

IMAGES = Probe(inputs=(Array((4, 6, 6)),))
ROWS = Probe(inputs=(Array((8,)),))
SEQUENCES = Probe(inputs=(Array((5, 8)),))
TOKENS = Probe(inputs=(Array((5,), low=0, high=10),))


def key(module, probe):
    found = Hasher(probe).hash_many([(Module(lambda: module), {})], ["?"])[0]
    assert not found.fallback, found.fallback
    return found.key


def own(forward, *parts):
    """A module with the given parts whose forward is a function of (parts, x)."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList(parts)

        def forward(self, x):
            return forward(self.parts, x)

    return Own()


PAIRS = [
    (IMAGES, lambda: nn.Conv2d(4, 4, 3), lambda: nn.Conv2d(4, 4, 3, dilation=2)),
    (IMAGES, lambda: nn.Conv2d(4, 4, 3, groups=2), lambda: nn.Conv2d(4, 4, 3, groups=4)),
    (IMAGES, lambda: nn.ConvTranspose2d(4, 4, 3), lambda: nn.ConvTranspose2d(4, 4, 3, stride=2)),
    (IMAGES, lambda: nn.BatchNorm2d(4), lambda: nn.InstanceNorm2d(4, affine=True)),
    (IMAGES, lambda: nn.BatchNorm2d(4), lambda: nn.BatchNorm2d(4, momentum=0.3)),
    (IMAGES, lambda: nn.BatchNorm2d(4), lambda: nn.BatchNorm2d(4, eps=0.1)),
    (IMAGES, lambda: nn.GroupNorm(2, 4), lambda: nn.GroupNorm(4, 4)),
    (IMAGES, lambda: nn.LayerNorm([4, 6, 6]), lambda: nn.LayerNorm([6, 6])),
    (IMAGES, lambda: nn.Dropout(0.1), lambda: nn.Dropout(0.5)),
    (IMAGES, lambda: nn.Dropout(0.5), lambda: nn.Identity()),
    (IMAGES, lambda: nn.Dropout2d(0.2), lambda: nn.Dropout(0.2)),
    (IMAGES, lambda: nn.LazyConv2d(3, 3), lambda: nn.LazyConv2d(5, 3)),
    (ROWS, lambda: nn.utils.parametrizations.weight_norm(nn.Linear(8, 3)), lambda: nn.Linear(8, 3)),
    (ROWS, lambda: nn.PReLU(), lambda: nn.PReLU(8)),
    (SEQUENCES, lambda: nn.LSTM(8, 3, 2), lambda: nn.LSTM(8, 3, 2, bidirectional=True)),
    (SEQUENCES, lambda: nn.LSTM(8, 3, 2, dropout=0.1), lambda: nn.LSTM(8, 3, 2, dropout=0.5)),
    (SEQUENCES, lambda: nn.GRU(8, 3), lambda: nn.RNN(8, 3)),
    (SEQUENCES, lambda: nn.TransformerEncoderLayer(8, 2, 16), lambda: nn.TransformerEncoderLayer(8, 4, 16)),
    (
        SEQUENCES,
        lambda: nn.TransformerEncoderLayer(8, 2, 16),
        lambda: nn.TransformerEncoderLayer(8, 2, 16, norm_first=True),
    ),
    (TOKENS, lambda: nn.Embedding(11, 3), lambda: nn.Embedding(11, 3, padding_idx=10)),
    (TOKENS, lambda: nn.EmbeddingBag(11, 3), lambda: nn.EmbeddingBag(11, 3, mode="sum")),
]


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_layers_are_hashed_and_told_apart(number):
    probe, one, other = PAIRS[number]
    assert key(one(), probe) == key(one(), probe)
    assert key(one(), probe) != key(other(), probe)


def test_freezing_detaching_and_sharing_are_seen():
    def plain(parts, x):
        return parts[1](parts[0](x))

    def detached(parts, x):
        return parts[1](parts[0](x).detach())

    layers = lambda: (nn.Linear(8, 8), nn.Linear(8, 8))
    shared = nn.Linear(8, 8)
    frozen = own(plain, *layers())
    frozen.parts[0].requires_grad_(False)
    found = [own(plain, *layers()), own(detached, *layers()), own(plain, shared, shared), frozen]
    assert len({key(module, ROWS) for module in found}) == len(found)


def test_one_projection_of_an_attention_exchanged_is_seen_and_renaming_is_not():
    def attention(q, k, v):
        def forward(parts, x):
            scores = parts[q](x) @ parts[k](x).transpose(1, 2) / 8**0.5
            return scores.softmax(-1) @ parts[v](x)

        return own(forward, *(nn.Linear(8, 8, bias=False) for _ in range(3)))

    def sharing(parts, x):
        return (parts[0](x) @ parts[1](x).transpose(1, 2) / 8**0.5).softmax(-1) @ parts[0](x)

    assert key(attention(0, 1, 2), SEQUENCES) == key(attention(2, 0, 1), SEQUENCES)
    assert key(attention(0, 1, 2), SEQUENCES) != key(
        own(sharing, nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)), SEQUENCES
    )


def test_halves_swapped_before_a_gate_are_seen():
    def gate(parts, x):
        return F.glu(torch.cat([parts[0](x).tanh(), parts[1](x)], 1))

    def other(parts, x):
        return F.glu(torch.cat([parts[1](x), parts[0](x).tanh()], 1))

    assert key(own(gate, nn.Linear(8, 4), nn.Linear(8, 4)), ROWS) != key(
        own(other, nn.Linear(8, 4), nn.Linear(8, 4)), ROWS
    )


def test_the_rate_of_hand_written_noise_is_seen():
    def depth(rate):
        def forward(parts, x):
            if not torch.is_grad_enabled():
                return parts[0](x)
            return parts[0](x) * (torch.rand(len(x), 1, 1, 1) < rate)

        return own(forward, nn.Conv2d(4, 4, 1))

    assert key(depth(0.9), IMAGES) != key(depth(0.91), IMAGES)
    assert key(depth(0.9), IMAGES) == key(depth(0.9), IMAGES)


def test_parameters_of_its_own_buffers_casts_and_branches_on_data():
    class Odd(nn.Module):
        def __init__(self, scale):
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(8))
            self.register_buffer("scale", torch.tensor(scale))

        def forward(self, x):
            x = x.float() * self.scale + self.shift
            return {"y": x.relu_() if x.sum() > 0 else x, "n": x.shape[0]}

    assert key(Odd(2.0), ROWS) == key(Odd(2.0), ROWS)
    assert key(Odd(2.0), ROWS) != key(Odd(3.0), ROWS)


def test_hashing_leaves_a_module_and_torch_as_they_were():
    module = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Dropout(0.3))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    functional_hash(module, ROWS)
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, torch.float32)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_unused_layers_leave_no_trace_however_many_there_are():
    keys = {
        key(own(lambda parts, x: parts[0](x), nn.Linear(8, 8), *(nn.Linear(8, 8) for _ in range(dead))), ROWS)
        for dead in range(5)
    }
    assert len(keys) == 1


def test_large_layers_are_hashed_through_random_sums():
    """40,000 weights and outputs are more than are rounded one by one."""

    def net(*tail):
        return nn.Sequential(nn.Linear(8, 200), nn.ReLU(), nn.Linear(200, 200), *tail, nn.Linear(200, 20000))

    assert key(net(nn.Tanh(), nn.Identity()), ROWS) == key(net(nn.Tanh()), ROWS)
    assert key(net(nn.Tanh()), ROWS) != key(net(nn.GELU()), ROWS)
    assert key(net(nn.Dropout(0.1)), ROWS) != key(net(nn.Dropout(0.2)), ROWS)
