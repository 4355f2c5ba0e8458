"""Splitting examples into training, validation and test part: with equal shares of classes, by groups, by time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl.errors import InvalidInput, brief

SEED = 20230210  # of the paper's first version; never changed, or results would no longer compare
SHARES = (0.6, 0.2, 0.2)
"""Of the training, validation and test part, unless others are given."""


def split(
    count: int,
    shares: Sequence[float] = SHARES,
    *,
    classes: Any = None,
    groups: Any = None,
    times: Any = None,
) -> list[np.ndarray]:
    """Splits the numbers of examples into parts, always in the same way.

    Args:
        count: Number of examples.
        shares: Share of each part; they sum to 1.
        classes: Class of each example: every part gets its share of each; None looks at no classes.
        groups: Group of each example, such as the patient: no group is in two parts; None has no groups.
        times: Time of each example: the parts follow one another, no time is in two parts; None has no times.

    Returns:
        One sorted array of numbers a part.

    Raises:
        InvalidInput: shares do not sum to 1, two ways are asked for, or a part would be empty.

    Example:
        >>> [part.tolist() for part in split(5, times=[3, 1, 2, 5, 4])]
        [[0, 1, 2], [4], [3]]
        >>> [len(part) for part in split(10, groups=[0, 0, 0, 0, 0, 0, 1, 1, 2, 2])]
        [6, 2, 2]
    """
    shares = tuple(float(one) for one in shares)
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InvalidInput(f"split={brief(shares)}; give three shares above 0 that sum to 1, such as (0.6, 0.2, 0.2)")
    ways = {"groups": groups, "times": times, "classes": classes}
    given = {name: np.asarray(one) for name, one in ways.items() if one is not None}
    if "groups" in given and "times" in given:
        raise InvalidInput("a split is by groups or by times, not both; give one of them")
    for name, one in given.items():
        if one.shape != (count,):
            raise InvalidInput(f"{name} has the shape {one.shape}; give one for each of the {count} examples")
    if "groups" in given:
        parts = _grouped(given["groups"], shares)
    elif "times" in given:
        parts = _in_time(given["times"], shares)
    elif "classes" in given:
        parts = stratified(given["classes"], shares)
    else:
        parts = stratified(np.zeros(count, int), shares)
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        if len(part) == 0:
            raise InvalidInput(f"the {name} part of {count} examples would be empty; give the parts yourself")
    return parts


def stratified(labels: np.ndarray, shares: tuple[float, ...]) -> list[np.ndarray]:
    """Splits indices so that every part holds its share of every class.

    Args:
        labels: classes of shape (examples,).
        shares: of each part; they sum to 1.

    Returns:
        One sorted array of indices a part; together they are all indices, each once.

    Example:
        >>> [len(part) for part in stratified(np.array([0] * 10 + [1] * 20), (0.5, 0.5))]
        [15, 15]
    """
    rng = np.random.Generator(np.random.Philox(SEED))
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    ends = np.cumsum(shares)[:-1]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.round(ends * len(members)).astype(int)
        for part, chosen in zip(parts, np.split(members, cuts), strict=True):
            part.append(chosen)
    return [np.sort(np.concatenate(part)) for part in parts]


def _grouped(groups: np.ndarray, shares: tuple[float, ...]) -> list[np.ndarray]:
    """Gives each group, the largest first, to the part that lacks most of its share."""
    names, place = np.unique(groups, return_inverse=True)
    sizes = np.bincount(place)
    rng = np.random.Generator(np.random.Philox(SEED))
    mixed = rng.permutation(len(names))
    missing = np.array(shares) * len(groups)
    part_of = np.zeros(len(names), int)
    for group in mixed[np.argsort(-sizes[mixed], kind="stable")]:
        part_of[group] = int(np.argmax(missing))
        missing[part_of[group]] -= sizes[group]
    return [np.flatnonzero(part_of[place] == number) for number in range(len(shares))]


def _in_time(times: np.ndarray, shares: tuple[float, ...]) -> list[np.ndarray]:
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    cuts = []
    for end in np.cumsum(shares)[:-1]:
        cut = round(end * len(times))
        while 0 < cut < len(times) and ordered[cut] == ordered[cut - 1]:
            cut += 1  # a time is in one part only
        cuts.append(cut)
    return [np.sort(part) for part in np.split(order, cuts)]
