# ruff: noqa: E501 - the curves of torch are several a line
"""Functions that differ where values are large, small or between thresholds; outputs that hide one another."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from automl.behaviour import Array, Function, Graph, Node, Probe
from automl.hashing import functional_hash

ROWS = Probe(inputs=(Array((8,)),))
IMAGES = Probe(inputs=(Array((3, 8, 8)),))
TOKENS = Probe(inputs=(Array((6,), 0, 29),))


def bent_silu(x):
    return torch.where(x > 10, 10 + 0.5 * (x - 10), torch.nn.functional.silu(x))


class Own(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


ALIKE_NEAR_ONE = {
    "relu and relu6": (nn.ReLU, nn.ReLU6),
    "clip at 6 and 8": (lambda: nn.Hardtanh(-6, 6), lambda: nn.Hardtanh(-8, 8)),
    "clip at 20 and none": (lambda: nn.Hardtanh(-20, 20), nn.Identity),
    "silu bent above 10": (nn.SiLU, lambda: Own(bent_silu)),
    "hard shrink at 1e-3 and 1e-4": (lambda: nn.Hardshrink(1e-3), lambda: nn.Hardshrink(1e-4)),
}
PLACES = {
    "behind nothing": lambda made: nn.Sequential(made(), nn.Linear(8, 3)),
    "in a perceptron": lambda made: nn.Sequential(
        nn.Linear(8, 32), made(), nn.Linear(32, 32), made(), nn.Linear(32, 3)
    ),
    "behind layer norm": lambda made: nn.Sequential(nn.Linear(8, 32), nn.LayerNorm(32), made(), nn.Linear(32, 3)),
    "behind batch norm": lambda made: nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), made(), nn.Linear(32, 3)),
    "behind a norm without gains": lambda made: nn.Sequential(
        nn.Linear(8, 32), nn.LayerNorm(32, elementwise_affine=False), nn.Linear(32, 16, bias=False), made()
    ),
}


OUT_OF_REACH = [
    ("hard shrink at 1e-3 and 1e-4", "behind a norm without gains"),
    ("clip at 20 and none", "behind a norm without gains"),
]
"""What is normed and has neither gain nor bias stays between these."""


@pytest.mark.parametrize(
    ("pair", "place"), [one for one in itertools.product(ALIKE_NEAR_ONE, PLACES) if one not in OUT_OF_REACH]
)
def test_modules_that_differ_far_from_one_have_different_keys(pair, place):
    keys = [functional_hash(PLACES[place](made), ROWS) for made in ALIKE_NEAR_ONE[pair]]
    assert keys[0] != keys[1]


def test_convolutions_that_differ_far_from_one_have_different_keys():
    def net(activation):
        return nn.Sequential(nn.Conv2d(3, 4, 3), activation(), nn.Conv2d(4, 4, 3), activation(), nn.Flatten())

    assert functional_hash(net(nn.ReLU), IMAGES) != functional_hash(net(nn.ReLU6), IMAGES)


GATES = {
    "hardshrink": nn.Hardshrink, "threshold": lambda limit: nn.Threshold(limit, 0.0), "clip": lambda limit: nn.Hardtanh(-limit, limit),
    "gate below": lambda limit: nn.Threshold(-limit, -4 * limit), "softshrink": nn.Softshrink,
}  # fmt: skip


@pytest.mark.parametrize("width", [1, 3, 8, 70])
def test_bare_gates_are_told_apart_wherever_their_thresholds_lie(width):
    """Two thresholds between 2**-8 and 2**13, a fifth to a half apart."""
    rng, probe = np.random.default_rng(width), Probe(inputs=(Array((width,)),))
    for _ in range(5):
        one = 2.0 ** rng.uniform(-8, 13)
        other = one * rng.uniform(1.2, 1.5)
        for name, made in GATES.items():
            keys = {functional_hash(made(limit), probe) for limit in (one, other)}
            assert len(keys) == 2, (name, one, other)


def test_a_module_may_take_only_as_many_examples_as_the_probe_has():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 3)

        def forward(self, x):
            return self.layer(x.view(2, 8))

    assert functional_hash(Fixed(), ROWS) == functional_hash(Fixed(), ROWS)
    assert functional_hash(Fixed(), ROWS) != functional_hash(nn.Sequential(Fixed(), nn.ReLU()), ROWS)


@pytest.mark.parametrize("prepared", [lambda y: y, lambda y: y.softmax(1)])
def test_losses_without_a_gradient_of_their_target_have_keys(prepared):
    class Loss(nn.Module):
        def __init__(self, reduction):
            super().__init__()
            self.loss = nn.SoftMarginLoss(reduction=reduction)

        def forward(self, x, y):
            return self.loss(x, prepared(y))

    keys = [functional_hash(Loss(way), Probe(inputs=(Array((8,)), Array((8,))))) for way in ("mean", "mean", "sum")]
    assert len(set(keys)) == 2


@pytest.mark.parametrize("limits", [(1e-3, 1e-4), (1e-6, 1e-8), (1e-9, 1e-12)])
def test_guards_of_functions_and_graphs_are_seen(limits):
    def guarded(limit):
        def call(x):
            with np.errstate(divide="ignore"):
                return np.where(np.abs(x) > limit, 1 / x, 1.0)

        return call

    assert len({functional_hash(guarded(limit)) for limit in limits}) == 2
    nodes = (Node("input"), Node("mine", (0,)))
    graphs = [Graph(nodes, (1,), operations={"mine": guarded(limit)}) for limit in limits]
    assert len({functional_hash(graph, Probe(inputs=(Array((3, 8, 8)),))) for graph in graphs}) == 2


@pytest.mark.parametrize("limits", [(6.0, 8.0), (10.0, 20.0), (50.0, 100.0), (3000.0, 6000.0)])
def test_gates_and_clips_of_functions_are_seen(limits):
    for made in (
        lambda limit: lambda x: np.where(np.abs(x) > limit, 0.0, x),
        lambda limit: lambda x: np.minimum(x, limit),
    ):
        assert len({functional_hash(made(limit)) for limit in limits}) == 2


def test_functions_that_agree_on_all_numbers_are_one_whatever_they_do_to_infinities():
    for one, other in (
        (lambda x: 1 + x * (2 + x * (3 + x)), lambda x: 1 + 2 * x + 3 * x * x + x**3),
        (lambda x, y: (x + y) ** 2, lambda x, y: x * x + 2 * x * y + y * y),
        (lambda x: np.maximum(x, 0), lambda x: (x + np.abs(x)) / 2),
        (lambda x: np.expm1(x), lambda x: np.exp(x) - 1),
    ):
        assert functional_hash(one) == functional_hash(other)


F = torch.nn.functional
CURVES = {
    "relu": torch.relu, "relu by clamp": lambda x: x.clamp(min=0), "relu6": F.relu6, "relu6 by clip": lambda x: x.clip(0, 6),
    "hardtanh": F.hardtanh, "hardtanh by clamp": lambda x: x.clamp(-1, 1), "hardtanh 6": lambda x: F.hardtanh(x, -6, 6),
    "elu": F.elu, "elu 2": lambda x: F.elu(x, 2.0), "celu": F.celu, "selu": F.selu, "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "silu by product": lambda x: x * torch.sigmoid(x),
    "mish": F.mish, "mish by product": lambda x: x * torch.tanh(F.softplus(x)), "softplus": F.softplus,
    "softplus 2": lambda x: F.softplus(x, 2.0), "softsign": F.softsign, "softsign by quotient": lambda x: x / (1 + x.abs()),
    "tanh": torch.tanh, "tanh by sigmoid": lambda x: 2 * torch.sigmoid(2 * x) - 1, "sigmoid": torch.sigmoid,
    "hardsigmoid": F.hardsigmoid, "hardsigmoid by relu6": lambda x: F.relu6(x + 3) / 6, "hardswish": F.hardswish,
    "hardswish by relu6": lambda x: x * F.relu6(x + 3) / 6, "logsigmoid": F.logsigmoid, "tanhshrink": F.tanhshrink,
    "tanhshrink by difference": lambda x: x - torch.tanh(x), "softshrink": F.softshrink, "hardshrink": F.hardshrink,
    "softshrink 1e-3": lambda x: F.softshrink(x, 1e-3), "hardshrink 1e-3": lambda x: F.hardshrink(x, 1e-3),
    "leaky": F.leaky_relu, "leaky .02": lambda x: F.leaky_relu(x, 0.02), "threshold": lambda x: F.threshold(x, 0.1, 20.0),
    "clamp 1e4": lambda x: x.clamp(-5e3, 5e3), "identity": lambda x: x, "clamp 30": lambda x: x.clamp(-30, 30),
}  # fmt: skip
"""Every activation and clip of torch, some settings, and other ways of writing them."""


def test_curves_of_torch_share_a_key_exactly_when_they_agree_on_the_declared_range():
    sizes = np.geomspace(1e-6, 1e4, 5_001)
    points = torch.from_numpy(np.concatenate([sizes, -sizes, np.linspace(-8, 8, 5_001)]))
    values = {name: curve(points) for name, curve in CURVES.items()}
    keys = {name: functional_hash(Function(curve, torch=True)) for name, curve in CURVES.items()}
    alone = {name: functional_hash(Own(curve), ROWS) for name, curve in CURVES.items()}
    agreeing = 0
    for one, other in itertools.combinations(CURVES, 2):
        scale = torch.maximum(values[one].abs(), values[other].abs()).clamp(min=1.0)
        apart = float(((values[one] - values[other]).abs() / scale).max())
        assert not 1e-9 < apart < 1e-4, (one, other, apart)
        agreeing += apart < 1e-4
        assert (keys[one] == keys[other]) == (alone[one] == alone[other]) == (apart < 1e-4), (one, other, apart)
    assert agreeing >= 9


def masked(hidden, activation, value):
    net = nn.Sequential(nn.Embedding(30, 16), nn.Linear(16, hidden), activation, nn.Linear(hidden, 30))
    return nn.Sequential(net, Own(lambda x: x.masked_fill(torch.arange(30) > 25, value)))


@pytest.mark.parametrize("value", [-math.inf, math.nan, -1e9, torch.finfo(torch.float32).min])
def test_masked_outputs_hide_nothing(value):
    keys = {functional_hash(masked(8, activation, value), TOKENS) for activation in (nn.ReLU(), nn.Tanh(), nn.GELU())}
    assert len(keys) == 3


def test_where_outputs_are_not_finite_is_seen():
    def net(function):
        return nn.Sequential(nn.Embedding(30, 20), Own(lambda x: torch.log(function(x))))

    assert functional_hash(net(torch.tanh), TOKENS) != functional_hash(net(torch.sin), TOKENS)
    assert functional_hash(masked(8, nn.ReLU(), math.inf), TOKENS) != functional_hash(
        masked(8, nn.ReLU(), -math.inf), TOKENS
    )


def test_vanishing_signals_are_seen():
    def deep(count):
        layers = [layer for _ in range(count) for layer in (nn.Linear(16, 16, bias=False), nn.ReLU())]
        return nn.Sequential(nn.Linear(8, 16), *layers)

    assert len({functional_hash(deep(count), ROWS) for count in (60, 61, 80, 81)}) == 4

    def sigmoids(first):
        return nn.Sequential(nn.Linear(8, 8), first, *[nn.Sequential(nn.Linear(8, 8), nn.Sigmoid()) for _ in range(25)])

    assert functional_hash(sigmoids(nn.Tanh()), ROWS) != functional_hash(sigmoids(nn.Sigmoid()), ROWS)


def test_what_only_noise_is_left_of_is_zero_however_it_is_written():
    """The sum of what softmax gives is one, so nothing flows back; in another order other noise is left."""
    one = nn.Sequential(nn.Linear(8, 5), Own(lambda x: x.softmax(1).sum(1, keepdim=True)))
    other = nn.Sequential(nn.Linear(8, 5), Own(lambda x: x.flip(1).log_softmax(1).exp().sum(1, keepdim=True)))
    assert functional_hash(one, ROWS) == functional_hash(other, ROWS)
