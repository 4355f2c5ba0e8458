"""Graphs: equal by construction and different by construction, ten thousand pairs each."""

from collections import Counter

import numpy as np
from graph_rewritings import KEEPING, changed, random_draft, really_equal, rewritten

from automl.hashing import Hasher

GROUPS, VARIANTS = 1250, 8


def test_ten_thousand_rewritten_graphs_keep_their_key():
    rng = np.random.default_rng(7)
    hasher = Hasher()
    used: Counter[str] = Counter()
    apart = []
    for _ in range(GROUPS):
        base = random_draft(rng)
        variants = [rewritten(base, rng, int(rng.integers(1, 7))) for _ in range(VARIANTS)]
        used.update(name for _, done in variants for name in done)
        graphs = [base.graph(), *(draft.graph() for draft, _ in variants)]
        hashed = hasher.hash_many([(graph, {}) for graph in graphs], ["?"] * len(graphs))
        assert not any(item.fallback for item in hashed), hashed
        apart += [
            (base.nodes, variants[n][0].nodes, variants[n][1])
            for n in range(VARIANTS)
            if hashed[n + 1].key != hashed[0].key
        ]
    assert not apart, (len(apart), apart[0])
    assert len(KEEPING) >= 15
    assert min(used[rule.__name__] for rule in KEEPING) > 20, used


def test_ten_thousand_changed_graphs_merge_only_where_they_are_equal():
    rng = np.random.default_rng(8)
    hasher = Hasher()
    changes: Counter[str] = Counter()
    merged = []
    for _ in range(GROUPS):
        base = random_draft(rng)
        variants = [changed(base, rng) for _ in range(VARIANTS)]
        graphs = [base.graph(), *(draft.graph() for draft, _ in variants)]
        hashed = hasher.hash_many([(graph, {}) for graph in graphs], ["?"] * len(graphs))
        assert not any(item.fallback for item in hashed), hashed
        for (_, what), graph, item in zip(variants, graphs[1:], hashed[1:], strict=True):
            changes[what] += item.key != hashed[0].key
            if item.key == hashed[0].key:
                merged.append((graphs[0], graph, what))
    wrong = [(one.nodes, other.nodes, what) for one, other, what in merged if not really_equal(one, other, rng)]
    assert not wrong, (len(wrong), len(merged), wrong[0])
    assert min(changes.values()) > 500, changes
