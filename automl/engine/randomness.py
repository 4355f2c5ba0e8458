"""A study's random numbers: one generator for each purpose and trial, so that replay draws the same again."""

from __future__ import annotations

import numpy as np

PROPOSE, VARY = 0, 1
"""Purposes: proposals of the strategy, and the variation of duplicates."""


def generator(seed: int, purpose: int, number: int) -> np.random.Generator:
    """Returns the generator of one purpose from trial `number` on; equal arguments give equal draws."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, number]))
