"""Candidates that lie far apart, for the first evaluations of a window that is wider than what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from automl.strategies.surrogate.kernels import DIGITS, Group, Kernel
from automl.strategies.surrogate.process import Process


def farthest(groups: Sequence[Group], rows: np.ndarray, near: np.ndarray, n: int) -> list[int]:
    """Returns places of rows that lie far from each other and from what is near.

    Each is the one that a Gaussian process would know least of if it had observed what is near and the rows chosen
    before: a greedy design of largest variance (Sacks et al. 1989, Design and Analysis of Computer Experiments).

    Args:
        groups: of columns.
        rows: [candidates, columns].
        near: [points, columns], what is evaluated already or under way.
        n: how many; fewer are returned where there are fewer rows.

    Example:
        >>> line = Group("x", 0, 1, np.zeros(1, dtype=int))
        >>> farthest([line], np.array([[0.1], [0.2], [3.0], [9.0]]), np.array([[0.0]]), 2)
        [3, 2]
    """
    exact = replace(Kernel.prior(groups), noise=0.0)  # else two measurements at one place would tell more than one
    process = Process(exact, rows.shape[1], len(near) + n, len(rows))
    process.put(np.arange(len(rows)), rows)
    believing = process.believing(list(near))
    open_ = np.ones(len(rows), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < n and open_.any():
        place = int(np.argmax(np.where(open_, np.round(believing.deviations(), DIGITS), -np.inf)))
        chosen.append(place)
        open_[place] = False
        believing.add(rows[place])
    return chosen
