"""Spaces of paths: one entry a layer, each from its layer's list, and a rule of which entry may follow which.

Paths are counted layer by layer, from the last to the first. The counts make sampling uniform over paths (drawing a
layer's entry at random would favour those that few paths go on from), and give the size of the space.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from automl.behaviour import Behaviour, Configuration
from automl.errors import InvalidCandidate, InvalidSpace, brief
from automl.spaces.blocks import Block
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    import networkx
    import numpy as np

Path = tuple[str, ...]


class PathSpace(Space):
    """Base class of spaces whose candidates are paths: a list of texts, one entry for each layer.

    A subclass gives the entries of each layer (`layers`), the state in which an entry leaves the path (`state`), which
    entries may follow a state (`follows`), and where blocks end (`lengths`). Sampling, mutation, crossover, enumeration
    and the spaces of single blocks follow.

    Example:
        >>> class Scales(PathSpace):
        ...     lengths = (2, 1)
        ...     def layers(self):
        ...         return (("1", "2", "4"),) * 3
        ...     def state(self, entry):
        ...         return entry
        ...     def follows(self, layer, state, entry):  # never finer, and one halving at a time
        ...         return state == "" or int(entry) in (int(state), 2 * int(state))
        >>> space = Scales()
        >>> space.size(), [block.part for block in space.blocks(space.decode(["1", "2", "2"]))]
        (8, [['1', '2'], ['2']])
        >>> [candidate.value for candidate in space.block_space(1, "2").candidates()]
        [['2'], ['4']]
        >>> space.decode(["1", "4", "4"])
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: Scales: layer 2 is '4', which cannot follow '1'; give one of 1, 2
    """

    lengths: tuple[int, ...] = ()
    """Number of layers of each block; empty where the space has no blocks."""

    @abstractmethod
    def layers(self) -> Sequence[Sequence[str]]:
        """Returns the entries of each layer; those of one layer differ."""

    def state(self, entry: str) -> str:
        """Returns what a layer must know of the entry before it; "" if nothing, which is also the start too."""
        return ""

    def follows(self, layer: int, state: str, entry: str) -> bool:
        """Returns whether an entry may stand at a layer (from 0) after a state."""
        return True

    # --- JSON --------------------------------------------------------------------------------------------------------

    def to_path(self, value: Any) -> Path:
        """Returns the entries of a candidate's JSON data; spaces with a notation of their own override it."""
        if not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
            raise InvalidCandidate(f"{self.kind}: {brief(value)} is no list of texts; give one entry for each layer")
        return tuple(value)

    def from_path(self, path: Sequence[str]) -> Candidate:
        """Returns the candidate of some entries."""
        return Candidate(list(path))

    def decode(self, value: Any) -> Candidate:
        return self.from_path(self.checked_path(self.to_path(value)))

    def path(self, candidate: Candidate) -> Path:
        """Returns the entries of a candidate."""
        return self.to_path(candidate.value)

    def checked_path(self, path: Path) -> Path:
        """Returns a path that belongs to this space.

        Raises:
            InvalidCandidate: it does not; the first layer that is wrong is named.
        """
        layers = self._layers
        if len(path) != len(layers):
            raise InvalidCandidate(f"{self.kind}: a candidate has {len(layers)} layers, and this one {len(path)}")
        state = self.start
        for layer, entry in enumerate(path):
            allowed = self._allowed(layer, state)
            if entry not in allowed:
                known = entry in layers[layer]
                what = f"which cannot follow {state!r}" if known else "which is no entry of this layer"
                raise InvalidCandidate(
                    f"{self.kind}: layer {layer + 1} is {brief(entry, 40)}, {what}; give one of {', '.join(allowed)}"
                )
            state = self.state(entry)
        return path

    # --- counting ----------------------------------------------------------------------------------------------------

    start: str = ""
    """State before the first layer."""

    @cached_property
    def _layers(self) -> tuple[Path, ...]:
        found = tuple(tuple(entries) for entries in self.layers())
        if not found or not all(found):
            raise InvalidSpace(f"{self.kind}: a space of paths needs at least one layer, and an entry in each")
        return found

    @cached_property
    def _counts(self) -> list[dict[str, int]]:
        """For each layer, the number of ways to go on to the end from each state before it; 1 behind the last."""
        layers = self._layers
        states = [{self.start}]
        for layer, entries in enumerate(layers):
            before = states[-1]
            reached = {self.state(entry) for entry in entries if any(self.follows(layer, one, entry) for one in before)}
            states.append(reached)
        counts: list[dict[str, int]] = [dict.fromkeys(states[-1], 1)]
        for layer in range(len(layers) - 1, -1, -1):
            ways = counts[0]
            counts.insert(
                0,
                {
                    state: sum(ways[self.state(one)] for one in layers[layer] if self.follows(layer, state, one))
                    for state in states[layer]
                },
            )
        if not counts[0][self.start]:
            raise InvalidSpace(f"{self.kind}: no path follows its rule from the first layer to the last")
        return counts

    def _allowed(self, layer: int, state: str) -> list[str]:
        """Returns the entries that may follow a state and lead to the end."""
        ways = self._counts[layer + 1]
        return [
            entry
            for entry in self._layers[layer]
            if self.follows(layer, state, entry) and ways.get(self.state(entry), 0)
        ]

    def size(self) -> int:
        return self._counts[0][self.start]

    def candidates(self) -> Iterator[Candidate]:
        """Yields every candidate, in the order of the layers' entries."""
        for path in self._paths(0, self.start):
            yield self.from_path(path)

    def _paths(self, layer: int, state: str) -> Iterator[Path]:
        if layer == len(self._layers):
            yield ()
            return
        for entry in self._allowed(layer, state):
            for rest in self._paths(layer + 1, self.state(entry)):
                yield (entry, *rest)

    # --- variation ---------------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Candidate:
        """Draws one path uniformly among all paths."""
        state, path = self.start, []
        for layer in range(len(self._layers)):
            allowed = self._allowed(layer, state)
            sums = list(accumulate(self._counts[layer + 1][self.state(entry)] for entry in allowed))
            place = rng.random() * sums[-1]
            entry = next((one for one, most in zip(allowed, sums, strict=True) if place < most), allowed[-1])
            path.append(entry)
            state = self.state(entry)
        return self.from_path(path)

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a candidate that differs in one layer, drawn uniformly among all such; itself if there is none."""
        near = list(self.neighbours(self.path(candidate)))
        return self.from_path(near[rng.integers(len(near))]) if near else candidate

    def neighbours(self, path: Path) -> Iterator[Path]:
        """Yields every path that differs from one in exactly one layer."""
        states = [self.start, *map(self.state, path)]
        for layer, entry in enumerate(path):
            for other in self._allowed(layer, states[layer]):
                last = layer + 1 == len(path)
                if other != entry and (last or self.follows(layer + 1, self.state(other), path[layer + 1])):
                    yield (*path[:layer], other, *path[layer + 1 :])

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns the beginning of one path with the end of the other, cut where both fit; one parent if none do."""
        a, b = self.path(one), self.path(other)
        cuts = [
            (*front[:cut], *back[cut:])
            for front, back in ((a, b), (b, a))
            for cut in range(1, len(a))
            if self.follows(cut, self.state(front[cut - 1]), back[cut])
        ]
        return self.from_path(cuts[rng.integers(len(cuts))]) if cuts else one

    # --- blocks ------------------------------------------------------------------------------------------------------

    @cached_property
    def _ends(self) -> list[int]:
        ends = [0, *accumulate(self.lengths)]
        if self.lengths and ends[-1] != len(self._layers):
            raise InvalidSpace(
                f"{self.kind}: its blocks have {ends[-1]} layers together, and the space {len(self._layers)}"
            )
        return ends

    def blocks(self, candidate: Candidate) -> tuple[Block, ...]:
        path, found, entry = self.path(candidate), [], self.start
        for index, (begin, end) in enumerate(pairwise(self._ends)):
            leaves = self.state(path[end - 1])
            found.append(Block(index, entry, list(path[begin:end]), leaves))
            entry = leaves
        return tuple(found)

    def block_entries(self, index: int) -> list[str]:
        """Returns the states in which a block can begin, in the order of the entries before it."""
        if index == 0:
            return [self.start]
        last = self._ends[index] - 1
        possible = set(self._counts[last + 1])
        return list(dict.fromkeys(state for state in map(self.state, self._layers[last]) if state in possible))

    def block_space(self, index: int, entry: str) -> BlockSpace:
        if not 0 <= index < len(self.lengths):
            raise InvalidSpace(f"{self.kind} has {len(self.lengths)} blocks, counted from 0; there is no block {index}")
        if entry not in (known := self.block_entries(index)):
            raise InvalidSpace(
                f"{self.kind}: block {index} cannot begin after {entry!r}; the block before it ends in one of "
                f"{', '.join(map(repr, known))}"
            )
        return BlockSpace(self, index, entry)

    def joined(self, parts: Sequence[Sequence[str]]) -> Candidate:
        """Returns the candidate whose blocks have these parts.

        Raises:
            InvalidCandidate: a part does not fit the one before it.
        """
        return self.from_path(self.checked_path(tuple(entry for part in parts for entry in part)))

    # --- pictures ----------------------------------------------------------------------------------------------------

    def describe(self, candidate: Candidate) -> str:
        path = self.path(candidate)
        if not self.lengths:
            return " ".join(path)
        return " | ".join(" ".join(path[begin:end]) for begin, end in pairwise(self._ends))

    def picture(self, candidate: Candidate) -> networkx.DiGraph | None:
        import networkx

        picture = networkx.DiGraph()
        for number, label in enumerate(("in", *self.path(candidate), "out")):
            picture.add_node(number, label=label)
            if number:
                picture.add_edge(number - 1, number, label="")
        return picture


