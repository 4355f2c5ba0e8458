"""Relaxed networks: all options of every choice at once, weighted, so that the weights can be learned by gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class Relaxed(Protocol):
    """Protocol of the module that a space's `relaxed` returns (Liu, Simonyan and Yang, ICLR 2019).

    It is a `torch.nn.Module` that is called with inputs and the weights of all options.

    Attributes:
        choices: For each group of choices, such as the edges of one kind of cell, the number of choices and the number
            of options that each of them has.

    Example:
        >>> from search_spaces.nas.digits_cells import DigitsCells
        >>> DigitsCells(channels=2).relaxed().choices
        {'cell': (6, 5)}
    """

    choices: Mapping[str, tuple[int, int]]

    def __call__(self, x: torch.Tensor, weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns logits of shape (batch, classes).

        Args:
            x: Inputs with a batch axis first.
            weights: Weights of the options by group, (choices, options).
        """
        ...
