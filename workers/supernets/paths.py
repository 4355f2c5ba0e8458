"""Which paths a step trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from automl.spaces.paths import Path, PathSpace


def step_paths(space: PathSpace, count: int, rng: np.random.Generator) -> list[Path]:
    """Returns the paths of one training step.

    Where every entry may follow every other, each entry of each layer is used equally often, as in FairNAS (Chu et al.
    2021); else distinct paths are drawn uniformly.
    """
    layers = space.layers()
    if space.size() == int(np.prod([len(entries) for entries in layers], dtype=object)):
        return fair_paths([list(entries) for entries in layers], count, rng)
    found: dict[Path, None] = {}
    most = min(count, space.size())
    while len(found) < most:
        found[space.path(space.sample(rng))] = None
    return list(found)


def step_parts(space: PathSpace, index: int, count: int, rng: np.random.Generator) -> list[tuple[str, Path]]:
    """Returns the parts of a block that one step trains, each with the state in which it begins.

    Where a block begins in one state only, they are `step_paths` of its space; else distinct parts are drawn uniformly
    among those of all states.
    """
    entries = space.block_entries(index)
    inside = [space.block_space(index, entry) for entry in entries]
    if len(entries) == 1:
        return [(entries[0], path) for path in step_paths(inside[0], count, rng)]
    sizes = np.array([one.size() for one in inside], dtype=float)
    found: dict[tuple[str, Path], None] = {}
    most = min(count, int(sizes.sum()))
    while len(found) < most:
        place = int(rng.choice(len(entries), p=sizes / sizes.sum()))
        found[entries[place], inside[place].path(inside[place].sample(rng))] = None
    return list(found)


def fair_paths(layers: list[list[str]], count: int, rng: np.random.Generator) -> list[Path]:
    """Returns paths in which each layer goes through its entries in random order, again and again."""
    columns = []
    for entries in layers:
        rounds = -(-count // len(entries))
        order = np.concatenate([rng.permutation(len(entries)) for _ in range(rounds)])[:count]
        columns.append([entries[place] for place in order])
    return [tuple(path) for path in zip(*columns, strict=True)]
