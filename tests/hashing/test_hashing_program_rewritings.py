"""Programs: equal by construction and different by construction, ten thousand pairs each."""

from collections import Counter

import numpy as np
from program_rewritings import KEEPING, Language, changed, random_program, really_equal, rewritten

from automl.behaviour import Program
from automl.hashing import Hasher

GROUPS, VARIANTS = 250, 40


def keys(hasher, programs, language):
    hashed = hasher.hash_many([(Program(program, language), {}) for program in programs], ["?"] * len(programs))
    assert not any(item.fallback for item in hashed), [item.fallback for item in hashed if item.fallback]
    return [item.key for item in hashed]


def test_ten_thousand_rewritten_programs_keep_their_key():
    rng = np.random.default_rng(5)
    hasher, language = Hasher(), Language()
    used: Counter[str] = Counter()
    apart = []
    for _ in range(GROUPS):
        program = random_program(rng)
        variants = [rewritten(program, rng, int(rng.integers(1, 7))) for _ in range(VARIANTS)]
        first, *others = keys(hasher, [program, *(variant for variant, _ in variants)], language)
        for (variant, done), key in zip(variants, others, strict=True):
            used.update(done)
            if key != first:
                apart.append((program, variant, done))
    assert not apart, (len(apart), apart[:2])
    assert len(KEEPING) >= 15
    assert min(used[rule.__name__] for rule in KEEPING) > 20, used


def test_ten_thousand_changed_programs_merge_only_where_they_are_equal():
    rng = np.random.default_rng(6)
    hasher, language = Hasher(), Language()
    told_apart: Counter[str] = Counter()
    merged = []
    for _ in range(GROUPS):
        program = random_program(rng)
        variants = [changed(program, rng) for _ in range(VARIANTS)]
        first, *others = keys(hasher, [program, *(variant for variant, _ in variants)], language)
        for (variant, what), key in zip(variants, others, strict=True):
            told_apart[what] += key != first
            if key == first:
                merged.append((program, variant, what))
    wrong = [item for item in merged if not really_equal(item[0], item[1])]
    assert not wrong, (len(wrong), len(merged), wrong[:2])
    assert min(told_apart.values()) > 100, told_apart
