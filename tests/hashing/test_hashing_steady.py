"""Keys that do not change from call to call, from thread to thread or with the order of writing."""

import copy
import os
import random
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from automl.behaviour import Array, Module, Probe
from automl.errors import Unhashable
from automl.hashing import functional_hash

ROWS = Probe(inputs=(Array((8,)),))
TOKENS = Probe(inputs=(Array((6,), 0, 29),))


class Own(nn.Module):
    """A module of parts with a forward given as a function of (module, x)."""

    def __init__(self, forward, *parts, **named):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.called = forward
        for name, item in named.items():
            setattr(self, name, item)

    def forward(self, x):
        return self.called(self, x)


def skipping(draw):
    def forward(own, x):
        for layer in own.parts:
            if not own.training or draw() > 0.3:
                x = layer(x)
        return x

    return Own(forward, *(nn.Linear(8, 8) for _ in range(6)))


@pytest.mark.parametrize("draw", [random.random, np.random.random], ids=["python", "numpy"])
def test_shared_generators_are_seeded_and_put_back(draw):
    before = random.getstate(), np.random.get_state()[1].tolist()
    assert len({functional_hash(skipping(draw), ROWS) for _ in range(4)}) == 1
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


@pytest.mark.parametrize("draw", [random.random, np.random.random], ids=["python", "numpy"])
def test_rates_of_what_is_drawn_from_shared_generators_are_seen(draw):
    def net(rate):
        def forward(own, x):
            for layer in own.parts:
                if not own.training or draw() >= rate:
                    x = layer(x)
            return x

        return Own(forward, nn.Linear(8, 8), nn.Linear(8, 8))

    keys = [functional_hash(net(rate), ROWS) for rate in (0.0, 0.05, 0.1, 0.2, 0.3)]
    assert len(set(keys)) == 5
    assert keys[0] != functional_hash(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), ROWS)
    assert keys[3] == functional_hash(net(0.2), ROWS)


def test_what_differs_from_run_to_run_is_said_to_be_random():
    with pytest.raises(Unhashable, match="random"):
        functional_hash(skipping(np.random.default_rng().random), ROWS)


BUILDS = {
    "numpy": lambda: np.random.rand(8),
    "python": lambda: [random.random() for _ in range(8)],
    "torch": lambda: torch.rand(8).numpy(),
}
OTHERS = {
    "own generator": lambda: np.random.default_rng().random(),
    "system": lambda: 1 + int.from_bytes(os.urandom(6)) / 2**48,  # numbers of few digits are taken for written ones
}


class Scaled(nn.Module):
    """A layer whose outputs are multiplied by numbers that are drawn when it is made."""

    def __init__(self, draw, held):
        super().__init__()
        self.layer, drawn = nn.Linear(8, 8), draw()
        if held == "buffer":
            self.register_buffer("scales", torch.as_tensor(drawn, dtype=torch.float32))
        else:
            self.scales = [drawn]

    def forward(self, x):
        return self.layer(x) * torch.as_tensor(self.scales[0] if isinstance(self.scales, list) else self.scales)


@pytest.mark.parametrize("draw", BUILDS)
@pytest.mark.parametrize("held", ["buffer", "list"])
def test_what_a_module_draws_when_it_is_made_comes_from_one_seed(draw, held):
    before = random.getstate(), np.random.get_state()[1].tolist()
    keys = {functional_hash(Module(lambda: Scaled(BUILDS[draw], held)), ROWS) for _ in range(3)}
    assert len(keys) == 1
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    assert keys != {functional_hash(Module(lambda: Scaled(lambda: np.ones(8), held)), ROWS)}


@pytest.mark.parametrize("draw", OTHERS)
@pytest.mark.parametrize("held", ["buffer", "list"])
def test_what_is_another_module_each_time_that_it_is_made_is_said_to_be_random(draw, held):
    with pytest.raises(Unhashable, match="random"):
        functional_hash(Module(lambda: Scaled(OTHERS[draw], held)), ROWS)


def test_memory_that_nobody_wrote_is_not_looked_at():
    keys = set()
    for size in range(4):
        garbage = [torch.rand(2, 64) for _ in range(20 * size)]
        del garbage
        module = Own(lambda own, x: own.parts[0](x) * torch.empty_like(x).bernoulli_(0.7), nn.Linear(8, 8))
        keys.add(functional_hash(module, ROWS))
    assert len(keys) == 1


