"""Models of timm and transformers as spaces, where these are installed: built, hashed, sized, found again elsewhere."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

import automl
from automl import Array, Probe
from automl.errors import InvalidInput
from automl.setup.targets import resolve
from automl.testing.spaces import SpaceContract

IMAGES = Probe((Array((1, 32, 32)),))
TOKENS = Probe((Array((12,), 0, 49),))
OF_IMAGES = {"resolution": 32, "channels": 1, "classes": 5}
RESNET = "timm:test_resnet?drop_path=0|0.1&act_layer=relu|gelu&drop=0|0.2"
BERT = "transformers:bert?num_hidden_layers=1|2&hidden_size=16|32&hidden_act=relu|gelu&intermediate_size=24"


@pytest.fixture
def timm():
    return pytest.importorskip("timm")


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers")


class TestTimm(SpaceContract):
    samples = 8

    @pytest.fixture(autouse=True)
    def _installed(self, timm):
        pass

    def space(self):
        return resolve(RESNET, OF_IMAGES)[0]

    def probe(self):
        return IMAGES


class TestTransformers(SpaceContract):
    samples = 8

    @pytest.fixture(autouse=True)
    def _installed(self, transformers):
        pass

    def space(self):
        return resolve(BERT, {"tokens": 50, "context": 12, "classes": 3})[0]

    def probe(self):
        return TOKENS


def key(space, **values):
    return automl.functional_hash(space.build(space.decode(values)), probe=space_probe(space))


def space_probe(space):
    return IMAGES if "timm" in space.kind else TOKENS


def test_equal_functions_share_a_key_and_a_drop_rate_does_not(timm):
    space, _ = resolve("timm:test_resnet?drop_path=0|0.1&zero_init_last=true|false&aa_layer=null|blur", OF_IMAGES)
    first = key(space, drop_path=0, zero_init_last=True, aa_layer=None)
    assert first == key(space, drop_path=0, zero_init_last=True, aa_layer=None)
    assert first != key(space, drop_path=0.1, zero_init_last=True, aa_layer=None)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("timm:test_resnt?drop_path=0|0.1", "^unknown model of timm 'test_resnt'; did you mean .*test_resnet"),
        ("timm:test_resnet?drop_pth=0|0.1", "^unknown argument of timm:test_resnet 'drop_pth'; did you mean drop_path"),
        (
            "timm:test_resnet?act_layer=rleu|relu",
            "^timm:test_resnet cannot be built with act_layer=rleu, resolution=224",
        ),
    ],
)
def test_what_timm_does_not_know_is_refused(timm, target, why):
    with pytest.raises(InvalidInput, match=why):
        resolve(target)


@pytest.mark.parametrize(
    ("target", "settings", "why"),
    [
        ("brt?hidden_size=16|32", {}, "^unknown type of transformers' models 'brt'; did you mean .*bert"),
        ("bert?hiden_size=16|32", {}, "^unknown argument of transformers:bert 'hiden_size'; did you mean hidden_size"),
        ("bert?hidden_act=rleu|relu", {}, "^transformers:bert cannot be built with hidden_act=rleu, head=sequence"),
        ("bert?hidden_size=16|32", OF_IMAGES | {"head": "image-classification"}, "it has one for sequence-class"),
        ("gpt2?n_embd=16|32&hidden_size=16", {}, "hidden_size and n_embd are the same argument; keep one"),
    ],
)
def test_what_transformers_does_not_know_is_refused(transformers, target, settings, why):
    with pytest.raises(InvalidInput, match=why):
        resolve(f"transformers:{target}", settings)


def test_the_sizes_follow_from_the_task(transformers):
    kind = type(resolve(BERT)[0])
    assert kind.sizes_for([Array((12,), 0, 49)], 3) == {
        "head": "sequence-classification", "tokens": 50, "context": 12, "classes": 3,
    }  # fmt: skip
    assert kind.sizes_for([Array((12,), 0, 49)], 50)["head"] == "next-token"
    assert kind.sizes_for([Array((1, 8, 8))], 10)["head"] == "image-classification"
    assert kind.sizes_for([Array((13,))], 10) == {}


@pytest.mark.parametrize("model", ["bert?num_hidden_layers=1|2&hidden_size=24", "gpt2?n_layer=1|2&n_embd=24"])
def test_a_model_for_the_next_token_does_not_see_it(transformers, model):
    space, _ = resolve(f"transformers:{model}", {"head": "next-token", "tokens": 50, "context": 600})
    network = space.build(space.sample(np.random.default_rng(0))).eval()
    one = torch.randint(1, 50, (2, 600))  # longer than the 512 places of BERT
    other = one.clone()
    other[:, 300:] = (one[:, 300:] + 7) % 50
    apart = (network(one) - network(other)).abs().amax(-1)
    assert network(one).shape == (2, 600, 50)
    assert apart[:, :300].max() < 1e-5 < apart[:, 300:].min()


@pytest.mark.parametrize("library", ["timm", "transformers"])
def test_a_space_leaves_the_random_state_alone(library, request):
    request.getfixturevalue(library)
    before = torch.random.get_rng_state()
    resolve(RESNET if library == "timm" else BERT)
    assert torch.equal(torch.random.get_rng_state(), before)


LOADED = """
import pickle, sys
import automl
reference, probe, value = pickle.loads(sys.stdin.buffer.read())
space = reference.load()
print(automl.functional_hash(space.build(space.decode(value)), probe=probe).hex())
"""


def test_another_process_finds_the_same_space(transformers):
    space, reference = resolve(BERT, {"tokens": 50, "context": 12, "classes": 3})
    value = {"num_hidden_layers": 1, "hidden_size": 16, "hidden_act": "gelu"}
    sent = pickle.dumps((reference, TOKENS, value))
    told = subprocess.run([sys.executable, "-c", LOADED], input=sent, capture_output=True, check=True)
    assert told.stdout.decode().split()[-1] == key(space, **value).hex()


def test_a_search_takes_its_sizes_from_the_task_and_goes_on(timm, tmp_path):
    def run(trials):
        return automl.search(
            "timm:test_resnet?drop_path=0|0.1&act_layer=relu|gelu", evaluator="classification", task="digits",
            settings={"epochs": 1}, trials=trials, study="t", sample=2, finalists=1, test_seeds=1, confirm=1,
            baseline=False, workers=0, progress=False, storage=f"sqlite:///{tmp_path}/a.db",
        )  # fmt: skip

    run(1).close()
    study = run(3)
    assert study.report().data.settings["space"] == {
        "target": "timm:test_resnet?drop_path=0|0.1&act_layer=relu|gelu",
        "settings": {"channels": 1, "resolution": 8, "classes": 10},
        "source": None,
    }
    assert len(study.trials_dataframe()) == 3
    study.close()
