"""Torch modules: written in another way, and really changed; ten thousand pairs each."""

from collections import Counter

import numpy as np
import pytest
import torch
from module_rewritings import Coder, changed, random_spec

from automl.behaviour import Array, Module, Probe
from automl.hashing import Hasher

PROBE = Probe(inputs=(Array((4, 5, 5)),))
SIZES = [
    pytest.param(20, 10, id="quick"),
    pytest.param(250, 40, id="whole", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
]


def keys(hasher, modules):
    hashed = hasher.hash_many([(Module(lambda module=module: module), {}) for module in modules], ["?"] * len(modules))
    assert not any(item.fallback for item in hashed), [item.fallback for item in hashed if item.fallback]
    return [item.key for item in hashed]


@pytest.mark.parametrize(("groups", "variants"), SIZES)
def test_networks_written_in_other_ways_keep_their_key(groups, variants):
    rng = np.random.default_rng(11)
    torch.manual_seed(0)
    hasher = Hasher(PROBE)
    ways: Counter[str] = Counter()
    apart = []
    for _ in range(groups):
        spec = random_spec(rng)
        coders = [Coder(rng) for _ in range(variants)]
        first, *others = keys(hasher, [Coder(None).network(spec), *(coder.network(spec) for coder in coders)])
        for coder in coders:
            ways.update(coder.used)
        apart += [(spec, sorted(coder.used)) for coder, key in zip(coders, others, strict=True) if key != first]
    assert not apart, (len(apart), apart[0])
    assert len(ways) >= 30, ways


@pytest.mark.parametrize(("groups", "variants"), SIZES)
def test_networks_that_differ_have_different_keys(groups, variants):
    rng = np.random.default_rng(12)
    torch.manual_seed(0)
    hasher = Hasher(PROBE)
    counted: Counter[str] = Counter()
    merged = []
    for _ in range(groups):
        spec = random_spec(rng)
        changes = [changed(spec, rng) for _ in range(variants)]
        first, *others = keys(
            hasher, [Coder(None).network(spec), *(Coder(None).network(other) for other, _ in changes)]
        )
        counted.update(what for _, what in changes)
        merged += [(what, spec, other) for (other, what), key in zip(changes, others, strict=True) if key == first]
    assert not merged, (len(merged), merged[:3])
    assert len(counted) >= 10, counted