NOISES = {
    "dropout": lambda x: F.dropout(x, 0.3, training=True),
    "noise like": lambda x: x * torch.randn_like(x.detach()[:, :1] * 0),
    "mask": lambda x: x * (torch.rand(len(x), 1) < 0.7),
    "mask in place": lambda x: x * x.new_empty(len(x), 1).bernoulli_(0.7).div_(0.7),
}


@pytest.mark.parametrize("noise", NOISES)
def test_branches_with_noise_may_be_written_in_any_order(noise):
    def two(exchanged):
        def forward(own, x):
            one = lambda: NOISES[noise](torch.tanh(own.parts[0](x)))
            other = lambda: NOISES[noise](torch.sin(own.parts[1](x)))
            return other() + one() if exchanged else one() + other()

        return Own(forward, nn.Linear(8, 8), nn.Linear(8, 8))

    assert functional_hash(two(True), ROWS) == functional_hash(two(False), ROWS)


def test_noise_of_one_distribution_is_one_however_it_is_called():
    ways = [
        lambda x: x + torch.randn_like(x),
        lambda x: x + torch.randn(x.shape),
        lambda x: torch.randn(*x.shape) + x,
    ]
    nets = [Own(lambda own, x, way=way: way(own.parts[0](x)), nn.Linear(8, 8)) for way in ways]
    assert len({functional_hash(net, ROWS) for net in nets}) == 1


@pytest.mark.parametrize("count", [3, 4, 8])
def test_experts_may_be_written_in_any_order(count):
    def mixture(order):
        def forward(own, x):
            experts, gates = own.parts
            value, index = torch.cat([gates[i](x) for i in order], 1).topk(2)
            weight, total = value.softmax(1), 0.0
            for place, expert in enumerate(order):
                total = total + ((index == place) * weight).sum(1, keepdim=True) * experts[expert](x)
            return total

        made = nn.ModuleList([nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 8)) for _ in order])
        return Own(forward, made, nn.ModuleList([nn.Linear(8, 1) for _ in order]))

    orders = [list(range(count)), list(range(count))[::-1]]
    assert len({functional_hash(mixture(order), ROWS) for order in orders}) == 1


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_changes_no_key(reentrant):
    layers = lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 8))
    plain = Own(lambda own, x: own.parts[0](x), layers())
    again = Own(lambda own, x: checkpoint(own.parts[0], x, use_reentrant=reentrant), layers())
    assert functional_hash(plain, ROWS) == functional_hash(again, ROWS)


def test_a_lambda_over_the_module_reads_the_copy():
    def tied():
        made = Own(lambda own, x: own.head(own.table(x)), table=nn.Embedding(30, 8), norm=nn.BatchNorm1d(8))
        made.head = lambda x: made.norm(x.flatten(0, 1)) @ made.table.weight.t()
        return made

    for cast in (lambda module: module, nn.Module.double):
        one, other = cast(tied()), cast(tied())
        before = copy.deepcopy(one.state_dict())
        assert functional_hash(one, TOKENS) == functional_hash(other, TOKENS)
        assert all(torch.equal(value, one.state_dict()[name]) for name, value in before.items())


def test_hooks_on_parameters_shared_buffers_and_momentum_are_seen():
    def hooked(factor):
        module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
        if factor:
            module[0].weight.register_hook(lambda gradient: factor * gradient)
        return module

    assert len({functional_hash(hooked(factor), ROWS) for factor in (0, 0.5, 0.25)}) == 3

    def running(shared):
        def forward(own, x):
            y = own.parts[0](x)
            if own.training:
                own.a.mean.mul_(0.9).add_(0.1 * y.detach().mean(0))
            return y - own.b.mean

        made = Own(forward, nn.Linear(8, 4), a=nn.Module(), b=nn.Module())
        state = torch.zeros(4)
        made.a.register_buffer("mean", state)
        made.b.register_buffer("mean", state if shared else state.clone())
        return made

    assert functional_hash(running(True), ROWS) != functional_hash(running(False), ROWS)
    norms = [nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4, momentum=momentum)) for momentum in (None, 1.0, 0.1)]
    assert len({functional_hash(norm, ROWS) for norm in norms}) == 3