class BlockSpace(PathSpace):
    """Space of the parts that one block of a space of paths can have, after one entry state.

    Its candidates are what `Block.part` holds; each behaves as its own JSON, because a part belongs to a path through
    shared weights and is no network of its own.

    Args:
        whole: Space that the block belongs to.
        index: Number of the block, from 0.
        entry: State in which the block before it ends.

    Example:
        >>> class Letters(PathSpace):
        ...     lengths = (1, 2)
        ...     def layers(self):
        ...         return ("ab", "cd", "ef")
        >>> space = Letters().block_space(1, "")
        >>> [candidate.value for candidate in space.candidates()]
        [['c', 'e'], ['c', 'f'], ['d', 'e'], ['d', 'f']]
    """

    def __init__(self, whole: PathSpace, index: int, entry: str) -> None:
        self._whole, self.index, self.start = whole, index, entry
        self._begin = sum(whole.lengths[:index])

    @property
    def kind(self) -> str:
        return f"{self._whole.kind}, block {self.index} after {self.start or 'the start'}"

    def layers(self) -> Sequence[Sequence[str]]:
        return self._whole._layers[self._begin : self._begin + self._whole.lengths[self.index]]

    def state(self, entry: str) -> str:
        return self._whole.state(entry)

    def follows(self, layer: int, state: str, entry: str) -> bool:
        return self._whole.follows(self._begin + layer, state, entry)

    def behaviour(self, candidate: Candidate) -> Behaviour:
        return Configuration({"block": self.index, "entry": self.start, "part": candidate.value})

    def settings(self) -> Mapping[str, Any]:
        return {"block": self.index, "entry": self.start, **self._whole.settings()}
