"""What people build that looks hard to run and has a key all the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

from automl import Array, Probe, functional_hash

ROWS = Probe(inputs=(Array((8,)),))


class Kept:
    """A cache as decoders return it: an object that holds lists of tensors, and settings."""

    def __init__(self, keys):
        self.layers, self.is_compileable, self.steps = [keys], False, {"seen": 4}


class Decoder(nn.Module):
    def __init__(self, kept=None):
        super().__init__()
        self.keys, self.values, self.kept = nn.Linear(8, 4), nn.Linear(8, 4), kept

    def forward(self, x):
        keys = self.keys(x)
        given = {"logits": keys.softmax(1) * self.values(x)}
        return given if self.kept is None else {**given, "past": Kept(self.kept(keys))}


def test_caches_among_outputs_are_seen():
    plain, cached, other = (functional_hash(Decoder(kept), ROWS) for kept in (None, torch.tanh, torch.sin))
    assert len({plain, cached, other}) == 3
    assert cached == functional_hash(Decoder(lambda x: torch.tanh(x)), ROWS)


def test_a_module_may_ask_for_the_gradient_of_its_input():
    class Encoder(nn.Module):  # as the encoders of speech do for checkpointing
        def __init__(self, asks):
            super().__init__()
            self.layer, self.asks = nn.Linear(8, 8), asks

        def forward(self, x):
            if self.asks and self.training:
                x.requires_grad = True
            return self.layer(x)

    assert functional_hash(Encoder(True), ROWS) == functional_hash(Encoder(False), ROWS)


class Quantised(nn.Module):
    """Straight through the nearest of twelve codes that follow their inputs; its losses start from a leaf."""

    def __init__(self, decay=0.9, commitment=0.25):
        super().__init__()
        self.enter, self.leave = nn.Linear(8, 4), nn.Linear(4, 8)
        self.register_buffer("codes", torch.linspace(-1, 1, 48).reshape(12, 4))
        self.decay, self.commitment = decay, commitment

    def forward(self, x):
        z = self.enter(x)
        nearest = torch.cdist(z, self.codes).argmin(1)
        found = self.codes[nearest]
        loss = torch.tensor(0.0, requires_grad=self.training)
        if self.training:
            loss = loss + self.commitment * F.mse_loss(found.detach(), z)
            self.codes[nearest] = self.decay * found + (1 - self.decay) * z.detach()
        return self.leave(z + (found - z).detach()), nearest, loss, self.leave.weight


def test_codebooks_have_keys_with_their_decay_and_commitment():
    keys = [functional_hash(Quantised(*given), ROWS) for given in ((), (0.99,), (0.9, 0.5))]
    assert len(set(keys)) == 3
    assert keys[0] == functional_hash(Quantised(), ROWS)


class Fourier(nn.Module):
    """A layer in frequencies; its weights are complex, or real ones in pairs."""

    def __init__(self, *, paired=False, conjugate=False):
        super().__init__()
        real = torch.rand(3, 4, 5, 2)
        self.weight = nn.Parameter(real if paired else torch.view_as_complex(real))
        self.paired, self.conjugate = paired, conjugate

    def forward(self, x):
        weight = torch.view_as_complex(self.weight) if self.paired else self.weight
        weight = weight.conj() if self.conjugate else weight
        return torch.fft.irfft(torch.einsum("bim,iom->bom", torch.fft.rfft(x), weight), n=8)


def test_complex_weights_are_pairs_of_real_ones():
    images = Probe(inputs=(Array((3, 8)),))
    plain, paired, conjugate = (
        functional_hash(Fourier(**given), images) for given in ({}, {"paired": True}, {"conjugate": True})
    )
    assert plain == paired
    assert plain != conjugate


def test_pruned_and_reparametrised_layers_have_keys():
    def pruned(amount):
        torch.manual_seed(0)
        layer = nn.Linear(8, 8)
        prune.l1_unstructured(layer, "weight", amount)
        layer(torch.zeros(2, 8))  # its weight is now computed, which deepcopy refuses
        return nn.Sequential(layer, nn.ReLU())

    assert functional_hash(pruned(0.5), ROWS) == functional_hash(pruned(0.5), ROWS)
    assert functional_hash(pruned(0.5), ROWS) != functional_hash(pruned(0.25), ROWS)


@pytest.mark.parametrize("write", [lambda x: x.type(torch.float32), lambda x: x.float(), lambda x: x.to(torch.float32)])
def test_casts_to_float32_and_plain_tensors_change_no_key(write):
    class Plain(nn.Module):
        def __init__(self, cast):
            super().__init__()
            self.layer, self.groups, self.cast = nn.Linear(8, 8), torch.eye(8) * 2, cast

        def forward(self, x):
            return self.layer(self.cast(x)) @ self.groups

    assert functional_hash(Plain(write), ROWS) == functional_hash(Plain(lambda x: x), ROWS)


@pytest.mark.parametrize("make", [torch.tensor, torch.scalar_tensor, lambda value: torch.full((), value)])
def test_the_smallest_number_of_a_type_may_be_made_a_tensor(make):
    class Masked(nn.Module):
        def __init__(self, make):
            super().__init__()
            self.layer, self.make = nn.Linear(8, 8), make

        def forward(self, x):
            y = self.layer(x).tril()
            return torch.max(y.masked_fill(y == 0, -torch.inf), self.make(torch.finfo(y.dtype).min)).softmax(-1)

    assert functional_hash(Masked(make), ROWS) == functional_hash(Masked(lambda value: torch.zeros(1) - 1e30), ROWS)


def test_evaluation_need_not_survive_a_backward_pass():
    class InPlace(nn.Module):
        def __init__(self, in_place):
            super().__init__()
            self.layer, self.unused, self.in_place = nn.Linear(8, 8), nn.Linear(8, 8), in_place

        def forward(self, x):
            y = self.layer(x).exp()
            return y if self.training else (y.add_(1) if self.in_place else y + 1)

    assert functional_hash(InPlace(True), ROWS) == functional_hash(InPlace(False), ROWS)
