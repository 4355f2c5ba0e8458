"""Functions: equal by construction and different by construction, ten thousand pairs each."""

from collections import Counter

import numpy as np
from function_rewritings import KEEPING, call, changed, random_tree, really_equal, rewritten

from automl.behaviour import Function
from automl.hashing import Hasher

GROUPS, VARIANTS = 250, 40


def keys(hasher, trees, arity):
    hashed = hasher.hash_many([(Function(call(tree), arity), {}) for tree in trees], ["?"] * len(trees))
    assert not any(item.fallback for item in hashed), [item.fallback for item in hashed if item.fallback]
    return [item.key for item in hashed]


def test_ten_thousand_rewritten_functions_keep_their_key():
    rng = np.random.default_rng(3)
    hasher = Hasher()
    used: Counter[str] = Counter()
    apart = []
    for group in range(GROUPS):
        arity = 1 + group % 3
        tree = random_tree(rng, arity)
        variants = [rewritten(tree, rng, int(rng.integers(1, 7))) for _ in range(VARIANTS)]
        first, *others = keys(hasher, [tree, *(variant for variant, _ in variants)], arity)
        for (variant, done), key in zip(variants, others, strict=True):
            used.update(done)
            if key != first:
                apart.append((tree, variant, done))
    assert not apart, (len(apart), apart[:3])
    assert len(KEEPING) >= 15
    assert min(used[name] for name in KEEPING) > 20, used


def test_ten_thousand_changed_functions_merge_only_where_they_are_equal():
    rng = np.random.default_rng(4)
    hasher = Hasher()
    told_apart: Counter[str] = Counter()
    merged = []
    for group in range(GROUPS):
        arity = 1 + group % 3
        tree = random_tree(rng, arity)
        variants = [changed(tree, rng, arity) for _ in range(VARIANTS)]
        first, *others = keys(hasher, [tree, *(variant for variant, _ in variants)], arity)
        for (variant, what), key in zip(variants, others, strict=True):
            told_apart[what] += key != first
            if key == first:
                merged.append((tree, variant, what, arity))
    wrong = [item for item in merged if not really_equal(item[0], item[1], item[3], rng)]
    assert not wrong, (len(wrong), len(merged), wrong[:3])
    assert min(told_apart.values()) > 100, told_apart