def test_names_of_outputs_are_seen():
    def named(*names):
        forward = lambda own, x: dict(zip(names, (own.parts[0](x), torch.tanh(own.parts[1](x))), strict=True))
        return Own(forward, nn.Linear(8, 8), nn.Linear(8, 8))

    assert functional_hash(named("logits", "aux"), ROWS) != functional_hash(named("zaux", "logits"), ROWS)
    with pytest.raises(Unhashable, match="without any tensor"):
        functional_hash(Own(lambda own, x: None), ROWS)


def trained(seed, stop):
    """Trains a little network over and over and returns its weights after each training."""
    found = []
    while not stop.is_set() or len(found) < 2:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(16, 8, generator=generator)
        net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
        assert net[0].weight.dtype == torch.float32
        with torch.no_grad():
            for item in net.parameters():
                item.copy_(torch.randn(item.shape, generator=generator) / 3)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (net(x) ** 2).mean().backward()
            optimizer.step()
        found.append(torch.cat([item.detach().flatten() for item in net.parameters()]))
    return found


def test_many_threads_hash_while_others_train():
    module = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.3), nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 8))
    right, stop, keys, weights = functional_hash(module, ROWS), threading.Event(), [], {}
    threads = torch.get_num_threads()
    hashing = [
        threading.Thread(target=lambda: keys.extend(functional_hash(module, ROWS) for _ in range(8))) for _ in range(8)
    ]
    training = [
        threading.Thread(target=lambda seed=seed: weights.update({seed: trained(seed, stop)})) for seed in (1, 2)
    ]
    for thread in (*training, *hashing):
        thread.start()
    for thread in hashing:
        thread.join()
    stop.set()
    for thread in training:
        thread.join()
    assert keys == [right] * 64
    assert all(torch.equal(one, several[0]) for several in weights.values() for one in several)
    assert (torch.get_default_dtype(), torch.get_num_threads()) == (torch.float32, threads)
    assert torch.backends.mha.get_fastpath_enabled()
    assert sorted(weights) == [1, 2]


def test_building_draws_from_no_generator_that_others_see():
    before = torch.get_rng_state()
    functional_hash(Module(lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 3))), ROWS)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("outside", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_the_callers_mode_changes_no_key(outside):
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    right = functional_hash(net, ROWS)
    with outside():
        assert functional_hash(net, ROWS) == right


@pytest.mark.parametrize("frozen", [0, 1])
def test_slots_of_which_only_the_sum_matters_may_stand_in_any_order(frozen):
    """Biases of a shortcut and of what it is added to, one of them not trained."""

    def net(exchanged):
        layers = [nn.Linear(8, 6), nn.Linear(8, 6)]
        layers[frozen != exchanged].bias.requires_grad_(False)
        one, other = layers[::-1] if exchanged else layers
        return Own(lambda own, x: own.parts[0](x) + torch.tanh(own.parts[1](x) * 0) + own.parts[1](x), one, other)

    assert functional_hash(net(False), ROWS) == functional_hash(net(True), ROWS)


@pytest.mark.parametrize("write", [lambda weight: weight.data.mul_(0.5), lambda weight: weight.detach().mul_(0.5)])
def test_a_module_that_writes_its_own_parameters_gets_them_back(write):
    def forward(own, x):
        write(own.parts[0].weight)
        return own.parts[1](own.parts[0](x))

    def made(called):
        return Own(called, nn.Linear(8, 8), nn.Linear(8, 8))

    def halved(own, x):
        layer = own.parts[0]
        return own.parts[1](F.linear(x, layer.weight - (0.5 * layer.weight).detach(), layer.bias))

    assert functional_hash(made(forward), ROWS) == functional_hash(made(halved), ROWS)


def test_a_module_that_its_build_returns_each_time_is_left_as_it_is():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
    before = {name: item.clone() for name, item in net.state_dict().items()}
    probe = Probe((Array((3, 8, 8)),))
    keys = {functional_hash(Module(lambda: net), probe=probe) for _ in range(3)}
    assert keys == {functional_hash(net, probe=probe)}
    after = net.state_dict()
    assert all(item.dtype == after[name].dtype and torch.equal(item, after[name]) for name, item in before.items())
