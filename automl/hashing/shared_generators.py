"""Python's, numpy's and torch's shared generators: whether a module draws from them, and the same numbers each time."""

from __future__ import annotations

import functools
import itertools
import random
from typing import Any

import numpy as np
import torch

STATES = 32
"""Further states that the generators can be set to."""


class SharedGenerators:
    """The state of the generators that a whole process shares, as it was when this was made."""

    def __init__(self) -> None:
        self._states = _states()

    def moved(self) -> bool:
        """Tells whether somebody has drawn from Python's or numpy's since, in whatever thread.

        Torch's is not asked: what a module draws from it is drawn from another one, and trainings in other threads
        move it all the time.
        """
        return random.getstate() != self._states[0] or not _equal(np.random.get_state(), self._states[1])

    def restore(self) -> None:
        """Puts them back."""
        random.setstate(self._states[0])
        np.random.set_state(self._states[1])
        torch.default_generator.set_state(self._states[2])

    @staticmethod
    def seed(number: int = 0) -> None:
        """Sets all of them to one fixed state, which a number from 0 to `STATES` stands for."""
        python, numpy = _spread_out()[number]
        random.seed(python)
        np.random.seed(numpy)
        torch.default_generator.manual_seed(number)


@functools.cache
def _spread_out() -> list[tuple[int, int]]:
    """Returns pairs of seeds of Python's and numpy's generators; after the first, their first numbers lie evenly."""
    found = [(0, 0)]
    for number in range(STATES):
        low, high = number / STATES, (number + 1) / STATES
        python = next(seed for seed in itertools.count(1) if low <= random.Random(seed).random() < high)
        numpy = next(seed for seed in itertools.count(1) if low <= np.random.RandomState(seed).random_sample() < high)
        found.append((python, numpy))
    return found


def _states() -> tuple[Any, Any, torch.Tensor]:
    return random.getstate(), np.random.get_state(), torch.default_generator.get_state()


def _equal(one: Any, other: Any) -> bool:
    return one[2:] == other[2:] and np.array_equal(one[1], other[1])
