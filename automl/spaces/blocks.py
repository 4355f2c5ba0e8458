"""Blocks: consecutive parts of a candidate, each of which can be trained and rated for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a candidate: a part of it, with what must be known of its neighbours.

    Attributes:
        index: Number of the block, from 0.
        entry: State in which the block before it ends, such as the scale of its last layer; "" where nothing of the
            neighbour matters, and for the first block.
        part: The block's own part of the candidate, as JSON data: a candidate of `block_space(index, entry)`.
        exit: State in which this block ends; the next block's `entry`.

    Example:
        >>> Block(1, entry="2", part=["conv2", "att4"], exit="4").exit
        '4'
    """

    index: int
    entry: str
    part: Any
    exit: str


class Supernet(Protocol):
    """Protocol of the module that a space's `supernet` returns: the shared weights of all candidates, block by block.

    It is a `torch.nn.Module`; copying it copies all weights. Everything that belongs to a block, adapters included, is
    in that block's module, so that a block can be trained and frozen as one.

    Example:
        >>> from search_spaces.nas.hytra import HyTra
        >>> space = HyTra(preset="mini")
        >>> network = space.supernet()
        >>> len(network.blocks), network.channels(0, "8")
        (3, 64)
    """

    blocks: torch.nn.ModuleList
    """One module a block, with all its weights; the first one has the stem too."""

    heads: torch.nn.ModuleDict
    """Classifiers by the state that a path ends in, as `torch.nn.ModuleDict`; only supervised objectives train them."""

    def block(self, index: int, entry: str, part: Any, x: torch.Tensor) -> torch.Tensor:
        """Returns what a part of a block makes of its input: for block 0 images, else the output of the block before.

        Args:
            index: Number of the block.
            entry: State in which the block before it ended.
            part: A candidate's JSON of `block_space(index, entry)`.
            x: Input with a batch axis first.
        """
        ...

    def channels(self, index: int, state: str) -> int:
        """Returns the number of channels of what leaves a block in a state."""
        ...

    def classify(self, state: str, x: torch.Tensor) -> torch.Tensor:
        """Returns logits of shape (batch, classes) from what the last block gives."""
        ...

    def used(self, index: int, entry: str, part: Any) -> Sequence[str]:
        """Returns the names of the parameters, within the whole module, that a part of a block reads."""
        ...
