"""Spaces of whole networks: costs in closed form, what is one function, settings of training, sizes from the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import automl
from automl.behaviour import Array, Probe
from automl.delivery.formats.form import Trained, traced
from automl.errors import InvalidSpace
from automl.hashing import Hasher
from automl.setup.parts import PartSettings, assemble
from automl.spaces.costs import module_costs
from automl.spaces.space import Space
from automl.testing.spaces import SpaceContract
from search_spaces.nas.gpt import GPT
from search_spaces.nas.mlp import MLP
from search_spaces.nas.resnet import ResNet
from search_spaces.nas.rnn import RNN
from search_spaces.nas.tabular import Tabular
from search_spaces.nas.vit import ViT
from workers.tasks import descriptions

TEXT_TOKENS = 1 + max(
    int(part[1].max()) for part in (descriptions().train, descriptions().validation, descriptions().test)
)
TOKENS = Array((12,), low=0, high=19)
SMALL: dict[str, tuple[Space, Array]] = {
    "mlp": (MLP(features=6, outputs=3), Array((6,))),
    "tabular": (Tabular(features=6, outputs=3), Array((6,))),
    "resnet": (ResNet(channels=2, classes=5, widths=(4, 8, 12), blocks=2), Array((2, 8, 8))),
    "vit": (ViT(channels=2, classes=5, widths=(8, 12), layers=3), Array((2, 8, 8))),
    "rnn": (RNN(tokens=20, context=12, widths=(4, 6, 8)), TOKENS),
    "gpt": (GPT(tokens=20, context=12, widths=(8, 12), layers=2), TOKENS),
}
each = pytest.mark.parametrize("name", SMALL)
pytestmark = pytest.mark.usefixtures("one_thread")


class Contract(SpaceContract):
    samples = 3
    name = ""

    def space(self):
        return SMALL[self.name][0]

    def probe(self):
        return Probe((SMALL[self.name][1],))


class TestMLP(Contract):
    name = "mlp"


class TestTabular(Contract):
    name = "tabular"


class TestResNet(Contract):
    name = "resnet"


class TestViT(Contract):
    name = "vit"


class TestRNN(Contract):
    name = "rnn"


class TestGPT(Contract):
    name = "gpt"


@each
def test_costs_are_those_of_the_built_network(name):
    space, shape = SMALL[name]
    for candidate in space.sample_many(8, np.random.default_rng(2)):
        assert module_costs(space.build(candidate), shape) == space.costs(candidate)


@pytest.mark.parametrize(
    ("made", "macs"),
    [
        (lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 5 * 16 * (4 * 16 + 2 * 32) + 2 * 25 * 16),
        (lambda: nn.LSTM(16, 8, batch_first=True), 5 * 4 * 8 * (16 + 8)),
        (lambda: nn.GRU(16, 8, batch_first=True), 5 * 3 * 8 * (16 + 8)),
    ],
)
def test_kernels_of_one_piece_are_counted_too(made, macs):
    fast = torch.backends.mha.get_fastpath_enabled()
    assert module_costs(made(), Array((5, 16)))["macs"] == macs
    assert torch.backends.mha.get_fastpath_enabled() == fast


@each
def test_networks_answer_in_the_form_that_is_needed(name):
    space, shape = SMALL[name]
    inputs = torch.randint(0, 20, (3, 12)) if shape.high else torch.randn(3, *shape.shape)
    outputs = {"rnn": (3, 12, 20), "gpt": (3, 12, 20), "mlp": (3, 3), "tabular": (3, 3)}.get(name, (3, 5))
    for candidate in space.sample_many(6, np.random.default_rng(4)):
        assert space.build(candidate)(inputs).shape == outputs
        assert "\n" not in space.describe(candidate)


@pytest.mark.parametrize("name", ["rnn", "gpt"])
def test_no_place_sees_what_comes_after_it(name):
    space, _ = SMALL[name]
    tokens = torch.randint(0, 20, (2, 12), generator=torch.Generator().manual_seed(0))
    later = tokens.clone()
    later[:, 7:] = (later[:, 7:] + 1) % 20
    for candidate in space.sample_many(6, np.random.default_rng(5)):
        network = space.build(candidate).eval()
        one, other = network(tokens), network(later)
        assert torch.allclose(one[:, :7], other[:, :7], atol=1e-5)
        assert not torch.allclose(one[:, 7:], other[:, 7:], atol=1e-3)


def keys(name: str, *changes: dict) -> list[bytes]:
    """Returns keys of one candidate, and of the same with some fields changed (names with dots for nested ones)."""
    space, shape = SMALL[name]
    found = []
    for change in changes:
        value = BASE[name] | {"learning_rate": 0.003, "weight_decay": 0.0}
        if space.augments:
            value["augmentation"] = "none"
        for path, item in change.items():
            *places, last = path.split(".")
            inner = value
            for place in places:
                inner[place] = dict(inner[place])
                inner = inner[place]
            inner[last] = item
        candidate = space.decode(value)
        found.append((space.behaviour(candidate), space.training(candidate)))
    hashed = Hasher(Probe((shape,))).hash_many(found)
    assert not [one.fallback for one in hashed if one.fallback]
    return [one.key for one in hashed]


STAGE = {"depth": 1, "width": 8, "block": "basic", "kernel": 3}
LAYER = {"heads": 1, "ratio": 1}
BASE = {
    "mlp": {"depth": 2, "width": 32, "activation": "relu", "norm": "batch", "residual": True, "dropout": 0.1},
    "tabular": {
        "model": {"kind": "ResidualMLP", "depth": 1, "width": 32, "ratio": 1, "inner_dropout": 0.1, "dropout": 0.1}
    },
    "resnet": {"stem": 8, "stage1": STAGE, "stage2": STAGE, "stage3": STAGE},
    "vit": {"patch": 2, "width": 8, "layers": [LAYER, LAYER]},
    "rnn": {
        "cell": "gru", "depth": 1, "embedding": 6, "width": 6, "norm": True, "skip": True, "tied": True, "dropout": 0.1,
    },
    "gpt": {"width": 8, "positions": "rotary", "activation": "gelu", "tied": True, "dropout": 0.0, "layers": [LAYER]},
}  # fmt: skip

DIFFERENT = {
    "mlp": [
        {"depth": 1}, {"width": 64}, {"activation": "silu"}, {"norm": "layer"}, {"residual": False}, {"dropout": 0.2},
    ],
    "tabular": [{"model.depth": 2}, {"model.width": 64}, {"model.inner_dropout": 0.0}, {"weight_decay": 0.1}],
    "resnet": [
        {"stem": 4}, {"stage1.width": 12}, {"stage2.block": "bottleneck"}, {"stage3.kernel": 5}, {"stage1.depth": 0},
        {"augmentation": "crop"},
    ],
    "vit": [{"patch": 1}, {"width": 12}, {"layers": [LAYER]}, {"layers": [LAYER, {"heads": 2, "ratio": 1}]}],
    "rnn": [
        {"cell": "rnn"}, {"depth": 2}, {"width": 8}, {"norm": False}, {"skip": False}, {"tied": False},
        {"dropout": 0.0},
    ],
    "gpt": [
        {"width": 12}, {"positions": "none"}, {"positions": "learned"}, {"activation": "swiglu"}, {"tied": False},
        {"dropout": 0.1}, {"learning_rate": 0.001},
    ],
}  # fmt: skip


@pytest.mark.parametrize(("said", "done"), [("none", None), ("crop", {"crop": 2})])
def test_an_augmentation_that_a_candidate_names_is_its_own(said, done):
    space = SMALL["vit"][0]
    candidate = space.decode({**BASE["vit"], "learning_rate": 0.003, "weight_decay": 0.0, "augmentation": said})
    evaluator = automl.Classification("digits", augment={"flip": True})
    assert evaluator.adjusted(space.training(candidate)).augment == done


@each
def test_each_choice_makes_another_function(name):
    found = keys(name, {}, *DIFFERENT[name])
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("mlp", {"depth": 0}, {"depth": 0, "width": 256, "norm": "none", "dropout": 0.5, "residual": False}),
        ("resnet", {"stage2.depth": 0}, {"stage2.depth": 0, "stage2.width": 12, "stage2.block": "bottleneck"}),
        ("rnn", {"width": 8}, {"width": 8, "skip": False}),
    ],
)
def test_choices_that_nothing_depends_on_leave_one_function(name, one, other):
    first, second, base = keys(name, one, other, {})
    assert first == second != base


@each
def test_without_a_recipe_the_evaluator_decides_how_to_train(name):
    space = type(SMALL[name][0])(recipe=False)
    candidate = space.sample(np.random.default_rng(0))
    assert space.training(candidate) == {}
    assert "learning_rate" not in candidate.value
    assert space.settings()["recipe"] is False
    assert type(space)(**space.settings()).settings() == space.settings()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: MLP(features=0), r"MLP\(features=0\): give a whole number of at least 1"),
        (lambda: Tabular(outputs=True), r"Tabular\(outputs=True\)"),
        (lambda: ResNet(widths=(6,)), r"ResNet\(widths=\[6\]\): give multiples of 4"),
        (lambda: ViT(resolution=7, patches=(2,)), r"ViT\(patches=\(2,\)\): give sizes that divide images of 7 pixels"),
        (lambda: ViT(resolution=3), r"ViT\(patches=None\)"),
        (lambda: RNN(tokens=1.5), r"RNN\(tokens=1.5\)"),
        (lambda: GPT(layers=0), r"GPT\(layers=0\)"),
    ],
)
def test_impossible_sizes_are_refused_in_a_sentence(made, said):
    with pytest.raises(InvalidSpace, match=said):
        made()


def assembled(space, **named):
    return assemble(space, PartSettings(**named))


@pytest.mark.parametrize(
    ("name", "named", "sizes"),
    [
        ("mlp", {"task": "breast-cancer"}, {"features": 30, "outputs": 2}),
        ("tabular", {}, {"features": 30, "outputs": 2}),
        ("resnet", {}, {"channels": 1, "resolution": 8, "classes": 10}),
        ("vit", {"settings": {"classes": 12}}, {"channels": 1, "resolution": 8, "classes": 12}),
        ("mbconv", {"task": "digits"}, {"channels": 1, "resolution": 8, "classes": 10}),
        ("widths", {"task": "digits"}, {"channels": 1, "resolution": 8, "classes": 10}),
        ("gpt", {}, {"context": 64, "tokens": TEXT_TOKENS}),
    ],
)
def test_sizes_follow_from_the_task_unless_they_are_given(name, named, sizes):
    parts = assembled(name, **named)
    assert sizes.items() <= parts.space.settings().items()
    assert parts.reference.load() is parts.space
    assert sizes.items() <= parts.reference.settings.items()


@pytest.mark.parametrize("rater", ["zero-cost", "no_sizes"])
def test_sizes_follow_from_the_task_of_a_search_that_rates_first(rater):
    def no_sizes(candidate, seed):
        return {"loss": 0.0}

    named = no_sizes if rater == "no_sizes" else rater
    parts = assembled("mlp", evaluator=named, final="classification", task="breast-cancer")
    assert parts.rater.sizes() == (None if rater == "no_sizes" else ((Array((30,)),), 2))
    assert {"features": 30, "outputs": 2}.items() <= parts.space.settings().items()


def test_transformers_of_tables_are_exported_for_any_number_of_rows():
    chosen = {"kind": "FTTransformer", "depth": 1, "width": 16, "heads": 2, "ratio": 1, "activation": "relu"}
    space = Tabular(features=6, outputs=3, recipe=False)
    network = space.build(space.decode({"model": {**chosen, "dropout": 0.1}})).eval()
    exported = traced(Trained(network, (torch.randn(4, 6),)))
    rows = torch.randn(7, 6)
    torch.testing.assert_close(exported.module()(rows), network(rows))


def test_a_study_that_goes_on_keeps_the_sizes_that_it_began_with():
    stored = assembled("mlp", task="breast-cancer").identity()
    given = {"evaluator_given": {"name": "classification", "settings": {"task": "digits"}}}
    assert assemble("mlp", stored={**stored, **given}).space.settings()["features"] == 30


def test_data_of_another_form_leave_a_space_as_it_is():
    assert ResNet.sizes_for([Array((13,))], 3) == ViT.sizes_for([Array((3, 8, 9))], 3) == {}
    assert RNN.sizes_for([Array((13,))], 3) == MLP.sizes_for([Array((2,)), Array((3,))], 3) == {}
    assert automl.FunctionEvaluator(len, objective_name="loss").sizes() is None


def test_a_language_model_learns_the_text(tmp_path):
    study = automl.search(
        "gpt", trials=2, sample=2, finalists=1, test_seeds=1, confirm=1, baseline=False, workers=0, progress=False,
        settings={"epochs": 1, "layers": 1, "widths": [32], "evaluator.batch_size": 16},
        storage=f"sqlite:///{tmp_path}/a.db",
    )  # fmt: skip
    assert study.best.fitness < 45  # perplexity; a model that knows nothing has the number of tokens, about 90
    study.close()
